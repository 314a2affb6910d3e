"""The passengers of a night: drawn from the real schedule by a seed, or read from a kept trace."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

from testbed.errors import ScenarioError
from testbed.plan import schedule
from testbed.plan.trace import Trace, TraceRequest, header_of, read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.plan.scenario import Scenario
    from testbed.plan.schedule import CheckIn

MAX_REQUESTS = 500_000


def of(scenario: Scenario) -> Trace:
    """Return the scenario's trace: the kept trace that it names, or one derived from the schedule.

    Raises ScenarioError before the work for more than MAX_REQUESTS; they and their journal would have to be held in memory.
    """
    if scenario.trace_path is not None:
        return read(scenario.trace_path, scenario)
    rate, minutes = scenario.workload.rate_per_minute, scenario.night.minutes
    if (count := round(rate * minutes)) > MAX_REQUESTS:
        mistake = (
            f"workload.rate_per_minute: {rate:g} over {minutes:g} minutes makes {count:,} requests; "
            f"allowed: at most {MAX_REQUESTS:,}, which is a rate of {int(MAX_REQUESTS / minutes):,}"
        )
        raise ScenarioError(str(scenario.path), (mistake,))
    return derive(scenario)


def derive(scenario: Scenario) -> Trace:
    """Return a trace derived from the real schedule by the scenario's seed alone.

    Passengers whose check-in falls into the night's window are drawn until the mean rate is met; if the schedule has too few, everybody
    comes again. Caller and transaction are drawn by the shares. Raises ScenarioError for a night beyond the schedule, or without
    passengers, and UsageError for a schedule that cannot be read.
    """
    night, workload = scenario.night, scenario.workload
    random = Random(workload.seed)  # noqa: S311 - a seed is wanted: the same night again
    try:
        flights = schedule.departing(schedule.read(night.date, night.to_s), night.from_s, night.to_s)
    except schedule.NoFlightsError as error:
        raise ScenarioError(str(scenario.path), (f"night.date: {error}",)) from error
    from_s, to_s = night.from_s, night.to_s
    everybody = [check_in for check_in in schedule.check_ins(flights, random) if from_s <= check_in.at_s < to_s]
    count = round(workload.rate_per_minute * night.minutes)
    if not everybody:
        raise ScenarioError(str(scenario.path), (f"night: nobody checks in between {night.from_} and {night.to}",))
    if not count:
        mistake = f"workload.rate_per_minute: {workload.rate_per_minute:g} over {night.minutes:g} minutes makes no request; allowed: more"
        raise ScenarioError(str(scenario.path), (mistake,))
    coming = sorted(_draw(everybody, count, random), key=lambda check_in: (check_in.at_s, check_in.passenger))
    choices = [
        (weight, caller, transaction)
        for caller, shares in sorted(workload.shares.items())
        for transaction, weight in sorted(shares.items())
    ]
    requests = tuple(_request(id_, check_in, choices, random) for id_, check_in in enumerate(coming, start=1))
    return Trace(header_of(scenario, requests), requests)


def _draw(everybody: Sequence[CheckIn], count: int, random: Random) -> list[CheckIn]:
    """Draw `count` check-ins, each as often as the others or once more."""
    rounds, rest = divmod(count, len(everybody))
    order = sorted(range(len(everybody)), key=lambda _: random.random())
    return [*everybody] * rounds + [everybody[place] for place in order[:rest]]


def _request(id_: int, check_in: CheckIn, choices: Sequence[tuple[float, str, str]], random: Random) -> TraceRequest:
    left = random.random() * math.fsum(weight for weight, _, _ in choices)
    caller, transaction = choices[-1][1:]
    for weight, *chosen in choices:
        if left < weight:
            caller, transaction = chosen
            break
        left -= weight
    flight = check_in.flight
    return TraceRequest(
        id_,
        round(check_in.at_s, 3),
        caller,
        transaction,
        check_in.passenger,
        flight.date,
        flight.carrier,
        flight.flight,
        flight.origin,
        flight.destination,
    )
