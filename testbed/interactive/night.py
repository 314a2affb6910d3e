"""A night without a script: a facility in one variant and the usual passengers, for whoever plays the night by hand."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import scenario_file
from testbed.plan import passengers, trace
from testbed.plan.expectation import WHATEVER
from testbed.plan.night import NightPlan
from testbed.plan.scenario import Scenario, Variant, WorkloadPlan
from testbed.plan.topology import FacilityPlan
from testbed.plan.trace import Trace, TraceHeader

if TYPE_CHECKING:
    from testbed.plan.trace import TraceRequest

NAME = "by_hand"
DATE = datetime.date(2013, 10, 7)
SHARES: dict[str, dict[str, float]] = {  # as in the night of the case
    "kiosk": {"check_in": 34, "reprint_boarding_pass": 5},
    "ivr": {"flight_status": 27, "baggage_allowance": 4},
    "partner": {"search": 18, "book": 9, "fare_rules": 3},
}


def night(variant: str, application_servers: int) -> Scenario:
    """Give the night, whose clock goes by as clocks do; raises UsageError that lists the variants when there is none of that name."""
    kept = scenario_file.kept_variants((variant,))
    return Scenario(
        NAME,
        Path(NAME),
        "By hand",
        "What was done, and when, is in the journal alone.",
        (),
        FacilityPlan(application_servers=application_servers),
        NightPlan.model_validate({"date": DATE, "from": "22:00", "to": "05:15", "speed": 1.0}),
        WorkloadPlan(seed=1, rate_per_minute=1.0, shares=SHARES),
        (),
        (Variant(variant, kept[variant].settings, WHATEVER),),
    )


def draw_passengers(scenario: Scenario, seed: int, count: int) -> tuple[TraceRequest, ...]:
    """Give so many of the night's passengers, drawn by the seed; at which time of the night they would come is left to who sends them."""
    workload = scenario.workload.model_copy(update={"seed": seed, "rate_per_minute": count / scenario.night.minutes})
    return passengers.derive(replace(scenario, workload=workload)).requests


def nobody(scenario: Scenario) -> Trace:
    """Give the trace of a night for which nobody is known beforehand."""
    return Trace(TraceHeader(trace.FORMAT, scenario.name, scenario.workload.seed, 0.0, 0, ""), ())
