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
    """The verdict is held, and no finding is anything else; what a runtime has not, it says, and the scenario is left out there."""
    judgement = replayed(scenario, variant).judgement
    assert [f"{one.check}: {one.verdict.value}: {one.text}" for one in judgement.findings if one.verdict is not Verdict.HELD] == []
    assert judgement.verdict is Verdict.HELD
