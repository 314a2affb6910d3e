"""A night without a timeline: a facility in one variant, and the usual passengers, for interactive use."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import scenario_file
from testbed.errors import ScenarioError
from testbed.plan import own_service, passengers, trace
from testbed.plan.expectation import WHATEVER
from testbed.plan.night import NightPlan
from testbed.plan.scenario import Scenario, Variant, WorkloadPlan
from testbed.plan.settings import Settings
from testbed.plan.topology import TRANSACTIONS, FacilityPlan
from testbed.plan.trace import Trace, TraceHeader

if TYPE_CHECKING:
    from testbed.plan.trace import TraceRequest

NAME = "interactive"
DATE = datetime.date(2013, 10, 7)
SHARES: dict[str, dict[str, float]] = {  # as in the night of the case
    "kiosk": {"check_in": 34, "reprint_boarding_pass": 5},
    "ivr": {"flight_status": 27, "baggage_allowance": 4},
    "partner": {"search": 18, "book": 9, "fare_rules": 3},
}


def night(variant: str, application_servers: int, service: Path | None = None) -> Scenario:
    """Return the scenario of an interactive night, at speed 1; raises UsageError, with the names of all variants, for an unknown one.

    `service`: a file with somebody else's service in the place of the application servers. Nobody asks for what has no request in it.
    """
    variants = scenario_file.kept_variants((variant,))
    plan = Scenario(
        NAME,
        Path(NAME),
        "Interactive",
        "What was done, and when, is in the journal alone.",
        (),
        FacilityPlan(application_servers=application_servers),
        NightPlan.model_validate({"date": DATE, "from": "22:00", "to": "05:15", "speed": 1.0}),
        WorkloadPlan(seed=1, rate_per_minute=1.0, shares=SHARES),
        (),
        (Variant(variant, variants[variant].settings, WHATEVER),),
    )
    return plan if service is None else _with_service(plan, service)


def _with_service(plan: Scenario, file: Path) -> Scenario:
    """Return the night over the service of a file, with those transactions that it declares, and those that need none.

    Raises ScenarioError for a file that is wrong, or a service that declares nothing which anybody would ask for.
    """
    service = own_service.read(file)
    if not service.requests:
        raise ScenarioError(str(file), ("service.requests: none; allowed: a request for one transaction at least",))
    shares = {
        caller: {name: share for name, share in of_caller.items() if name in service.requests or not TRANSACTIONS[caller][name]}
        for caller, of_caller in plan.workload.shares.items()
    }
    workload = plan.workload.model_copy(update={"shares": {caller: of for caller, of in shares.items() if of}})
    patterns = tuple(variant for variant in plan.variants if variant.settings != Settings())  # of the callers and the facility
    return own_service.in_place(replace(plan, workload=workload), service, own_service.name_of(file), patterns)


def draw_passengers(scenario: Scenario, seed: int, count: int) -> tuple[TraceRequest, ...]:
    """Return `count` passengers of the night, drawn by the seed. The sender sets when they leave, and ignores their time of the night."""
    workload = scenario.workload.model_copy(update={"seed": seed, "rate_per_minute": count / scenario.night.minutes})
    return passengers.derive(replace(scenario, workload=workload)).requests


def empty_trace(scenario: Scenario) -> Trace:
    """Return an empty trace: the passengers of an interactive night are not known beforehand."""
    return Trace(TraceHeader(trace.FORMAT, scenario.name, scenario.workload.seed, 0.0, 0, ""), ())
