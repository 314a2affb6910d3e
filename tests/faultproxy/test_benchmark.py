from __future__ import annotations

import pytest

from tests.benchmarks.fault_proxy import CONNECTIONS, Figures, missed


def figures(echo_us: float, bulk_mb_s: float, *, delay_ms: float = 0.5, off_percent: float = 0.5, answered: int = CONNECTIONS) -> Figures:
    """Return the figures of a way."""
    return Figures([echo_us], [bulk_mb_s], {"upstream 20 ms": [delay_ms]}, {"1000 kB/s": [off_percent]}, answered)


DIRECT = figures(66, 5_278)


@pytest.mark.parametrize(
    ("bundled", "direct", "count"),
    [
        (figures(124, 1_002), DIRECT, 0),
        (figures(126, 1_002), DIRECT, 1),
        (figures(124, 1_000), DIRECT, 1),
        (figures(620, 110), figures(330, 550), 0),  # a slow machine: the ratios hold
        (figures(70, 2_000), figures(20, 20_000), 0),  # a fast one: what was measured does
        (figures(124, 1_002, delay_ms=-5.1), DIRECT, 1),
        (figures(124, 1_002, off_percent=-5.1), DIRECT, 1),
        (figures(124, 1_002, answered=CONNECTIONS - 1), DIRECT, 1),
    ],
)
def test_every_aim_that_is_missed_is_named(bundled: Figures, direct: Figures, count: int) -> None:
    """Every missed aim is counted: early as late, slow as fast; one of the two forms of an aim is enough."""
    assert len(missed(bundled, direct, None)) == count


def test_an_official_toxiproxy_of_the_same_run_is_to_be_beaten() -> None:
    """A figure worse than the official one of the same run is a missed aim, even if every fixed aim is reached."""
    assert missed(figures(90, 2_000), DIRECT, figures(125, 1_001)) == []
    assert len(missed(figures(90, 2_000), DIRECT, figures(80, 3_000))) == 2
