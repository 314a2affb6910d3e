"""Asks every layer of a facility from outside, by real requests, when its night is over: what comes back shows where the crack stopped.

None of it is in the journal, and nothing of the journal is in it. The suite asks in place of a passenger who comes last, before the
facility is taken down: of a fault that was healed until then, nothing is left to be seen.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

import requests

from testbed.errors import ServiceError
from testbed.plan.expectation import Crack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from testbed.facility.backend import Backend
    from testbed.facility.builder import Builder
    from testbed.facility.facility import Facility
    from testbed.plan.scenario import Scenario
    from testbed.plan.settings import Settings
    from testbed.plan.topology import FacilityPlan

Answer = Literal["answered", "failed", "silent"]
PATIENCE_S = 2.0  # real seconds: many times what a request takes, on a busy machine, too
FLIGHT = {"date": "2013-10-08", "carrier": "US", "flight": 1843, "origin": "EWR", "destination": "CLT"}
PASSENGER = {"passenger": "P-last", **FLIGHT}
LOOKUP = "/flights?from=EWR&to=CLT&date=2013-10-08"
NEEDING = {"kiosk": "check_in", "ivr": "flight_status", "partner": "search"}
ALONE = {"kiosk": "reprint_boarding_pass", "ivr": "baggage_allowance", "partner": "fare_rules"}


@dataclass(frozen=True, slots=True)
class Answers:
    """What each layer answered: the database, every service's health check, a lookup of each server, and two transactions of each caller.

    `needing` the facility, and `alone`: what needs nothing but the caller. `failed` is an error in time, `silent` nothing in `PATIENCE_S`.
    """

    database: Answer
    health: Mapping[str, Answer]
    servers: Mapping[str, Answer]
    needing: Mapping[str, Answer]
    alone: Mapping[str, Answer]

    @property
    def crack(self) -> Crack:
        """How far up the silence reaches; where nothing is silent, whether a server has no connection for a lookup."""
        callers = [answer == "silent" for answer in self.alone.values()]
        servers = [answer == "silent" for answer in self.servers.values()]
        levels = (
            (Crack.AIRLINE, all(callers)),
            (Crack.CALLER, any(callers)),
            (Crack.FACILITY, all(servers)),
            (Crack.SERVER, any(servers)),
            (Crack.POOL, "failed" in self.servers.values()),
        )
        return next((level for level, reached in levels if reached), Crack.NOTHING)


async def ask(facility: Facility) -> Answers:
    """Ask every layer of a facility, all at once."""
    urls = {name: facility.runtime.address(name).url for name in facility.services}
    asked = [("health", name, "GET", f"{url}/health") for name, url in urls.items()]
    asked += [("servers", name, "GET", urls[name] + LOOKUP) for name in facility.application_servers]
    for part, transactions in (("needing", NEEDING), ("alone", ALONE)):
        asked += [(part, name, "POST", f"{urls[name]}/transactions/{transactions[name]}") for name in facility.callers]

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(len(asked)) as threads:  # one for each: those that are never answered take theirs for the whole patience
        answers = [loop.run_in_executor(threads, _request, method, url) for _, _, method, url in asked]
        database = await _database(facility)
        told = [(part, name, await answer) for (part, name, _, _), answer in zip(asked, answers, strict=True)]
    parts = ("health", "servers", "needing", "alone")
    return Answers(database, *({name: answer for of, name, answer in told if of == part} for part in parts))


def _request(method: str, url: str) -> Answer:
    with requests.Session() as session:
        session.trust_env = False
        try:
            response = session.request(method, url, json=PASSENGER if method == "POST" else None, timeout=PATIENCE_S)
        except requests.Timeout:
            return "silent"
        except requests.RequestException:
            return "failed"
    return "answered" if response.ok else "failed"


async def _database(facility: Facility) -> Answer:
    try:
        count = await facility.database.flights.count(facility.virtual_ip.address, PATIENCE_S)
    except ServiceError:
        return "failed"
    return "answered" if count else "failed"


@dataclass(slots=True)
class AskingBuilder:
    """Builds as another builder does, and asks every layer before it takes the facility down."""

    builder: Builder
    answers: list[Answers]
    facility: Facility | None = None

    def begin(self) -> None:
        """Begin to build."""
        self.builder.begin()

    async def build(self) -> Facility:
        """Build, and keep the facility to ask it."""
        self.facility = await self.builder.build()
        return self.facility

    async def tear_down(self) -> None:
        """Ask once, and take the facility down, whatever became of the questions."""
        facility, self.facility = self.facility, None
        try:
            if facility is not None:
                self.answers.append(await ask(facility))
        finally:
            await self.builder.tear_down()


@dataclass(slots=True)
class AskingBackend:
    """A backend that has been entered, whose facilities are asked at their end; `answers` has what each told."""

    backend: Backend
    answers: list[Answers] = field(default_factory=list)
    name: str = field(init=False)
    capabilities: frozenset[str] = field(init=False)
    slowdown: float = field(init=False)
    versions: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.name, self.capabilities = self.backend.name, self.backend.capabilities
        self.slowdown, self.versions = self.backend.slowdown, self.backend.versions

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave the other backend entered: it is not ours."""

    def builder(self, plan: FacilityPlan, settings: Settings) -> AskingBuilder:
        """Return a builder whose facility is asked at its end."""
        return AskingBuilder(self.backend.builder(plan, settings), self.answers)

    def lacks(self, scenario: Scenario) -> str:
        """Return why the runtime cannot run a scenario."""
        return self.backend.lacks(scenario)
