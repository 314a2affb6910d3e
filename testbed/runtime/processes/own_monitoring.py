"""Samples somebody else's service: its health by the request that it declares for it, and whatever else it is said to tell."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self

import aiohttp

from testbed.foreign import readings
from testbed.journal.events import REFUSED, Sample
from testbed.observe.monitoring import WITHIN_S, HttpMonitoring, error_text

if TYPE_CHECKING:
    from types import TracebackType

    from testbed.facility.address import Address
    from testbed.foreign.readings import Numbers
    from testbed.journal.events import Now
    from testbed.plan.service import HealthRequest, Readings, ServicePlan

NOT_TOLD = "it tells no numbers"  # the error of a sample, of a service that does not say where it would
READY_WITHIN_S = 5.0  # after which is asked again: what was accepted while it started may never be answered
OK = "200"


class OwnMonitoring:
    """Samples the application servers of a facility that are somebody else's `service`, and the other services as `HttpMonitoring` does.

    An async context manager, because it keeps its connections open.
    """

    def __init__(self, service: ServicePlan, servers: tuple[str, ...]) -> None:
        self._service, self._servers = service, servers
        self._others = HttpMonitoring()

    async def __aenter__(self) -> Self:
        await self._others.__aenter__()
        # A connection for each look: one that is kept takes a thread of many a service, and is one more that may hang.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            await self._session.close()
        finally:
            await self._others.__aexit__(kind, error, trace)

    async def read(self, service: str, address: Address, now: Now) -> Sample:
        """Return a sample; what the service does not tell is None in it, its health, too."""
        if service not in self._servers:
            return await self._others.read(service, address, now)
        loop, health = asyncio.get_running_loop(), self._service.health
        started_s = loop.time()
        status, error = ("", "") if health is None else await self._ask(health, address, WITHIN_S)
        took_s = loop.time() - started_s
        told = readings.nothing(NOT_TOLD) if self._service.readings is None else await self._numbers(self._service.readings, address)
        request_threads, busy = self._threads(told)
        t_s, night_s = now()
        return Sample(
            t_s=t_s,
            night_s=night_s,
            service=service,
            health=None if health is None else status == OK,
            health_s=took_s,
            request_threads=request_threads,
            busy=busy,
            waiting=told.of("waiting"),
            error=told.error or error,
        )

    def _threads(self, told: Numbers) -> tuple[int | None, int | None]:
        """Return how many request threads it has, and how many are at work; both None where either is unknown, or they cannot be."""
        busy, threads = told.of("busy"), told.of("request_threads")
        threads = self._service.request_threads if threads is None else threads
        return (None, None) if busy is None or threads is None or busy > threads else (threads, busy)

    async def _numbers(self, asked: Readings, address: Address) -> Numbers:
        return await readings.read(asked, address, time.time(), WITHIN_S)

    async def health(self, service: str, address: Address) -> str:
        """Return `200` once the service is ready, by the request that it declares for that or by its accepting connections; or why not."""
        if service not in self._servers:
            return await self._others.health(service, address)
        if self._service.ready is None:
            return await _connected(address)
        status, error = await self._ask(self._service.ready, address, READY_WITHIN_S)
        return status or error

    async def _ask(self, request: HealthRequest, address: Address, within_s: float) -> tuple[str, str]:
        """Return the status of an answer, `200` for every one that says well, and an empty text; or an empty text, and the error."""
        timeout = aiohttp.ClientTimeout(total=within_s)
        try:
            async with self._session.request(request.method, f"{address.url}{request.path}", timeout=timeout) as answer:
                return (OK if answer.status in request.status else f"status {answer.status}"), ""
        except (TimeoutError, aiohttp.ClientError) as error:
            return "", error_text(error, within_s)


async def _connected(address: Address) -> str:
    """Return `200` where a connection is accepted, and why not otherwise."""
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except TimeoutError:
        return f"no connection within {READY_WITHIN_S:.0f} s"
    except OSError as error:
        return REFUSED if isinstance(error, ConnectionRefusedError) else str(error)
    writer.close()
    return OK
