"""A database pair behind a virtual IP, and what is done to it: the database of the comparison."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, LiteralString

from testbed.concurrency import shield
from testbed.errors import FacilityError
from testbed.facility.link import ToxicOn
from testbed.runtime.credentials import ADMINISTRATOR, SERVICES
from testbed.runtime.postgres import sql
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.pair import DatabasePair
from testbed.runtime.proxied_link import ProxiedLink
from testbed.runtime.run_directory import make_directory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from testbed.runtime.processes.shared_parts import SharedParts

SILENCE = (ToxicOn("silence", "upstream"), ToxicOn("silence", "downstream"))
IDLE_DROP = ToxicOn("idle_drop")
ASK_WITHIN_S = 10.0
SESSIONS: LiteralString = "SELECT application_name, count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1"
IN_TRANSACTION: LiteralString = "SELECT application_name, count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' GROUP BY 1"


@dataclass(slots=True)
class Database:
    """A running pair: its directory, the hosts, and the virtual IP."""

    directory: Path
    pair: DatabasePair
    virtual_ip: ProxiedLink

    @property
    def url(self) -> str:
        """The address of the database with name and password, as a service is told."""
        return sql.url(self.virtual_ip.address, SERVICES, self.pair.credentials.password(SERVICES))

    async def switch_over(self) -> None:
        """Move the database to the other host, by the book (C4)."""
        old, new = self.pair.active, self.pair.standby
        await self.pair.stop_server()
        await self.pair.unmount(old)
        await self.pair.mount(new)
        await self.virtual_ip.point(await self.pair.start_server(new))

    async def stop(self) -> None:
        """Stop the server: whoever connects is refused."""
        await self.pair.stop_server()
        await self.virtual_ip.disable()

    async def start(self) -> None:
        """Start the server that was stopped, on its host."""
        await self.virtual_ip.point(await self.pair.start_server(self.pair.active))
        await self.virtual_ip.enable()

    async def end_sessions(self) -> None:
        """End every session of the services' role; raises FacilityError unless one was told so."""
        ended = await self.pair.end_sessions()
        if not ended.told:
            raise FacilityError("expected the sessions to be ended; one goes on")

    async def silence(self) -> None:
        """Let nothing get through, either way."""
        for toxic in SILENCE:
            await self.virtual_ip.add_toxic(toxic.kind, {}, toxic.stream)

    async def heal_silence(self) -> None:
        """Pass on what was held: nothing is closed."""
        for toxic in SILENCE:
            await self.virtual_ip.remove_toxic(toxic.kind, toxic.stream)

    async def forget_idle(self, idle_s: float) -> None:
        """Forget every connection that is idle for so long, from now on, and tell neither side (A7)."""
        await self.virtual_ip.add_toxic(IDLE_DROP.kind, {"timeout": round(idle_s * 1000)}, IDLE_DROP.stream)

    async def keep_idle(self) -> None:
        """Forget no more; what was forgotten stays so."""
        await self.virtual_ip.remove_toxic(IDLE_DROP.kind, IDLE_DROP.stream)

    async def sessions(self) -> dict[str, int]:
        """Count the sessions by application name, as the server tells; raises ServiceError."""
        return await self._count(SESSIONS)

    async def in_transaction(self) -> dict[str, int]:
        """Count the sessions whose transaction waits for its client, by application name; raises ServiceError."""
        return await self._count(IN_TRANSACTION)

    async def _count(self, query: LiteralString) -> dict[str, int]:
        (rows,) = await sql.fetch_all(self.pair.address, self.pair.credentials.login(ADMINISTRATOR), (query,), ASK_WITHIN_S)
        return {str(name): int(count) for name, count in rows}


@asynccontextmanager
async def a_database(shared: SharedParts, max_connections: int) -> AsyncIterator[Database]:
    """Yield a pair of its own behind a virtual IP of its own, and take it down."""
    shared.built += 1
    directory = shared.run.path / f"pools-{shared.built}"
    make_directory(directory)
    link = ProxiedLink(await shared.wait_fault_proxy(), f"virtual-ip-{shared.run.path.name}-{directory.name}")
    pair = DatabasePair(shared.run, shared.programs, Array(directory / "storage"), directory, max_connections, shared.credentials)
    try:
        await link.create()
        address = await shared.start_pair(pair)
        administrator, password = pair.credentials.login(ADMINISTRATOR), pair.credentials.password(SERVICES)
        await sql.set_password(address, administrator, SERVICES, password, ASK_WITHIN_S)
        await link.point(address)
        yield Database(directory, pair, link)
    finally:
        await shield(pair.throw_away())
        await shield(link.delete())
