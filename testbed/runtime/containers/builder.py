"""Builds the facility of one replay in containers."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import TestbedError, UsageError
from testbed.facility.heartbeat_watch import HeartbeatWatch
from testbed.plan.topology import BALANCERS, OWN_DATABASES, PHYSICAL, caller_environment, server_environment, servers_of
from testbed.runtime.containers import balancers
from testbed.runtime.containers.project import KEEPALIVES, NETWORK, Project
from testbed.runtime.containers.project_pool import ProjectPool

if TYPE_CHECKING:
    from testbed.facility.facility import Facility
    from testbed.plan.settings import Settings
    from testbed.plan.topology import FacilityPlan


MOST_SERVERS = 3  # compose.yaml has cf-1 to cf-3


SPARE_CONNECTIONS = 20


# What every server and caller is told by compose.yaml itself, and not by the variant.
PLACED = frozenset(
    {
        *("FLIGHT_SEARCH_NAME", "FLIGHT_SEARCH_LISTEN_FD", "FLIGHT_SEARCH_DATABASE"),
        *("CALLER_NAME", "CALLER_LISTEN_FD", "CALLER_FLIGHT_SEARCH_URLS"),
    }
)


@dataclass(slots=True)
class ContainersBuilder:
    """Builds one facility: in a project that stands by, put back to what it was, or in a new one."""

    pool: ProjectPool
    plan: FacilityPlan
    settings: Settings
    project: Project | None = None
    building: asyncio.Task[Facility] | None = None

    def __post_init__(self) -> None:
        if self.plan.application_servers > MOST_SERVERS:
            raise UsageError(
                f"facility.application_servers: found {self.plan.application_servers}; compose/compose.yaml has {MOST_SERVERS}, "
                "so at most that many are allowed with --runtime containers"
            )
        if self.plan.service is not None:
            raise UsageError("service: a service of your own is for --runtime processes; in containers all services are of one image")
        facility = self.settings.facility
        refused = {
            "service_groups": (
                facility.service_groups == OWN_DATABASES,
                "compose/compose.yaml has one pair of database hosts, so databases of their own are",
            ),
            "database_address": (
                facility.database_address == PHYSICAL,
                "compose/compose.yaml has no network from an application server to a database host, so a host's own address is",
            ),
            "only_caller": (
                facility.only_caller is not None,
                "compose/compose.yaml gives all callers the same settings, so a caller with settings of its own is",
            ),
            "other_psycopg": (facility.other_psycopg is not None, "all services are of one image, so another driver on one server is"),
        }
        for name, (is_set, why) in refused.items():
            if is_set:
                raise UsageError(f'facility.{name}: found "{getattr(facility, name)}"; {why} allowed with --runtime processes only')

    @property
    def fits(self) -> dict[str, str]:
        """What is decided for a project when it comes up."""
        each = self.plan.pool_size + max(0, self.settings.application_server.pool_max_overflow)
        fits = {"DATABASE_HOST_MAX_CONNECTIONS": str(each * self.plan.application_servers + SPARE_CONNECTIONS)}
        if self.settings.facility.database_keepalives_s is not None:
            fits[KEEPALIVES] = str(self.settings.facility.database_keepalives_s)
        if self.plan.database_network_kbit_s is not None:
            fits[NETWORK] = str(self.plan.database_network_kbit_s)
        return fits

    @property
    def _watch(self) -> HeartbeatWatch | None:
        """How the database hosts watch each other in this replay, if they do."""
        settings, every_s = self.settings.facility, self.plan.heartbeat_every_s
        return None if every_s is None else HeartbeatWatch(settings.heartbeat_link, every_s, settings.heartbeats_missed)

    @property
    def _services(self) -> dict[str, str]:
        """What is told to the services, anew for each replay."""
        server = server_environment(self.plan, self.settings.application_server, "", "")
        caller = caller_environment(self.plan, self.settings.caller, "", ())
        variables = {name: value for name, value in (*server, *caller) if name not in PLACED}
        if self.settings.facility.service_groups:
            for name, servers in servers_of(self.plan, self.settings.facility).items():
                variables[f"{name.upper()}_FLIGHT_SEARCH_URLS"] = ",".join(
                    balancers.url_of(balancer, server) for server in servers for balancer in BALANCERS
                )
        return variables

    def begin(self) -> None:
        """Do nothing ahead of time: the project of the replay before is taken over as soon as that has given it back."""

    async def build(self) -> Facility:
        """Start everything and return when every service is ready."""
        self.building = asyncio.create_task(self._build())
        return await self.building

    async def _build(self) -> Facility:
        while (project := self.pool.take(self.fits)) is not None:
            self.project = project
            try:
                return await project.renew(self.plan, self._services, self._watch)
            except TestbedError as error:  # it is not what it was; another one is
                sys.stderr.write(f"testbed: a facility that served before is thrown away: {error}\n")
                await self.pool.remove(project)
                self.project = None  # where no other can be made, there is nothing left to take down
        self.project = await self.pool.make(self.plan, self.fits)
        return await self.project.begin(self._services, self._watch)

    async def tear_down(self) -> None:
        """Return the project to the pool for the next replay; remove it with all that is in it when it did not come up.

        It is removed as well when a fault is still active, or anything is left of one.
        """
        if self.building is None:
            return
        building, self.building = self.building, None
        if not building.done():
            building.cancel()
        await asyncio.wait([building])
        if self.project is None:
            return
        if building.cancelled() or building.exception() is not None or building.result().active or building.result().left:
            await self.pool.remove(self.project)
        else:
            self.pool.give_back(self.project)
