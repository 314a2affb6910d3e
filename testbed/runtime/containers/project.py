"""One compose project: a facility in containers, which serves one replay after another.

What is behind the services (databases, standby, firewall, fault proxy) has no settings of a variant. So it stays and is
reset between replays; the services themselves, and the balancers before them, are new for each replay. What was reset is
checked before it is used, and a project that is not as at its beginning is thrown away.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

from testbed.concurrency import run_all, shield, wait_until
from testbed.errors import FacilityError
from testbed.facility.address import Address
from testbed.facility.facility import LOAD, Facility, Instruments
from testbed.facility.link import DATABASE
from testbed.facility.runtime import ServiceSpec
from testbed.journal import evidence
from testbed.load.burst_client import open_burst
from testbed.load.client import connect_over_tcp
from testbed.observe.monitoring import HttpMonitoring
from testbed.plan.topology import BALANCERS, HOSTS
from testbed.runtime.busyness import MachineBusyness
from testbed.runtime.containers.balancers import balanced_routes, statistics
from testbed.runtime.containers.cluster import ContainerCluster
from testbed.runtime.containers.database import DatabaseHosts
from testbed.runtime.containers.firewall import Firewall
from testbed.runtime.containers.inspector import ContainerInspector
from testbed.runtime.containers.log_disks import ContainerLogDisks
from testbed.runtime.containers.parts import ContainerParts
from testbed.runtime.containers.redundancy import ContainerRedundancy, virtual_ip_of
from testbed.runtime.containers.services import CREDENTIALS, OFF_SITE, RECOVERY, SERVICE_PORT, STATISTICS_PORT, VIRTUAL_IP
from testbed.runtime.containers.services import PORT as DATABASE_PORT
from testbed.runtime.containers.shortages import ContainerShortages
from testbed.runtime.credentials import ADMINISTRATOR, Credentials
from testbed.runtime.postgres import sql
from testbed.runtime.proxied_link import ProxiedLink
from testbed.runtime.questions import FacilityQuestions
from testbed.runtime.toxiproxy import FaultProxyClient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.facility.heartbeat_watch import HeartbeatWatch
    from testbed.facility.load_generator import DueRequest, LoadGenerator
    from testbed.plan.topology import FacilityPlan
    from testbed.runtime.containers.runtime import Containers
    from testbed.runtime.credentials import Login

PARTS = (*HOSTS, "toxiproxy", "firewall")
STAYING = (*HOSTS, RECOVERY, OFF_SITE, "toxiproxy", "firewall", *(f"{balancer}-machine" for balancer in BALANCERS))
FAULT_PROXY_PORT = 8474
KEEPALIVES = "DATABASE_KEEPALIVES_S"
NETWORK = "DATABASE_NETWORK_KBIT_S"
READY_WITHIN_S = 60.0
CAUGHT_UP_WITHIN_S = 30.0
ASKED_WITHIN_S = 10.0
POLL_S = 0.05
# Removes what passengers wrote, and first the sessions that may still have it locked: those of servers that have ended.
DELETE_ROWS: LiteralString = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();
TRUNCATE bookings, check_ins, sessions RESTART IDENTITY
"""
WRITTEN: LiteralString = "SELECT (SELECT count(*) FROM bookings) + (SELECT count(*) FROM check_ins)"
STREAMING: LiteralString = """
SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= pg_current_wal_flush_lsn()
"""


@dataclass(slots=True)
class Project:
    """A project on the containers runtime; `fits` are the settings that are fixed when it comes up.

    The `settings` of `begin` and `renew` are those of the services. Both are environment variables of `compose.yaml`. `watch` is how the
    database hosts watch each other, if they do.
    """

    runtime: Containers
    plan: FacilityPlan
    fits: Mapping[str, str]
    credentials: Credentials = field(init=False)
    hosts: DatabaseHosts = field(init=False)
    firewall: Firewall = field(init=False)
    facility: Facility | None = None  # of the replay before, or of the one that goes on

    def __post_init__(self) -> None:
        self.credentials = Credentials(self.runtime.directory / f"{self.runtime.project}-credentials")
        self.hosts = DatabaseHosts(self.runtime, self.credentials)
        self.firewall = Firewall(self.runtime, self._keepalives_s)

    @property
    def renewed(self) -> tuple[str, ...]:
        """The services that are new for each replay: all with request threads, and all that know or count their connections."""
        return (*self.plan.server_names, *self.plan.callers, *BALANCERS, LOAD)

    @property
    def proxy(self) -> FaultProxyClient:
        """A client of the fault proxy."""
        address = self.runtime.published("toxiproxy", FAULT_PROXY_PORT)
        return FaultProxyClient(address.host, address.port, self.credentials.token_file)

    async def begin(self, settings: Mapping[str, str], watch: HeartbeatWatch | None = None) -> Facility:
        """Start everything, and return the facility when every part of it is ready."""
        await self._up([*STAYING, *self.renewed], settings)
        self.facility = await self._ready()
        await read_credentials(self.runtime, self.credentials)
        await self.firewall.read_usual()
        if NETWORK in self.fits:  # only now, or the standby's first copy would take as long as a backup
            await run_all(self.hosts.narrow(host) for host in HOSTS)
        self._watch_each_other(self.facility, watch)
        return self.facility

    async def renew(self, plan: FacilityPlan, settings: Mapping[str, str], watch: HeartbeatWatch | None = None) -> Facility:
        """Reset everything, start the services of a plan with these settings, and return the facility when it is as at its beginning.

        1. Look for what faults left, before what would show it is gone: it is not undone here, because there may be more of it.
        2. Discard the services.
        3. End the heartbeats, and move the array back to the first host, before any service starts, because this breaks open connections.
        4. Start the services, and meanwhile delete the rows of the replay before.
        5. Wait until all are ready, and check that everything was reset.

        Raises TestbedError when something was left, or could not be reset.
        """
        await self._require_nothing_left()  # 1
        await asyncio.to_thread(self.runtime.discard, self.renewed)  # 2
        self.plan = plan
        await run_all(self.hosts.rest(host) for host in HOSTS)  # 3
        await run_all([self._move_back(), self._delete_connections()])
        await run_all([self._up(self.renewed, settings), self._delete_rows()])  # 4
        self.facility = await self._ready()  # 5
        await self._require_reset()
        await self._wait_caught_up()
        self._watch_each_other(self.facility, watch)
        return self.facility

    def _watch_each_other(self, facility: Facility, watch: HeartbeatWatch | None) -> None:
        """Give the facility a cluster manager, if the database hosts are to watch each other."""
        if watch is not None:
            facility.cluster = ContainerCluster(watch, self.hosts)

    async def _up(self, services: Sequence[str], settings: Mapping[str, str]) -> None:
        every = {**self.fits, **settings}
        await shield(asyncio.to_thread(self.runtime.up, services, every))  # cancelled, it would start containers that are never removed

    async def _move_back(self) -> None:
        if self.hosts.active == HOSTS[0]:
            return
        old, new = self.hosts.active, HOSTS[0]
        await self.hosts.stop_server()
        await self.hosts.unmount(old)
        await self.hosts.mount(new)
        address = await self.hosts.start_server(new)
        await asyncio.to_thread(self.proxy.point, VIRTUAL_IP, str(address))

    async def _delete_rows(self) -> None:
        await sql.execute(self.database, self._administrator, DELETE_ROWS, ASKED_WITHIN_S)

    async def _delete_connections(self) -> None:
        """Delete the firewall's connections of services that have ended, perhaps without closing them."""
        await self.runtime.run_in("firewall", "conntrack", "--flush", within_s=ASKED_WITHIN_S)

    @property
    def _keepalives_s(self) -> float | None:
        setting = self.fits.get(KEEPALIVES)
        return None if setting is None else float(setting)

    @property
    def database(self) -> Address:
        """The virtual IP, as it is published."""
        return virtual_ip_of(self.runtime)

    @property
    def _administrator(self) -> Login:
        return self.credentials.login(ADMINISTRATOR)

    async def _require_nothing_left(self) -> None:
        """Raise FacilityError with what faults left in the project, whether or not the replay before saw it."""
        assert self.facility is not None
        left = [*self.facility.left, *await self.facility.left_over()]
        left += [f"{name} is paused" for name in STAYING if await self.runtime.is_paused(name)]
        left += [f"{self.hosts.active} died: {died}" for died in [await asyncio.to_thread(self.hosts.died)] if died]
        if left:
            raise FacilityError(f"left by the replay before: {'; '.join(dict.fromkeys(left))}")

    async def _require_reset(self) -> None:
        """Raise FacilityError with what was not reset."""
        (written,) = await sql.fetch_row(self.database, self._administrator, WRITTEN, {}, ASKED_WITHIN_S)
        if written:
            raise FacilityError(f"the database still has {written} bookings and check-ins of the previous replay")

    async def _wait_caught_up(self) -> None:
        """Wait until the recovery standby streams and has everything; raises WaitError when that takes too long."""

        async def look() -> str | None:
            (standbys,) = await sql.fetch_row(self.database, self._administrator, STREAMING, {}, ASKED_WITHIN_S)
            return None if standbys else "no standby that streams and has all of the log"

        await wait_until(f"{RECOVERY} has not caught up", look, CAUGHT_UP_WITHIN_S, every_s=POLL_S)

    async def _ready(self) -> Facility:
        token, inspector = self.credentials.token_file, ContainerInspector(self.runtime)
        virtual_ip = ProxiedLink(self.proxy, VIRTUAL_IP, Address(VIRTUAL_IP, DATABASE_PORT))
        facility = Facility(
            self.runtime,
            self.hosts,
            virtual_ip,
            self.plan.server_names,
            self.plan.callers,
            Instruments(HttpMonitoring, partial(connect_inside, token_file=token), inspector.dump, self.runtime.probe, open_burst),
            packet_filter=self.firewall,
            log_disks=ContainerLogDisks(self.runtime),
            redundancy=ContainerRedundancy(self.runtime, self.plan.server_names, self._administrator),
        )
        facility.shortages = ContainerShortages(self.runtime, (*facility.services, *HOSTS, LOAD, "toxiproxy"))
        facility.parts = ContainerParts(self.runtime, self.hosts, PARTS)
        facility.busyness = MachineBusyness()
        facility.questions = FacilityQuestions(
            facility,
            inspector,
            {DATABASE: self.hosts.ask},
            {f"{evidence.VIRTUAL_IP}{DATABASE}": virtual_ip},
            lambda service: Address(service, SERVICE_PORT),
            balanced_routes(self.plan.server_names),
            lambda: [evidence.OwnAddress(DATABASE, host, str(Address(host, DATABASE_PORT))) for host in HOSTS],
        )
        for name in facility.services:
            facility.specs[name] = ServiceSpec(name, "")  # compose.yaml has the rest
        await facility.wait_ready((*HOSTS, RECOVERY, *facility.services), READY_WITHIN_S)
        await self._wait_balancers()
        return facility

    async def _wait_balancers(self) -> None:
        """Wait until both balancers send calls to every application server; raises WaitError when that takes too long."""
        await run_all(self._wait_balancer(balancer) for balancer in BALANCERS)

    async def _wait_balancer(self, balancer: str) -> None:
        async def look() -> str | None:
            up = await asyncio.to_thread(self._up_behind, balancer)
            return f"up: {', '.join(sorted(up)) or 'none'}" if up < set(self.plan.server_names) else None

        servers = ", ".join(self.plan.server_names)
        await wait_until(f"{balancer} did not send calls to {servers}", look, READY_WITHIN_S, every_s=POLL_S)

    def _up_behind(self, balancer: str) -> set[str]:
        """Return the application servers that are up in a balancer's own statistics."""
        servers = statistics(self.runtime.published(balancer, STATISTICS_PORT), self.plan.server_names)
        return {server.server for server in servers if server.status.startswith("UP")}


async def read_credentials(runtime: Containers, credentials: Credentials) -> None:
    """Keep what the first database host of a project has made, each in a file of this user."""
    inside = Credentials(Path(CREDENTIALS))
    lines = await runtime.run_in(HOSTS[0], "cat", *map(str, inside.files), within_s=ASKED_WITHIN_S)  # each has one
    for file, line in zip(credentials.files, lines.splitlines(keepends=True), strict=True):
        credentials.keep(file, line)


async def connect_inside(
    requests: Sequence[DueRequest], generator: Address, callers: Mapping[str, Address], *, token_file: Path
) -> LoadGenerator:
    """Pass the requests to the load generator's container, where callers have their own names; see `Connect`."""
    inside = {caller: Address(caller, SERVICE_PORT) for caller in callers}
    return await connect_over_tcp(requests, generator, inside, token_file=token_file)
