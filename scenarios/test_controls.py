"""Expectations of a variant that the night over another variant breaks: what a scenario shows of a pattern would not be seen without it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from scenarios.conftest import PLANS
from testbed.verdict import judge
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.plan.expectation import Expectation
    from testbed.verdict.result import Result

# The scenarios that show a pattern beside its control; and of which variants a journal also meets another's expectation.
COMPARED = (
    "silent_server",
    "failure_modes",
    "shock_absorber",
    "wrong_address",
    "two_locks",
    "full_queue",
    "nervous_cluster",
    "shared_heartbeats",
    "nested_checkout",
    "abandoned_transaction",
    "clients_leave",
    "slow_bodies",
)
ALIKE = {
    ("failure_modes", "original"): {"service_groups"},  # groups that share a database change nothing
    ("failure_modes", "service_groups"): {"original"},
    # Both do the work afterwards; that one caller goes on meanwhile, and the other does not, `test_shock_absorber` asks of each.
    ("shock_absorber", "patient"): {"decoupled"},
    ("shock_absorber", "decoupled"): {"patient"},
    ("abandoned_transaction", "reset"): {"in_transaction"},  # whoever ends the transaction, it is ended
    ("abandoned_transaction", "in_transaction"): {"reset"},
    ("failure_modes", "pre_ping"): {"hardened"},  # which allows errors, and asks for none
}
CASES = [(name, variant.name) for name in COMPARED for variant in PLANS[name].variants]


def verdict_by(result: Result, expect: Expectation) -> Verdict:
    """Judge a journal by an expectation that is not its own."""
    header = replace(result.journal.header, expect=expect.model_dump(mode="json", exclude_none=True))
    return judge.judge(replace(result.journal, header=header)).verdict


@pytest.mark.fact("P2", "S3", "S4", "S5", "S8", "S10")
@pytest.mark.parametrize(("scenario", "variant"), CASES, ids=["-".join(case) for case in CASES])
def test_a_night_without_the_pattern_breaks_what_is_expected_with_it(
    replayed: Callable[[str, str], Result], scenario: str, variant: str
) -> None:
    """A journal meets the expectation of its own variant, and of no other that is expected to come out otherwise."""
    result = replayed(scenario, variant)
    met = {other.name for other in PLANS[scenario].variants if verdict_by(result, other.expect) is Verdict.HELD}
    assert {variant} <= met <= {variant, *ALIKE.get((scenario, variant), ())}  # of those alike, one may ask for what was not seen
