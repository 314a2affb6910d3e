"""What a busy machine loses of a night makes a verdict unknown, never another one."""

from __future__ import annotations

from random import Random

import pytest

from tests.losses import LOSSES, contradictions, lost, meaning
from tests.nights import RESTART, SWITCHOVER, flown

VARIANTS = """
[variants.checkout_timeout.expect]
outcome = "grounded"
"""
NIGHTS = {
    "hung": ("original", SWITCHOVER),
    "restarted": ("original", SWITCHOVER + RESTART),
    "contained": ("fixed", SWITCHOVER),
    "errors": ("checkout_timeout", SWITCHOVER),
}
SEEDS = 3


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("night", NIGHTS)
def test_less_seen_never_makes_another_verdict(night: str, loss: str) -> None:
    """Of everything that may be expected, what held is not broken, and what was broken does not hold; nor is the outcome another one."""
    variant, timeline = NIGHTS[night]
    journal = flown(variant, timeline, variants=VARIANTS)
    before = meaning(journal)
    claimed = {seed: found for seed in range(SEEDS) if (found := contradictions(before, meaning(lost(journal, loss, Random(seed)))))}
    assert claimed == {}
