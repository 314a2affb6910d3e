"""What the evidence of one moment has of a part of the facility; and of what it has nothing, why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from testbed.journal.evidence import VIRTUAL_IP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testbed.journal.evidence import About, ConnectionOut, DatabaseSide, EventLoop, Evidence, Listeners, Missing, PoolTable, ThreadLocks

    Named = TypeVar("Named", About, EventLoop, Listeners, PoolTable, ThreadLocks)

POOL = "pool of "
NOBODY_ASKED = "nobody asked"
BUSY_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """Looks into evidence; None: none was taken. `stalled_s`: for how long of it the machine had no processor free for all."""

    evidence: Evidence | None
    stalled_s: float = 0.0

    @property
    def machine_busy(self) -> str:
        """Why an answer that did not come in time shows nothing, in words; empty where the machine was not too busy for it."""
        took_s = 0.0 if self.evidence is None else self.evidence.took_s
        if not self.stalled_s or self.stalled_s < BUSY_SHARE * took_s:
            return ""
        return f"for {self.stalled_s:.1f} of the {took_s:.1f} s that the look took, the machine had no processor free"

    @property
    def pools(self) -> tuple[PoolTable, ...]:
        """The pools of all application servers that told theirs."""
        return () if self.evidence is None else self.evidence.pools

    @property
    def all_pools_told(self) -> bool:
        """Whether no application server was asked for its pool and did not tell."""
        return not any(answer.what.startswith(POOL) for answer in self._missing)

    @property
    def databases(self) -> tuple[DatabaseSide, ...]:
        """The databases whose servers told of their sessions."""
        return () if self.evidence is None else self.evidence.databases

    def pool(self, service: str) -> PoolTable | None:
        """Return the pool of an application server."""
        return _of(service, self.pools)

    def about(self, service: str) -> About | None:
        """Return what a service is."""
        return _of(service, () if self.evidence is None else self.evidence.services)

    def locks(self, service: str) -> ThreadLocks | None:
        """Return the locks between the threads of a service."""
        return _of(service, () if self.evidence is None else self.evidence.thread_locks)

    def listeners(self, service: str) -> Listeners | None:
        """Return the sockets on which a service listens."""
        return _of(service, () if self.evidence is None else self.evidence.listeners)

    def event_loop(self, service: str) -> EventLoop | None:
        """Return where the event loop of a service stood."""
        return _of(service, () if self.evidence is None else self.evidence.event_loops)

    def database_of(self, service: str) -> tuple[str, str, DatabaseSide | None]:
        """Return the database that a server's settings lead to: its name, the address that they have, and what its server told."""
        about = self.about(service)
        if about is None or self.evidence is None:
            return "the database", "", None
        named = about.database_address
        route = next((route for route in self.evidence.routes if route.address == named), None)
        leads_to = named if route is None else route.leads_to
        side = next((side for side in self.evidence.databases if side.address == leads_to), None)
        name = "the database" if route is None else route.name.removeprefix(VIRTUAL_IP)
        return name if side is None else side.database, f" at {named}", side

    def parts_at(self, address: str) -> list[str]:
        """Return the service at an address, or those behind the proxy or balancer there; an empty name if none is known."""
        routes, addresses = ((), {}) if self.evidence is None else (self.evidence.routes, self.evidence.addresses)
        leads_to = [route.leads_to for route in routes if route.address == address] or [address]
        return [service for service, at in addresses.items() if at in leads_to] or [""]

    def database_at(self, address: str) -> str:
        """Return the name of the virtual IP at an address, or of the database whose server has it; empty if there is none."""
        if self.evidence is None:
            return ""
        names = [route.name for route in self.evidence.routes if route.address == address and route.is_virtual_ip]
        return next(iter([*names, *(side.database for side in self.evidence.databases if side.address == address)]), "")

    def is_closed(self, address: str) -> bool:
        """Whether a virtual IP at an address was seen to take no connections."""
        routes = () if self.evidence is None else self.evidence.routes
        return any(route.address == address and route.is_virtual_ip and not route.listens for route in routes)

    def is_missing(self, what: str) -> bool:
        """Whether something was asked for and not had."""
        return self.why_missing(what) != NOBODY_ASKED

    def why_missing(self, what: str) -> str:
        """Return why something was not had."""
        return next((answer.reason for answer in self._missing if answer.what == what), NOBODY_ASKED)

    def may_only_be_late(self, what: str) -> bool:
        """Whether something did not answer in time, and the machine was too busy for that to show anything."""
        return bool(self.machine_busy) and any(answer.late for answer in self._missing if answer.what == what)

    @property
    def _missing(self) -> tuple[Missing, ...]:
        return () if self.evidence is None else self.evidence.missing


def in_use(table: PoolTable | None) -> list[ConnectionOut]:
    """Return the connections of a pool whose requests run."""
    return [] if table is None else [row for row in table.connections_out if row.request_running]


def _of(service: str, answers: Iterable[Named]) -> Named | None:
    return next((answer for answer in answers if answer.service == service), None)
