from __future__ import annotations

import pytest

from testbed.foreign.metric_name import MetricName


@pytest.mark.parametrize(
    ("text", "name", "labels"),
    [
        ("pool", "pool", {}),
        (" pool {} ", "pool", {}),
        ('a:b_total{pool="main"}', "a:b_total", {"pool": "main"}),
        ('p{ pool = "main" , state="out", }', "p", {"pool": "main", "state": "out"}),
        (r'p{q="a, b} \"c\" \\ \n"}', "p", {"q": 'a, b} "c" \\ \n'}),
    ],
)
def test_a_name_is_that_of_a_metric_with_labels_that_must_be_there(text: str, name: str, labels: dict[str, str]) -> None:
    """As Prometheus writes them; a sample may have other labels, too."""
    parsed = MetricName.parse(text)
    assert (parsed.name, dict(parsed.labels)) == (name, labels)
    assert parsed.fits(name, {**labels, "instance": "cf-1"})
    assert not parsed.fits("other", labels)
    assert not labels or not parsed.fits(name, dict.fromkeys(labels, ""))


@pytest.mark.parametrize(
    "text", ["", "{}", "1pool", "a b", "a{", "a{b}", 'a{b="c"', 'a{b="c" d="e"}', "a{b=c}", 'a{b="c"}}', "a}", 'a{,b="c"}']
)
def test_what_is_no_metric_is_refused_with_what_is_allowed(text: str) -> None:
    """And with the text as it was found."""
    with pytest.raises(ValueError, match=r"is no metric; allowed: a name such as hikaricp"):
        MetricName.parse(text)
