"""Every scenario of the project comes out as its file says it must."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scenarios.conftest import PLANS
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.verdict.result import Result

CASES = [(plan.name, variant.name) for plan in PLANS.values() for variant in plan.variants]


@pytest.mark.parametrize(("scenario", "variant"), CASES, ids=["-".join(case) for case in CASES])
def test_the_expectation_of_the_scenario_holds(replayed: Callable[[str, str], Result], scenario: str, variant: str) -> None:
    """The verdict is held, and so is every finding; a scenario is skipped on a runtime that does not provide what it needs."""
    judgement = replayed(scenario, variant).judgement
    failed = [finding for finding in judgement.findings if finding.verdict is not Verdict.HELD]
    assert [f"{finding.check}: {finding.verdict.value}: {finding.text}" for finding in failed] == []
    assert judgement.verdict is Verdict.HELD
