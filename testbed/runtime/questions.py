"""What can be asked of a facility when something is wrong with it: its services, its databases, and the proxies between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from testbed.errors import ServiceError
from testbed.facility.observers import Question
from testbed.journal.evidence import Route
from testbed.observe.service_admin import about, pool_table
from testbed.runtime.postgres import activity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from testbed.facility.address import Address
    from testbed.facility.facility import Facility
    from testbed.journal.evidence import DatabaseSide, OwnAddress
    from testbed.runtime.credentials import Login
    from testbed.runtime.proxied_link import ProxiedLink

Known = TypeVar("Known", "Route", "OwnAddress")


@dataclass(frozen=True, slots=True)
class Server:
    """The host on which a database server should run, where to ask it (None: none runs), and its address as proxies know it."""

    host: str
    address: Address | None
    inside: Address | None = None


@dataclass(frozen=True, slots=True)
class FacilityQuestions:
    """Asks what a facility is made of.

    `servers`: where the server of each database is now. `routes`: its proxies, by what they lead to. `inside`: the address of each service
    as the others know it, where that is not the one at which this machine reaches it. `balanced`: the routes of balancers, one for each
    application server behind them. `hosts`: returns the own addresses of the database hosts.
    """

    facility: Facility
    servers: Mapping[str, Callable[[], Server]]
    routes: Mapping[str, ProxiedLink]
    administrator: Login
    inside: Callable[[str], Address] | None = None
    balanced: Sequence[Route] = ()
    hosts: Callable[[], Sequence[OwnAddress]] = tuple

    def addresses(self) -> dict[str, str]:
        """Return the address of each service, as the others know it."""
        address = self.inside or self.facility.runtime.address
        return {service: str(address(service)) for service in self.facility.services}

    def all(self) -> Sequence[Question]:
        """Return a question for each pool, service, database and proxy."""
        return tuple(self._questions())

    def _questions(self) -> Iterator[Question]:
        address = self.facility.runtime.address
        for server in self.facility.application_servers:
            yield Question(f"pool of {server}", partial(pool_table, server, address(server)))
        for service in self.facility.services:
            yield Question(f"what {service} is", partial(about, service, address(service)))
        for database, where in self.servers.items():
            yield Question(f"database server of {database}", partial(self._database, database, where))
        for name, link in self.routes.items():
            yield Question(name, partial(_route, name, link))
        for route in self.balanced:
            yield Question(route.name, partial(_known, route))
        for own in self.hosts():
            yield Question(f"own address of {own.host} of {own.database}", partial(_known, own))

    async def _database(self, database: str, where: Callable[[], Server]) -> DatabaseSide:
        server = where()
        if server.address is None:
            raise ServiceError(f"no server of it runs on {server.host}")
        side = await activity.look(database, server.host, server.address, self.administrator)
        return side if server.inside is None else replace(side, address=str(server.inside))


async def _route(name: str, link: ProxiedLink) -> Route:
    proxy = await link.proxy()
    return Route(name, str(link.address), proxy.upstream, proxy.enabled)


async def _known(answer: Known) -> Known:
    return answer
