"""What can be asked of a facility when something is wrong with it: its services, its databases, and the proxies between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from testbed.facility.observers import Question
from testbed.journal.evidence import HEARTBEATS, Route
from testbed.journal.thread_states import may_wait_for_lock
from testbed.observe import service_locks
from testbed.observe.service_admin import about, pool_table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from testbed.facility.address import Address
    from testbed.facility.facility import Facility
    from testbed.journal.events import ThreadGroup, Threads
    from testbed.journal.evidence import DatabaseSide, EventLoop, OwnAddress, ThreadLocks
    from testbed.runtime.inspector import Inspector
    from testbed.runtime.proxied_link import ProxiedLink

Known = TypeVar("Known", "Route", "OwnAddress")


@dataclass(frozen=True, slots=True)
class FacilityQuestions:
    """Asks what a facility is made of.

    `databases`: asks the server of each database, wherever it runs now. `routes`: its proxies, by what they lead to. `inside`: the
    address of each service as the others know it, where that is not the one at which this machine reaches it. `balanced`: the routes of
    balancers, one for each application server behind them. `hosts`: returns the own addresses of the database hosts. `own`: the
    application servers that are somebody else's, and do not know what ours are asked.
    """

    facility: Facility
    inspector: Inspector
    databases: Mapping[str, Callable[[], Awaitable[DatabaseSide]]]
    routes: Mapping[str, ProxiedLink]
    inside: Callable[[str], Address] | None = None
    balanced: Sequence[Route] = ()
    hosts: Callable[[], Sequence[OwnAddress]] = tuple
    own: Sequence[str] = ()

    def addresses(self) -> dict[str, str]:
        """Return the address of each service, as the others know it."""
        address = self.inside or self.facility.runtime.address
        return {service: str(address(service)) for service in self.facility.services}

    def all(self) -> Sequence[Question]:
        """Return a question for each pool, service, listen queue, database and proxy."""
        return tuple(self._questions())

    def of_dump(self, dump: Threads, file: Path) -> Sequence[Question]:
        """Return a question for the locks of a service in whose dump a thread may wait for one, and for its event loop.

        A look at locks pauses the process once more, and reads its memory: it is not taken of services where it cannot matter.
        """
        if dump.error or dump.service in self.own:
            return ()
        loop = Question(f"event loop of {dump.service}", partial(self._event_loop, dump.service, file))
        locks = Question(f"locks of {dump.service}", partial(self._locks, dump.service, dump.groups))
        return (loop, *((locks,) if any(map(may_wait_for_lock, dump.groups)) else ()))

    def _questions(self) -> Iterator[Question]:
        address = self.facility.runtime.address
        ours = [server for server in self.facility.application_servers if server not in self.own]
        for server in ours:
            yield Question(f"pool of {server}", partial(pool_table, server, address(server)))
        for service in self.facility.services:
            if service not in self.own:
                yield Question(f"what {service} is", partial(about, service, address(service)))
            yield Question(f"listeners of {service}", partial(self.inspector.listeners, service))
        for database, ask in self.databases.items():
            yield Question(f"database server of {database}", ask)
        for name, link in self.routes.items():
            yield Question(name, partial(_route, name, link))
        if self.facility.cluster.is_on:
            yield Question(HEARTBEATS, self.facility.cluster.heartbeats)
        for route in self.balanced:
            yield Question(route.name, partial(_known, route))
        for own in self.hosts():
            yield Question(f"own address of {own.host} of {own.database}", partial(_known, own))

    async def _event_loop(self, service: str, file: Path) -> EventLoop | None:
        """Return where the event loop stood of a service whose queue is full; of any other, nothing."""
        is_full = any(each.is_full for each in (await self.inspector.listeners(service)).sockets)
        return await service_locks.event_loop(service, file) if is_full else None

    async def _locks(self, service: str, groups: Sequence[ThreadGroup]) -> ThreadLocks:
        return await self.inspector.thread_locks(service, frozenset(line for group in groups for line in group.stack))


async def _route(name: str, link: ProxiedLink) -> Route:
    proxy = await link.proxy()
    return Route(name, str(link.address), proxy.upstream, proxy.enabled)


async def _known(answer: Known) -> Known:
    return answer
