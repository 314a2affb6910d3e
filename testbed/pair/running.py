"""A running pair: two database hosts over one array, behind a virtual IP, and the faults that can be done to them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, LiteralString, NoReturn

from testbed.concurrency import cancel_and_wait, shield
from testbed.errors import FacilityError, TestbedError
from testbed.facility.facility import Facility, Instruments
from testbed.facility.runtime import NoRuntime
from testbed.pair import words
from testbed.pair.endpoint import Endpoint
from testbed.plan.clock import NightClock
from testbed.replay.actions import Actions
from testbed.replay.recorder import Recorder
from testbed.replay.state import FacilityState
from testbed.runtime import run_directory
from testbed.runtime.credentials import ADMINISTRATOR, SERVICES
from testbed.runtime.postgres import session_probe, sql
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.pair import DatabasePair
from testbed.runtime.processes.packet_filter import ProcessPacketFilter
from testbed.runtime.processes.shared_parts import SharedParts
from testbed.runtime.proxied_link import ProxiedLink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testbed.facility.facility import ActiveFault
    from testbed.pair.kept_events import KeptEvents
    from testbed.replay.actions import Fault

Data = Literal["empty", "flights"]
APP: LiteralString = "app"
SQL_WITHIN_S = 20.0
# Which database is the user's, and by which statement its role may make tables there. The array always has the week of flights, by which
# faults verify themselves; it is in a database of its own.
DATABASES: dict[Data, tuple[str, LiteralString]] = {
    "empty": (APP, f"CREATE DATABASE {APP} OWNER flights"),
    "flights": (sql.DATABASE, "GRANT CREATE ON SCHEMA public TO flights"),
}
PRELOADED = ("testbed.faultproxy.server",)


def _no_monitoring() -> NoReturn:
    raise FacilityError("a database pair has no services that could be sampled")


async def _absent(*_: object, **__: object) -> NoReturn:
    raise FacilityError("a database pair has no services, and no load generator")


@dataclass(slots=True)
class RunningPair:
    """A facility without services. Its methods run on the event loop that started it."""

    endpoint: Endpoint
    facility: Facility
    actions: Actions
    _number: int = 0

    async def begin(self, word: str, fault: Fault) -> tuple[str, ActiveFault | None]:
        """Inject a fault, which verifies that it took effect; one that did not is healed first. Raises TestbedError.

        Return the line that says what was seen, and what has to be healed: None for what is over at once.
        """
        words.require_room(word, self.facility.active)
        self._number += 1
        actions = replace(self.actions, word=word, id=self._number)
        try:
            told = await actions.operate(lambda own: own.inject(fault))
        except BaseException:
            await shield(self._heal_half_done(actions))
            raise
        return told, next((active for active in self.facility.active if active.id == actions.id), None)

    async def _heal_half_done(self, actions: Actions) -> None:
        for active in [active for active in self.facility.active if active.id == actions.id]:
            try:
                await self.heal(active)
            except TestbedError as error:
                self.facility.left = (*self.facility.left, f"{active.word}: {error}")
                self.facility.active.remove(active)

    async def heal(self, active: ActiveFault) -> str:
        """Heal a fault, which verifies that it is gone; raises TestbedError."""
        return await self.actions.heal(active)

    async def heal_left(self) -> tuple[str, ...]:
        """Heal what is still active; return a line for each of it, and for each thing that faults left."""
        active = [f"{active.word} was still active" for active in self.facility.active]
        if active or self.facility.left:
            await self.actions.heal_all()
            left, self.facility.left = self.facility.left, ()
            return (*active, *left)
        return tuple(await self.facility.left_over())


@asynccontextmanager
async def running(data: Data, max_connections: int, postgres: str | None, events: KeptEvents) -> AsyncIterator[RunningPair]:
    """Start a pair, and end it with all that it wrote; `events` takes what is done to it.

    1. The run directory, PostgreSQL's programs, the fault proxy and the prepared array, the slow ones beside each other.
    2. A copy of the array, the database server of the first host on it, and the user's database.
    3. The virtual IP, which leads there.

    Raises FacilityError, which says what is missing and how to get it.
    """
    async with SharedParts(postgres_directory=postgres, preloaded=PRELOADED) as shared, AsyncExitStack() as stack:  # 1
        directory = shared.run.path / "pair"
        run_directory.make_directory(directory)
        pair = DatabasePair(shared.run, shared.programs, Array(directory / "storage"), directory, max_connections, shared.credentials)
        stack.push_async_callback(pair.throw_away)
        started = asyncio.create_task(_start(pair, shared, data))
        stack.push_async_callback(cancel_and_wait, [started])
        link = ProxiedLink(await shared.wait_fault_proxy(), f"virtual-ip-{shared.run.path.name}")
        stack.push_async_callback(link.delete)
        await shield(link.create())
        await started  # 2
        await link.point(pair.address)  # 3
        login = shared.credentials.login(SERVICES)
        facility = Facility(
            NoRuntime(),
            pair,
            link,
            (),
            (),
            Instruments(_no_monitoring, _absent, _absent, partial(session_probe.probe, login), _absent),
            packet_filter=ProcessPacketFilter(),
        )
        stack.push_async_callback(facility.release)
        recorder = Recorder(events, NightClock(0.0, 1.0), origin_s=asyncio.get_running_loop().time())
        password = shared.credentials.password(SERVICES)
        yield RunningPair(
            Endpoint(link.address.host, link.address.port, DATABASES[data][0], SERVICES, password),
            facility,
            Actions(facility, FacilityState((), ()), recorder, directory),
        )


async def _start(pair: DatabasePair, shared: SharedParts, data: Data) -> None:
    address = await shared.start_pair(pair)
    await pair.limit_services()
    await sql.execute(address, shared.credentials.login(ADMINISTRATOR), DATABASES[data][1], SQL_WITHIN_S)
