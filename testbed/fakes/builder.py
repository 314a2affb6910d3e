"""Builds the fake facility: runtime, database, links, monitoring, dumps and load generator, in one event loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.errors import DumpError, FacilityError
from testbed.facility import observers
from testbed.facility.address import Address
from testbed.facility.facility import LOAD, Facility, Instruments
from testbed.facility.heartbeat_watch import HeartbeatWatch
from testbed.facility.link import DATABASE
from testbed.facility.runtime import ServiceSpec
from testbed.fakes import caller, server
from testbed.fakes.caller import FakeCaller
from testbed.fakes.cluster import FakeCluster
from testbed.fakes.database import FakeDatabase
from testbed.fakes.link import FakeLink, FakePacketFilter
from testbed.fakes.load import FakeLoadGenerator
from testbed.fakes.monitoring import FakeLogDisks, FakeMonitoring
from testbed.fakes.probe import FakeBurst, FakeProbe
from testbed.fakes.questions import FakeQuestions
from testbed.fakes.runtime import FakeRuntime
from testbed.fakes.server import FakeServer
from testbed.fakes.service import require_modelled
from testbed.plan.settings import Settings
from testbed.plan.topology import HEARTBEATS, PHYSICAL, databases_of, servers_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from testbed.facility.burst import BurstSpec
    from testbed.facility.load_generator import DueRequest
    from testbed.facility.observers import Resources, Shortages
    from testbed.facility.probe import ProbeSpec
    from testbed.facility.runtime import Runtime
    from testbed.fakes.service import FakeService
    from testbed.journal.events import ThreadGroup
    from testbed.plan.topology import FacilityPlan

DUMP_S = 0.3  # how long a thread dump takes


@dataclass(slots=True)
class FakeBuilder:
    """Builds a fake facility by the plan and the settings of a variant, as `ProcessesBuilder` builds a real one.

    The model: an application server has `request_threads` threads and `pool_size` connections, a FIFO pool unless `pool_lifo`. A
    connection to a database server that was stopped, or that ended its sessions, is dead. A lookup over a dead connection fails, and
    leaks it in `original` (and in `driver_cursor`, when it died between the rows and the close); any other operation checks it in, and
    another is opened in its place. With an empty pool, a request waits with its thread for `pool_checkout_timeout_s`. A leaked
    connection is reclaimed after `pool_leak_reclaim_s`. Requests that `shed_load_at` and `fail_fast` refuse get no thread, and count as
    no result. A caller's thread waits for its calls for `call_read_timeout_s`, and calls the servers (of its service group) in turn;
    bulkhead, deadline, retry and circuit breaker wrap its calls as in the real one. Times are constant, and nothing is random.

    Not modelled: processors and memory, so nothing gets slow under load; PostgreSQL and its data, so every flight is found; the
    setting `call_connect_timeout_s`, because a connection is established at once or not at all; toxics other than `latency`, and links
    other than the one to the database, which probes and heartbeats see and services do not; pause and resume. A variant with settings that
    are not modelled and would change its night (`NOT_MODELLED` in `server.py` and `caller.py`) is refused with UsageError.
    """

    plan: FacilityPlan
    settings: Settings = field(default_factory=Settings)
    runtime: FakeRuntime = field(default_factory=FakeRuntime)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    virtual_ip: FakeLink = field(default_factory=FakeLink)
    links: dict[str, FakeLink] = field(default_factory=dict)
    packet_filter: FakePacketFilter = field(default_factory=FakePacketFilter)
    log_disks: FakeLogDisks = field(default_factory=FakeLogDisks)
    resources: Resources = field(default_factory=observers.NoResources)
    shortages: Shortages = field(default_factory=observers.NoShortages)
    ineffective: bool = False  # probes see no effect of a fault on a link, and the requests of a burst do not wait at one time
    generator: FakeLoadGenerator | None = None
    bursts: list[FakeBurst] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    not_permitted: str | None = None  # why threads cannot be dumped
    broken: FacilityError | None = None  # raised in place of a facility

    def __post_init__(self) -> None:
        require_modelled("an application server", self.settings.application_server, server.NOT_MODELLED)
        require_modelled("a caller", self.settings.caller, caller.NOT_MODELLED)
        require_modelled("a facility", self.settings.facility, ("other_psycopg",))

    def begin(self) -> None:
        """Record the call; there is nothing to prepare."""
        self.calls.append("begin")

    async def build(self) -> Facility:
        """Start every service and return when all are ready."""
        self.calls.append("build")
        self.runtime.make = self._make
        heartbeats = () if self.plan.heartbeat_every_s is None else (HEARTBEATS,)
        self.links = {name: FakeLink(name) for name in (*self.plan.links, *heartbeats)}
        facility = Facility(
            self.runtime,
            self.database,
            self.virtual_ip,
            self.plan.server_names,
            self.plan.callers,
            Instruments(lambda: FakeMonitoring(self.runtime, self._own), self._connect, self._dump, self._probe, self._open_burst),
            links=dict(self.links),
            packet_filter=self.packet_filter,
            resources=self.resources,
            shortages=self.shortages,
            log_disks=self.log_disks,
        )
        if self.plan.heartbeat_every_s is not None:
            facility.cluster = self._cluster(self.plan.heartbeat_every_s)
        if not self._own:
            facility.questions = FakeQuestions(self.plan, self.settings, self.runtime, facility.cluster)
        if self.broken is not None:
            raise self.broken
        await facility.start(ServiceSpec(name, "fake") for name in (*facility.services, LOAD))
        await facility.wait_ready(facility.services)
        return facility

    @property
    def _own(self) -> tuple[str, ...]:
        """The application servers that are somebody else's: they do what ours would do in this variant, and tell nothing of it."""
        return () if self.plan.service is None else self.plan.server_names

    def _cluster(self, every_s: float) -> FakeCluster:
        settings = self.settings.facility
        network = self.virtual_ip if settings.heartbeat_link == DATABASE else self.links[HEARTBEATS]
        return FakeCluster(HeartbeatWatch(settings.heartbeat_link, every_s, settings.heartbeats_missed), self.database, network)

    async def _open_burst(self, runtime: Runtime, spec: BurstSpec) -> FakeBurst:  # noqa: ARG002 - the protocol's signature
        self.bursts.append(FakeBurst(spec, self.ineffective))
        return self.bursts[-1]

    def _probe(self, link: str, address: Address, spec: ProbeSpec) -> FakeProbe:  # noqa: ARG002 - the protocol's signature
        fake = self.virtual_ip if link == DATABASE else self.links.get(link, FakeLink())
        return FakeProbe(fake, spec, link in self.packet_filter.dropped, self.ineffective)

    def _make(self, name: str) -> FakeService | None:
        if name in self.plan.server_names:
            shared, *_ = databases_of(self.plan, self.settings.facility).values()
            database, link = (self.database, self.virtual_ip) if name in shared else (FakeDatabase(), FakeLink())
            if self.settings.facility.database_address == PHYSICAL:
                link = FakeLink()  # to the first host, and never pointed at another
            return FakeServer(
                name, self.plan.model_copy(update={"pool_size": self.plan.connections}), self.settings.application_server, database, link
            )
        if name in self.plan.callers:
            servers = servers_of(self.plan, self.settings.facility)[name]
            return FakeCaller(name, self.plan, self.settings.of_caller(name), servers, self.runtime.service)
        return None

    async def _connect(self, requests: Sequence[DueRequest], generator: Address, callers: Mapping[str, Address]) -> FakeLoadGenerator:  # noqa: ARG002
        self.generator = FakeLoadGenerator(self.runtime, requests)
        return self.generator

    async def _dump(self, service: str, pid: int, file: Path) -> tuple[ThreadGroup, ...]:  # noqa: ARG002 - a fake dump has no file
        groups = self.runtime.service(service).groups()
        await asyncio.sleep(DUMP_S)
        if service in self._own:
            raise DumpError(f"the threads of {service} cannot be dumped: nobody says how")
        if self.not_permitted is not None:
            raise DumpError(self.not_permitted)
        return groups

    async def tear_down(self) -> None:
        """Stop every service."""
        self.calls.append("tear_down")
        for service in self.runtime.services.values():
            if service is not None:
                service.die()
