"""Builds the facility of one replay as processes of this machine."""

from __future__ import annotations

import asyncio
import resource
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from testbed.concurrency import cancel_and_wait, run_all, shield
from testbed.errors import FacilityError, ServiceError
from testbed.facility.address import Address
from testbed.facility.facility import FAULT_PROXY, LOAD, Facility, Instruments
from testbed.facility.heartbeat_watch import HeartbeatWatch
from testbed.facility.link import DATABASE
from testbed.facility.runtime import ServiceSpec
from testbed.journal.evidence import VIRTUAL_IP, OwnAddress
from testbed.load.burst_client import open_burst
from testbed.load.client import connect_over_tcp
from testbed.observe.monitoring import HttpMonitoring
from testbed.observe.py_spy import dump_with_py_spy
from testbed.plan.topology import HEARTBEATS, HOSTS, PHYSICAL, caller_environment, databases_of, server_environment, servers_of
from testbed.runtime import run_directory
from testbed.runtime.busyness import MachineBusyness
from testbed.runtime.cluster.manager import Cluster
from testbed.runtime.credentials import ADMINISTRATOR, SERVICES
from testbed.runtime.inspector import LocalInspector
from testbed.runtime.postgres import activity, session_probe, sql
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.pair import DatabasePair
from testbed.runtime.processes import other_driver
from testbed.runtime.processes.fork_client import FORK_SERVER
from testbed.runtime.processes.log_disks import ProcessLogDisks
from testbed.runtime.processes.own_dump import OwnDump
from testbed.runtime.processes.own_monitoring import OwnMonitoring
from testbed.runtime.processes.own_services import OwnServices
from testbed.runtime.processes.packet_filter import ProcessPacketFilter
from testbed.runtime.processes.parts import ProcessParts
from testbed.runtime.processes.resources import ProcessResources
from testbed.runtime.processes.runtime import Processes
from testbed.runtime.processes.shared_parts import SharedParts
from testbed.runtime.processes.shortages import ProcessShortages
from testbed.runtime.proxied_link import NOWHERE, ProxiedLink
from testbed.runtime.questions import FacilityQuestions
from testbed.runtime.shared_network import SharedNetwork
from testbed.runtime.toxiproxy import FaultProxyClient

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from testbed.journal.evidence import DatabaseSide
    from testbed.plan.service import ServicePlan
    from testbed.plan.settings import Settings
    from testbed.plan.topology import FacilityPlan
    from testbed.runtime.credentials import Login


SERVER_MODULE = "flight_search"
CALLER_MODULE = "flight_search.callers"
LOAD_MODULE = "testbed.load.generator"
# No balancer stands between callers and application servers here, so the callers look after the servers' health themselves, as often
# as the balancers of compose/haproxy.cfg do.
HEALTH_CHECKS = (("CALLER_HEALTH_CHECK_EVERY_S", "0.5"),)
SPARE_CONNECTIONS = 10  # beyond the pools: PostgreSQL's own reserve, and a look by hand
HEADROOM = 50  # beyond what a facility's size asks for: logs and event loops, PostgreSQL's own processes


def _require_limit(kind: int, needed: int, of_what: str, command: str) -> None:
    _, most = resource.getrlimit(kind)
    if most != resource.RLIM_INFINITY and most < needed:
        raise FacilityError(f"the limit is {most} {of_what}, and this facility needs {needed}; raise it: {command} {needed}")


async def _ask(database: str, pair: DatabasePair, administrator: Login) -> DatabaseSide:
    if pair.server is None:
        raise ServiceError(f"no server of it runs on {pair.active}")
    return await activity.look(database, pair.active, pair.server.address, administrator)


@dataclass(slots=True)
class ProcessesBuilder:
    """Builds one facility in a directory of its own, and takes it down with all that is in it."""

    shared: SharedParts
    plan: FacilityPlan
    settings: Settings
    directory: Path = field(init=False)
    runtime: Processes = field(init=False)
    pairs: list[DatabasePair] = field(default_factory=list)  # the first is the one that faults and operations know
    resources: ProcessResources | None = None
    links: list[ProxiedLink] = field(default_factory=list)
    cluster: Cluster | None = None
    building: asyncio.Task[Facility] | None = None

    def __post_init__(self) -> None:
        self.shared.built += 1
        self.directory = self.shared.run.path / f"facility-{self.shared.built}"
        self.runtime = Processes(self.shared.run, self.directory, self.shared.fork_server)

    def begin(self) -> None:
        """Begin to build ahead of time; `build` then waits for what is left."""
        self.building = self.building or asyncio.create_task(self._build())

    async def build(self) -> Facility:
        """Start everything and return when every service is ready."""
        self.begin()
        assert self.building is not None
        return await self.building

    async def _build(self) -> Facility:
        """Start the slowest first.

        Application servers wait for the database by themselves while they fill their pools, so they start beside it.
        """
        run_directory.make_directory(self.directory)
        shared, plan = self.shared, self.plan
        self._require_limits()
        ours = plan.callers if plan.service is not None else (*plan.server_names, *plan.callers)
        addresses = {name: self.runtime.reserve(name) for name in ours}
        client = await shared.wait_fault_proxy()
        links = {name: await self._link(client, name, addresses.get(name, NOWHERE)) for name in plan.links if name != HEARTBEATS}
        databases = databases_of(plan, self.settings.facility)
        virtual_ips = {name: await self._link(client, name.replace("database", "virtual-ip"), NOWHERE) for name in databases}
        self.pairs = [self._pair(self.directory / name if number else self.directory) for number, name in enumerate(databases)]
        logs = ProcessLogDisks(self.directory, plan.server_names)
        servers = [] if plan.service is not None else await self._servers(virtual_ips, logs)
        logs.prepare()
        facility = self._facility(virtual_ips, links, logs)
        if plan.heartbeat_every_s is not None:
            await self._watch_each_other(facility, client, plan.heartbeat_every_s)
        if plan.service is not None:
            addresses |= await self._start_own(facility, plan.service, virtual_ips, links)
        load = ServiceSpec(LOAD, LOAD_MODULE, ("{fd}", str(shared.credentials.token_file)))
        await facility.start([*servers, *self._callers({**addresses, **{name: link.address for name, link in links.items()}}), load])
        if plan.service is None:
            await self._start_databases(virtual_ips)
        await facility.wait_ready(facility.services)
        return facility

    async def _start_databases(self, virtual_ips: Mapping[str, ProxiedLink]) -> None:
        await run_all(self._start(pair, virtual_ip) for pair, virtual_ip in zip(self.pairs, virtual_ips.values(), strict=True))

    async def _start_own(
        self, facility: Facility, service: ServicePlan, virtual_ips: Mapping[str, ProxiedLink], links: Mapping[str, ProxiedLink]
    ) -> dict[str, Address]:
        """Start the databases, and then somebody else's service in the place of each application server; return their addresses.

        It cannot be relied on to wait for the database, and has its address only once it listens there.
        """
        await self._start_databases(virtual_ips)
        own = OwnServices(service, self.runtime, self._databases(virtual_ips), self.shared.credentials)
        for pair in self.pairs:
            await own.prepare(pair.addresses[pair.active])
        facility.ready_within_s = max(facility.ready_within_s, service.start_within_s)
        await own.start(facility)
        facility.dsn = own.dsn(next(iter(virtual_ips.values())).address)
        addresses = {name: self.runtime.address(name) for name in facility.application_servers}
        for name in addresses.keys() & links.keys():
            await links[name].point(addresses[name])
        return addresses

    def _databases(self, virtual_ips: Mapping[str, ProxiedLink]) -> dict[str, Address]:
        """Return where each application server reaches its database: at the virtual IP, or wrongly at the own address of the first host."""
        settings = self.settings.facility
        physical = settings.database_address == PHYSICAL
        reached = (
            [pair.reserve(HOSTS[0]) for pair in self.pairs] if physical else [virtual_ip.address for virtual_ip in virtual_ips.values()]
        )
        databases = zip(reached, databases_of(self.plan, settings).values(), strict=True)
        return {name: address for address, names in databases for name in names}

    def _callers(self, addresses: Mapping[str, Address]) -> list[ServiceSpec]:
        """Return the callers, each of which calls the application servers of its group at these addresses."""
        plan, settings = self.plan, self.settings
        return [
            ServiceSpec(
                name,
                CALLER_MODULE,
                environment=caller_environment(plan, settings.of_caller(name), name, tuple(addresses[server].url for server in servers))
                + HEALTH_CHECKS,
            )
            for name, servers in servers_of(plan, settings.facility).items()
        ]

    async def _servers(self, virtual_ips: Mapping[str, ProxiedLink], logs: ProcessLogDisks) -> list[ServiceSpec]:
        """Return the application servers, each with its database, by the name of whose link the virtual IPs are, and its log."""
        plan, settings, login = self.plan, self.settings.facility, self.shared.credentials.login(SERVICES)
        database_of = {name: sql.conninfo(address, login) for name, address in self._databases(virtual_ips).items()}
        packages: dict[str, dict[str, str]] = {}
        if settings.other_psycopg is not None:
            packages[plan.server_names[-1]] = await asyncio.to_thread(other_driver.prepare, settings.other_psycopg)
        return [
            ServiceSpec(
                name,
                SERVER_MODULE,
                environment=(
                    *server_environment(plan, self.settings.application_server, name, database_of[name]),
                    ("FLIGHT_SEARCH_LOG_FILE", str(logs.log_of(name))),
                    *packages.get(name, {}).items(),
                ),
            )
            for name in plan.server_names
        ]

    def _facility(self, virtual_ips: Mapping[str, ProxiedLink], links: Mapping[str, ProxiedLink], logs: ProcessLogDisks) -> Facility:
        """Return the facility, of which nothing is started yet, with all by which it is observed."""
        shared, plan, login = self.shared, self.plan, self.shared.credentials.login(SERVICES)
        token, services = shared.credentials.token_file, (*plan.server_names, *plan.callers)
        self.resources = ProcessResources(
            plan.resources_every_s, self.runtime, services, self.pairs[0], self.directory, sql.TableSizes(login)
        )
        facility = Facility(
            self.runtime,
            self.pairs[0],
            virtual_ips[DATABASE],
            plan.server_names,
            plan.callers,
            # On loopback a look from this process is a look from where the services are.
            Instruments(
                HttpMonitoring if plan.service is None else partial(OwnMonitoring, plan.service, plan.server_names),
                partial(connect_over_tcp, token_file=token),
                dump_with_py_spy if plan.service is None else OwnDump(plan.service, plan.server_names, self.runtime.directory),
                partial(session_probe.probe, login),
                partial(open_burst, token_file=token),
            ),
            links=dict(links),
            packet_filter=ProcessPacketFilter(),
            log_disks=logs,
            resources=self.resources,
            shortages=ProcessShortages(self.directory, tuple(shared.run.path / f"{name}.log" for name in (FAULT_PROXY, FORK_SERVER))),
            parts=ProcessParts(self.pairs, shared.runtime),
            busyness=MachineBusyness(),
        )
        facility.questions = self._questions(facility, virtual_ips, links)
        return facility

    def _questions(self, facility: Facility, virtual_ips: Mapping[str, ProxiedLink], links: Mapping[str, ProxiedLink]) -> FacilityQuestions:
        """Return what can be asked of the facility."""
        administrator, pairs = self.shared.credentials.login(ADMINISTRATOR), dict(zip(virtual_ips, self.pairs, strict=True))
        return FacilityQuestions(
            facility,
            LocalInspector(self.runtime),
            {name: partial(_ask, name, pair, administrator) for name, pair in pairs.items()},
            {
                **{f"{VIRTUAL_IP}{name}": link for name, link in virtual_ips.items()},
                **{f"link to {name}": link for name, link in links.items()},
            },
            hosts=lambda: [
                OwnAddress(name, host, str(address)) for name, pair in pairs.items() for host, address in pair.addresses.items()
            ],
            own=() if self.plan.service is None else self.plan.server_names,
        )

    async def _watch_each_other(self, facility: Facility, client: FaultProxyClient, every_s: float) -> None:
        """Let the hosts of the first database exchange heartbeats: over a network of their own, or that of the service traffic."""
        settings = self.settings.facility
        link = self._new_link(client, HEARTBEATS)
        self.cluster = Cluster(HeartbeatWatch(settings.heartbeat_link, every_s, settings.heartbeats_missed), facility.database, link)
        await shield(self.cluster.start())
        facility.cluster = self.cluster
        facility.links[HEARTBEATS] = link
        if settings.heartbeat_link == DATABASE:
            facility.virtual_ip = SharedNetwork(facility.virtual_ip, link)

    async def _link(self, client: FaultProxyClient, name: str, upstream: Address) -> ProxiedLink:
        """Make a link, and its proxy."""
        link = self._new_link(client, name)
        await shield(link.create(upstream))
        return link

    def _new_link(self, client: FaultProxyClient, name: str) -> ProxiedLink:
        """Return a link whose proxy is to be made; it is removed with the facility, and by the next run when this one is killed before."""
        shared = self.shared
        link = ProxiedLink(client, f"{name}-{shared.run.path.name}-{self.directory.name}")
        self.links.append(link)
        if shared.toxiproxy is not None:
            shared.run.note_proxy(shared.toxiproxy, link.name)
        return link

    @property
    def _connections(self) -> int:
        """Connections to the database that all pools together may open."""
        pool = self.settings.application_server
        return (self.plan.connections + max(0, pool.pool_max_overflow)) * self.plan.application_servers

    def _require_limits(self) -> None:
        """Raise FacilityError when this user may not have so many open files or processes: half of the facility would find out later."""
        plan, each = self.plan, self._connections // self.plan.application_servers
        threads = plan.request_threads * (plan.application_servers + len(plan.callers))
        _require_limit(
            resource.RLIMIT_NOFILE,
            max(2 * self._connections, each + plan.request_threads * len(plan.callers)) + HEADROOM,  # the fault proxy, or a server
            "open files in a process",
            "ulimit -n",
        )
        _require_limit(resource.RLIMIT_NPROC, self._connections + threads + HEADROOM, "processes and threads", "ulimit -u")

    def _pair(self, directory: Path) -> DatabasePair:
        run_directory.make_directory(directory)
        connections = self._connections + SPARE_CONNECTIONS
        return DatabasePair(
            self.shared.run, self.shared.programs, Array(directory / "storage"), directory, connections, self.shared.credentials
        )

    async def _start(self, pair: DatabasePair, virtual_ip: ProxiedLink) -> None:
        """Start the database server of the first host, and give that the virtual IP."""
        address = await self.shared.start_pair(pair)
        await pair.limit_services()
        await virtual_ip.point(address)

    async def tear_down(self) -> None:
        """End everything that was started, and remove what it wrote."""
        await shield(self._tear_down())

    async def _tear_down(self) -> None:
        await cancel_and_wait([self.building] if self.building else [])
        async with AsyncExitStack() as stack:  # each of them, whatever becomes of the one before
            stack.push_async_callback(asyncio.to_thread, shutil.rmtree, self.directory, ignore_errors=True)
            while self.links:
                stack.push_async_callback(self.links.pop().delete)
            while self.pairs:
                stack.push_async_callback(self.pairs.pop().throw_away)
            stack.push_async_callback(self.runtime.stop_all)
            if self.cluster is not None:
                stack.push_async_callback(self.cluster.stop)
            if self.resources is not None:
                stack.push_async_callback(self.resources.close)
