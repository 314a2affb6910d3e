"""A facility: the services of a scenario in one variant, how they know each other, and in which order they come up."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from testbed.concurrency import run_all, wait_until
from testbed.errors import FacilityError, ServiceError, UsageError, WaitError
from testbed.facility import observers
from testbed.facility.cluster import ClusterManager, NoCluster
from testbed.facility.database import Database
from testbed.facility.link import DATABASE, Link
from testbed.facility.log_disks import LogDisks, NoLogDisks
from testbed.facility.packet_filter import NoPacketFilter, PacketFilter
from testbed.facility.redundancy import NoRedundancy, Redundancy
from testbed.facility.runtime import Runtime, ServiceSpec
from testbed.plan.decoding import suggestion

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager, AsyncExitStack

    from testbed.facility.burst import OpenBurst
    from testbed.facility.load_generator import Connect, DueRequest, LoadGenerator
    from testbed.facility.observers import Busyness, Dump, Monitoring, Parts, Questions, Resources, Shortages
    from testbed.facility.probe import Probe, Prober, ProbeSpec


READY_WITHIN_S = 60.0  # where the machine is busy with something else; who has ended is told at once
POLL_S = 0.02
FAULT_PROXY = "toxiproxy"
LOAD = "load"


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that has begun and has to be healed: its word, what heals it, and the number of its step of the timeline.

    `longest_delay_s`: the longest that it can delay a transaction, in real seconds; 0 for one that does not delay what comes back at all.
    `over` returns why nothing is left of it to be healed, or an empty text; None where only healing ends it. `ended` is set when its
    injection has ended, well or not.
    """

    word: str
    heal: Callable[[Any], Awaitable[str]]
    id: int
    longest_delay_s: float = 0.0
    over: Callable[[Any], Awaitable[str]] | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event, compare=False)


@dataclass(frozen=True, slots=True)
class Instruments:
    """The means by which a facility is observed, probed and loaded. Its builder chooses them: real ones, or those of `testbed.fakes`."""

    monitoring: Callable[[], AbstractAsyncContextManager[Monitoring]]
    connect: Connect
    dump: Dump
    prober: Prober
    open_burst: OpenBurst


@dataclass(slots=True)
class Facility:
    """The services of one variant on a runtime.

    `application_servers` and `callers`: their names, in the order in which they are taken. `instruments`: how it is observed, probed
    and loaded. `redundancy`: balancers, standby and backups, where the runtime has them. `resources`: how resource usage is sampled.
    `shortages`: how it is found what its parts lacked; `parts`: which of those that are no services failed by themselves. `cluster`: how
    the database hosts watch each other. `busyness`: how busy the machine is. `questions`: what can be asked of its parts when something is
    wrong. `links`: those with a proxy of their own, beside the database's, which is the virtual IP. `active`: the faults that have to be
    healed, and `left`: what remained when all were; a facility that still has any of either serves no other replay. `over`: by the words of
    those that are over without a healing, why. `ready_within_s`: the longest that a service takes to start, in real seconds.
    `dsn`: the URL by which somebody else's services reach the database, with its password; empty where the services are the case's.
    """

    runtime: Runtime
    database: Database
    virtual_ip: Link
    application_servers: tuple[str, ...]
    callers: tuple[str, ...]
    instruments: Instruments
    specs: dict[str, ServiceSpec] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)  # killed on purpose, and not yet started again
    redundancy: Redundancy = field(default_factory=NoRedundancy)
    resources: Resources = field(default_factory=observers.NoResources)
    shortages: Shortages = field(default_factory=observers.NoShortages)
    parts: Parts = field(default_factory=observers.NoParts)
    cluster: ClusterManager = field(default_factory=NoCluster)
    busyness: Busyness = field(default_factory=observers.NoBusyness)
    questions: Questions = field(default_factory=observers.NoQuestions)
    links: dict[str, Link] = field(default_factory=dict)
    packet_filter: PacketFilter = field(default_factory=NoPacketFilter)
    log_disks: LogDisks = field(default_factory=NoLogDisks)
    active: list[ActiveFault] = field(default_factory=list)
    left: tuple[str, ...] = ()
    over: dict[str, str] = field(default_factory=dict)
    held: dict[str, AsyncExitStack] = field(default_factory=dict)  # what faults hold until they are healed, by their words
    held_on: dict[str, str] = field(default_factory=dict)  # and on which database host; empty: the server has ended that session
    waiting: dict[str, Probe] = field(default_factory=dict)  # probes that run until their fault is healed, by the service
    ready_within_s: float = READY_WITHIN_S
    dsn: str = ""
    at_work_on: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    @property
    def services(self) -> tuple[str, ...]:
        """Every service that has request threads and monitoring."""
        return (*self.application_servers, *self.callers)

    def require_service(self, name: str) -> None:
        """Raise UsageError for what is no service of this facility, with the nearest name and all that there are."""
        if name not in self.services:
            raise UsageError(f"no service {name!r}{suggestion(name, self.services)}; there are {', '.join(self.services)}")

    async def start(self, specs: Iterable[ServiceSpec]) -> None:
        """Start services, and keep their specs for `restart`."""
        for spec in specs:
            self.specs[spec.name] = spec
            await self.runtime.start(spec)

    async def kill(self, name: str) -> None:
        """Kill a service on purpose: it does not count as one that died by itself."""
        self.down.add(name)
        await self.runtime.kill(name)

    async def restart(self, name: str) -> None:
        """Kill a service, because hanging threads allow no orderly stop, and start it as before."""
        await self.kill(name)
        await self.runtime.start(self.specs[name])
        self.down.discard(name)

    def link(self, name: str) -> Link:
        """Return a link by its name; raises FacilityError when it has no proxy for faults."""
        links = {DATABASE: self.virtual_ip, **self.links}
        if name not in links:
            raise FacilityError(f"no link {name} that a fault could be put on; there are {', '.join(links)}")
        return links[name]

    def probe(self, name: str, spec: ProbeSpec) -> Probe:
        """Start a probe over a link; or straight to the service, if its link has no proxy."""
        is_proxied = name == DATABASE or name in self.links
        return self.instruments.prober(name, self.link(name).address if is_proxied else self.runtime.address(name), spec)

    async def release(self) -> None:
        """End the probes of faults that were not healed, and close what these hold."""
        while self.waiting:
            await self.waiting.popitem()[1].end()
        while self.held:
            await self.held.popitem()[1].aclose()

    async def left_over(self) -> list[str]:
        """Return a line for each thing that faults left: dropped packets, full disks, toxics, disabled links, paused services."""
        left = list(await self.packet_filter.left())
        left += [f"the disk that takes the log of {name} is full" for name in self.log_disks.full()]
        for name, link in {DATABASE: self.virtual_ip, **self.links}.items():
            try:
                toxics, enabled = await link.toxics(), await link.is_enabled()
            except FacilityError as error:
                left.append(f"the link to {name} cannot be checked: {error}")
                continue
            left += [f"the link to {name} has the toxic {toxic}" for toxic in toxics]
            left += [] if enabled else [f"the link to {name} is disabled"]
        for name in self.services:
            if await self.runtime.pid(name) and await self.runtime.is_paused(name):
                left.append(f"{name} is paused")
        return left

    async def load_generator(self, requests: Sequence[DueRequest]) -> LoadGenerator:
        """Return the load generator, ready to send these requests to the callers; raises ServiceError when it is not."""
        addresses = {name: self.links[name].address if name in self.links else self.runtime.address(name) for name in self.callers}
        return await self.instruments.connect(requests, self.runtime.address(LOAD), addresses)

    async def wait_ready(self, names: Iterable[str], within_s: float | None = None) -> None:
        """Wait until each named service's health check is green, for `ready_within_s` unless another time is given.

        Raises ServiceError with the last lines of a service that ended, or that is not ready in time; and with what another part of the
        facility lacked, which may be why.
        """
        try:
            async with self.instruments.monitoring() as monitoring:
                await run_all(self._wait_ready(monitoring, name, within_s or self.ready_within_s) for name in names)
        except ServiceError as error:
            lacking = await self.shortages.look(lambda: (0.0, 0.0))
            told = [f"{shortage.of} lacked {shortage.resource}: {shortage.line}" for shortage in lacking]
            raise ServiceError("\n".join([str(error), *told])) from error

    async def _wait_ready(self, monitoring: Monitoring, name: str, within_s: float) -> None:
        """Wait until the health check is green, or the process has ended: one that dies at its start may never answer."""
        asked = asyncio.create_task(monitoring.health(name, self.runtime.address(name)))
        health = "no answer"

        async def ask_again() -> str:
            await asyncio.sleep(POLL_S)
            return await monitoring.health(name, self.runtime.address(name))

        async def look() -> str | None:
            nonlocal asked, health
            await asyncio.wait({asked}, timeout=POLL_S)
            if asked.done():
                health = asked.result()
                if health == "200":
                    return None
                asked = asyncio.create_task(ask_again())
            ended = await self.runtime.exit(name)
            if ended is not None:
                raise ServiceError(f"{name} ended with exit code {ended.code} before it was ready:\n{ended.last_lines}")
            return health

        try:
            await wait_until(f"{name} was not ready", look, within_s, every_s=0.0)  # a look itself takes up to POLL_S
        except WaitError as error:
            raise ServiceError(f"{error}; its last lines:\n{await self.runtime.logs(name)}") from error
        finally:
            asked.cancel()
