from __future__ import annotations

import pytest

from testbed.facility.probe import ProbeResult


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (ProbeResult("answered", 0.00017, 0.01, 0.02, 443), "in 0.17 ms, received 443 bytes, the last after 0.02 s, and was then answered"),
        (ProbeResult("closed", 0.001, 0.0, 0.0, 1), "in 1.00 ms, received 1 byte, the last after 0.00 s, and was then closed"),
        (ProbeResult("silent", 0.001), "in 1.00 ms, received 0 bytes, and was then silent"),
    ],
    ids=lambda value: value.ended if isinstance(value, ProbeResult) else "",
)
def test_a_result_names_its_subject(result: ProbeResult, text: str) -> None:
    """It stands in reports behind the name of a link, and a link receives nothing."""
    assert str(result) == f"a probe connected {text}"
