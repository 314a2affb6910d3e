"""The topology: which services a facility has, how many request threads and connections, who calls whom, and each one's environment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import Field

from testbed.plan.service import ServicePlan
from testbed.plan.settings import StrictRecord

if TYPE_CHECKING:
    from testbed.plan.settings import CallerSettings, FacilitySettings, ServerSettings


CALLERS = ("kiosk", "ivr", "partner")
# What passengers can ask of each caller, and whether it needs the facility; a test compares this with the callers.
TRANSACTIONS: dict[str, dict[str, bool]] = {
    "kiosk": {"check_in": True, "reprint_boarding_pass": False},
    "ivr": {"flight_status": True, "baggage_allowance": False},
    "partner": {"search": True, "book": True, "fare_rules": False},
}
HOSTS = ("db-1", "db-2")
BalancerName = Literal["lb-1", "lb-2"]
BALANCERS: tuple[str, ...] = get_args(BalancerName)
PASSENGERS = "passengers"
OWN_DATABASES = "own_databases"
PHYSICAL = "physical"
HEARTBEATS = "heartbeats"  # the link between the database hosts


class FacilityPlan(StrictRecord):
    """The size of a facility: how many application servers, request threads and connections of each, and who calls.

    `listen_backlog`: how many connections may wait in the kernel until an application server accepts them. `links`: the links with a
    fault proxy of their own, beside the database's; those that a timeline names are added. `resources_every_s`: the sampling interval, in
    real seconds, of each service's memory, open files and threads and of the sizes of tables and logs; None: never. `heartbeat_every_s`:
    the interval, in real seconds, at which the active database host sends a heartbeat to the other, which takes over without them; None:
    they do not watch each other. `database_network_kbit_s`: how much each database host sends at most over the network that carries the
    service traffic, in kbit/s, behind a queue of four seconds; None: as much as it can. `service`: somebody else's in the place of the
    application servers, which a file has in a table of its own (`[service]`); `request_threads` and `pool_size` are then not its.
    """

    application_servers: Annotated[int, Field(ge=1, le=16)] = 2
    request_threads: Annotated[int, Field(ge=1, le=200)] = 40
    pool_size: Annotated[int, Field(ge=1, le=200)] = 40
    callers: Annotated[tuple[Literal["kiosk", "ivr", "partner"], ...], Field(min_length=1, strict=False)] = CALLERS  # type: ignore[assignment]
    listen_backlog: Annotated[int, Field(ge=1, le=4096)] = 512
    links: tuple[str, ...] = ()
    resources_every_s: Annotated[float, Field(ge=0.05, le=3600)] | None = None
    heartbeat_every_s: Annotated[float, Field(ge=0.05, le=60)] | None = None
    database_network_kbit_s: Annotated[int, Field(ge=100, le=1_000_000)] | None = None
    service: ServicePlan | None = None

    @property
    def connections(self) -> int:
        """The connections that the pool of one application server keeps, or the most that a service of somebody else's opens."""
        return self.pool_size if self.service is None else self.service.max_connections

    @property
    def link_names(self) -> tuple[str, ...]:
        """The links that faults can be put on, each named by the service behind it; and that of the heartbeats, if there are any."""
        return ("database", *self.server_names, *self.callers, *(() if self.heartbeat_every_s is None else (HEARTBEATS,)))

    @property
    def server_names(self) -> tuple[str, ...]:
        """The names of the application servers: `cf-1`, `cf-2` and so on."""
        return tuple(f"cf-{number}" for number in range(1, self.application_servers + 1))


def _groups(plan: FacilityPlan, settings: FacilitySettings) -> tuple[tuple[str, ...], ...]:
    """Return the application servers of each service group (S4): as many groups as the servers allow, at most one for each caller."""
    groups = min(len(plan.callers), plan.application_servers) if settings.service_groups else 1
    return tuple(plan.server_names[number::groups] for number in range(groups))


def servers_of(plan: FacilityPlan, settings: FacilitySettings) -> dict[str, tuple[str, ...]]:
    """Return the application servers that each caller calls: those of its service group. The callers left over share the last group."""
    groups = _groups(plan, settings)
    return {caller: groups[min(number, len(groups) - 1)] for number, caller in enumerate(plan.callers)}


def databases_of(plan: FacilityPlan, settings: FacilitySettings) -> dict[str, tuple[str, ...]]:
    """Return the application servers of each database, by the name of its link: all share the first, unless groups have their own (S4).

    The first is the one that faults and operations know; the others are `database-2` and so on, and stay well.
    """
    groups = _groups(plan, settings) if settings.service_groups == OWN_DATABASES else (plan.server_names,)
    return {"database" if number == 1 else f"database-{number}": servers for number, servers in enumerate(groups, 1)}


class IntegrationPoint(StrictRecord):
    """A link on the map of integration points: its name, which is that of the service behind it, and who connects over it."""

    link: str
    who: tuple[str, ...]


def integration_points(plan: FacilityPlan, settings: FacilitySettings) -> tuple[IntegrationPoint, ...]:
    """Return the map of integration points (A2), from the passengers to the database.

    There is one for each of the plan's `link_names`, and one for each database more that a service group has to itself.
    """
    called = servers_of(plan, settings)
    return (
        *(IntegrationPoint(link=caller, who=(PASSENGERS,)) for caller in plan.callers),
        *(IntegrationPoint(link=name, who=tuple(who for who in plan.callers if name in called[who])) for name in plan.server_names),
        *(IntegrationPoint(link=link, who=who) for link, who in databases_of(plan, settings).items()),
        *(() if plan.heartbeat_every_s is None else (IntegrationPoint(link=HEARTBEATS, who=HOSTS[1:]),)),
    )


def server_environment(plan: FacilityPlan, settings: ServerSettings, name: str, database: str) -> tuple[tuple[str, str], ...]:
    """Return the environment of an application server, which listens on the socket that it inherits."""
    values = {
        "name": name,
        "listen_fd": "{fd}",
        "database": database,
        "listen_backlog": plan.listen_backlog,
        "request_threads": plan.request_threads,
        "pool_size": plan.pool_size,
        **settings.model_dump(),
    }
    return _environment("FLIGHT_SEARCH_", values)


def caller_environment(plan: FacilityPlan, settings: CallerSettings, name: str, servers: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the environment of a caller; `servers` are the base URLs of the application servers, taken in turn."""
    values = {
        "name": name,
        "listen_fd": "{fd}",
        "flight_search_urls": ",".join(servers),
        "request_threads": plan.request_threads,
        **({} if plan.service is None else {"declared_requests": declared_requests(plan.service)}),
        **settings.model_dump(),
    }
    return _environment("CALLER_", values)


def declared_requests(service: ServicePlan) -> str:
    """Return what callers have to know of a service that is not the case's, as JSON: the request of each transaction, and of its health."""
    health = None if service.health is None else service.health.model_dump(mode="json")
    return json.dumps({"health": health, "requests": {name: request.model_dump(mode="json") for name, request in service.requests.items()}})


def _environment(prefix: str, values: dict[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((prefix + name.upper(), "" if value is None else str(value)) for name, value in values.items())
