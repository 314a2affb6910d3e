"""Every scenario of the project comes out as its file says it must."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scenarios.conftest import PLANS
from testbed.verdict import share
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.verdict.result import Result

CASES = [(plan.name, variant.name) for plan in PLANS.values() for variant in plan.variants]


@pytest.mark.parametrize(("scenario", "variant"), CASES, ids=["-".join(case) for case in CASES])
def test_the_expectation_of_the_scenario_holds(replayed_often: Callable[[str, str], list[Result]], scenario: str, variant: str) -> None:
    """The verdict is held, in each replay or in as many as it asks for; a scenario is skipped on a runtime that lacks what it needs."""
    expect = PLANS[scenario].variant(variant).expect
    judgements = [result.judgement for result in replayed_often(scenario, variant)]
    failed = [finding for judgement in judgements for finding in judgement.findings if finding.verdict is not Verdict.HELD]
    verdict = share.verdict(expect, [judgement.verdict for judgement in judgements])
    assert verdict is Verdict.HELD, [f"{finding.check}: {finding.verdict.value}: {finding.text}" for finding in failed]
