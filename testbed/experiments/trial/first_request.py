"""Sends the request of a trial once, when the service is up and nothing was done to anything: what fails then is no fault's doing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

import aiohttp

from testbed.errors import ServiceError, UsageError, shortened, visible
from testbed.plan.template import filled

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from testbed.facility.backend import Backend
    from testbed.facility.builder import Builder
    from testbed.facility.facility import Facility
    from testbed.plan.scenario import Scenario
    from testbed.plan.settings import Settings
    from testbed.plan.topology import FacilityPlan

WITHIN_S = 10.0  # of an answer, and of the first that is no error of the server's: it may have to warm up
AGAIN_S = 0.2
SERVER_ERRORS = range(500, 600)
SAMPLE = {  # a passenger of the schedule
    "passenger": "1", "date": "2013-10-07", "carrier": "UA", "flight": 1545, "origin": "EWR", "destination": "IAH", "request": "first",
}  # fmt: skip
SHOWN = 200  # characters of an answer


@dataclass(slots=True)
class AskedFirst:
    """A backend whose services are asked first; it is entered as the other is."""

    backend: Backend
    url: str
    name: str = field(init=False)
    capabilities: frozenset[str] = field(init=False)
    slowdown: float = field(init=False)
    versions: Mapping[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.name, self.capabilities, self.slowdown = self.backend.name, self.backend.capabilities, self.backend.slowdown

    async def __aenter__(self) -> Self:
        """Enter the other."""
        await self.backend.__aenter__()
        self.versions = self.backend.versions
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave it."""
        await self.backend.__aexit__(kind, error, trace)

    def builder(self, plan: FacilityPlan, settings: Settings) -> FirstBuilder:
        """Return a builder that asks when it has built."""
        return FirstBuilder(self.backend.builder(plan, settings), self.url)

    def lacks(self, scenario: Scenario) -> str:
        """Return why the runtime cannot run a scenario."""
        return self.backend.lacks(scenario)


@dataclass(slots=True)
class FirstBuilder:
    """Builds as another, and asks then."""

    builder: Builder
    url: str

    def begin(self) -> None:
        """Start to build."""
        self.builder.begin()

    async def build(self) -> Facility:
        """Build, and ask each service."""
        facility = await self.builder.build()
        for service in facility.application_servers:
            await ask(service, facility.runtime.address(service).url, filled(self.url, SAMPLE))
        return facility

    async def tear_down(self) -> None:
        """Take it down."""
        await self.builder.tear_down()


async def ask(service: str, base: str, path: str) -> None:
    """Send the request; raises UsageError where it is wrong, and ServiceError where the service is not well, or does not answer."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + WITHIN_S
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WITHIN_S)) as session:
        while True:
            status, told = await _answer(session, f"{base}{path}")
            if status is not None and status not in SERVER_ERRORS:
                break
            if loop.time() > end_s:
                raise ServiceError(f"GET {path} of {service}: {told}, before anything was done to it; nothing was tried")
            await asyncio.sleep(AGAIN_S)
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise UsageError(
            f"--url: GET {path} of {service}: {told}, before anything was done to it; nothing was tried; allowed: a path that it "
            "answers with a status from 200 to 299"
        )


async def _answer(session: aiohttp.ClientSession, url: str) -> tuple[int | None, str]:
    try:
        async with session.get(url, allow_redirects=False) as response:
            text = shortened(visible((await response.content.read(SHOWN)).decode(errors="replace").strip()), SHOWN)
            return response.status, f"answered {response.status}" + (f" ({text.splitlines()[0]})" if text else "")
    except TimeoutError:
        return None, f"no answer within {WITHIN_S:g} s"
    except (aiohttp.ClientError, OSError) as error:
        return None, str(error) or type(error).__name__
