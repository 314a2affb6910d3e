"""What can be asked of a facility when something is wrong with it: its services, its databases, and the proxies between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from testbed.errors import ServiceError
from testbed.facility.observers import Question
from testbed.journal.evidence import Route
from testbed.observe.service_admin import about, pool_table
from testbed.runtime.postgres import activity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from testbed.facility.address import Address
    from testbed.facility.facility import Facility
    from testbed.journal.evidence import DatabaseSide
    from testbed.runtime.credentials import Login
    from testbed.runtime.proxied_link import ProxiedLink

Server = tuple[str, "Address | None"]  # the host on which a database server runs, and its address; None while none does


@dataclass(frozen=True, slots=True)
class FacilityQuestions:
    """Asks what a facility is made of. `servers`: where the server of each database is now. `routes`: its proxies, by what they lead to."""

    facility: Facility
    servers: Mapping[str, Callable[[], Server]]
    routes: Mapping[str, ProxiedLink]
    administrator: Login

    def addresses(self) -> dict[str, str]:
        """Return the address of each service, as this machine reaches it."""
        return {service: str(self.facility.runtime.address(service)) for service in self.facility.services}

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

    async def _database(self, database: str, where: Callable[[], Server]) -> DatabaseSide:
        host, address = where()
        if address is None:
            raise ServiceError(f"no server of it runs on {host}")
        return await activity.look(database, host, address, self.administrator)


async def _route(name: str, link: ProxiedLink) -> Route:
    proxy = await link.proxy()
    return Route(name, str(link.address), proxy.upstream, proxy.enabled)
