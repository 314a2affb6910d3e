"""The fake facility: the runtime, the database, the link, monitoring, dumps and the load generator, in one event loop."""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from testbed import probe
from testbed.crowd import Told
from testbed.errors import ArrayError, DumpError, FacilityError, ServiceError
from testbed.facility import LOAD, Facility, Instruments
from testbed.fakes import caller, server
from testbed.fakes.caller import FakeCaller
from testbed.fakes.server import FakeServer
from testbed.fakes.service import see_modelled
from testbed.link import DATABASE, ToxicOn
from testbed.observe import scales
from testbed.probe import Seen
from testbed.runtime import Address, Exit, Nothing, ServiceSpec
from testbed.topology import HOSTS, Settings, servers_of
from testbed.workload import Ended, Sent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from testbed.crowd import Order
    from testbed.events import Sample, ThreadGroup
    from testbed.fakes.service import FakeService
    from testbed.link import Link, Stream
    from testbed.load import DueRequest
    from testbed.observe.scales import Scales
    from testbed.probe import Question
    from testbed.runtime import Runtime
    from testbed.topology import FacilityPlan

STOP_S = 0.05  # of the database server
START_S = 0.05
LOOK_S = 0.002  # what monitoring takes to answer
DUMP_S = 0.3  # what a thread dump takes
FLIGHTS = 6495  # in the table of the real week
LAST_LINES = "the fake was told to die"


@dataclass(slots=True)
class FakeRuntime(Nothing):
    """Services as objects. `calls` (the do-nothing runtime's) has what was done to which, in order; pause and resume change nothing."""

    make: Callable[[str], FakeService | None] = lambda _: None
    services: dict[str, FakeService | None] = field(default_factory=dict)
    exits: dict[str, Exit] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)
    starts: int = 0

    async def start(self, spec: ServiceSpec) -> None:
        """Start a service."""
        await Nothing.start(self, spec)
        self.exits.pop(spec.name, None)
        self.starts += 1
        self.pids[spec.name] = self.starts
        self.services[spec.name] = self.make(spec.name)

    async def stop(self, name: str) -> None:
        """End a service."""
        await Nothing.stop(self, name)
        self._end(name, Exit(0, ""))

    async def kill(self, name: str) -> None:
        """End a service."""
        await Nothing.kill(self, name)
        self._end(name, Exit(-9, ""))

    def die(self, name: str, code: int = 1) -> None:
        """Let a service die by itself."""
        self.running.pop(name, None)
        self._end(name, Exit(code, LAST_LINES))

    def _end(self, name: str, how: Exit) -> None:
        self.exits[name] = how
        service = self.services[name]
        if service is not None:
            service.die()

    def service(self, name: str) -> FakeService:
        """Give a service by its name; raises ServiceError when there is none."""
        found = self.services.get(name)
        if found is None:
            raise ServiceError(f"no service {name}; there are {', '.join(sorted(self.services)) or 'none'}")
        return found

    async def pid(self, name: str) -> int | None:
        """Give a number that looks like a process id, one for each start; None when it does not run."""
        return self.pids[name] if name in self.running else None

    async def exit(self, name: str) -> Exit | None:
        """Tell how it ended; None while it runs."""
        return self.exits.get(name)


@dataclass(slots=True)
class FakeFlights:
    """The table of flights; `ineffective`: a lock on it keeps nobody waiting."""

    locked: bool = False
    ineffective: bool = False

    async def lock(self, address: Address, within_s: float) -> AsyncExitStack:  # noqa: ARG002 - the protocol's signature
        """Lock it until what is returned is closed."""
        self.locked = True
        stack = AsyncExitStack()
        stack.callback(self._release)
        return stack

    def _release(self) -> None:
        self.locked = False

    async def count(self, address: Address, within_s: float) -> int:
        """Count the flights; raises ServiceError when the table is locked."""
        if self.locked and not self.ineffective:
            await asyncio.sleep(within_s)
            raise ServiceError(f"the database at {address} does not answer: too late")
        return FLIGHTS

    async def ping(self, address: Address, within_s: float) -> None:
        """Answer, whatever is locked."""


@dataclass(slots=True)
class FakeDatabase:
    """The database pair. `starts` counts the starts of a server, so that a connection can be told from one to an earlier start."""

    active: str = HOSTS[0]
    mounted: str | None = HOSTS[0]
    running: bool = True
    starts: int = 1
    broken: FacilityError | None = None  # raised by the next start of a server
    flights: FakeFlights = field(default_factory=FakeFlights)

    @property
    def standby(self) -> str:
        """The host that could take over."""
        return HOSTS[1] if self.active == HOSTS[0] else HOSTS[0]

    async def mount(self, host: str) -> None:
        """Mount the array on a host."""
        if self.mounted is not None:
            raise ArrayError(f"the array is mounted on {self.mounted}; unmount it there before it is mounted on {host}")
        self.mounted = host

    async def unmount(self, host: str) -> None:
        """Take the array from a host."""
        if self.mounted != host or self.running:
            raise ArrayError(f"the array cannot be unmounted on {host}: it is mounted on {self.mounted}, server running: {self.running}")
        self.mounted = None

    async def start_server(self, host: str) -> Address:
        """Start the server of a host on the array mounted there; give its own address."""
        if self.mounted != host:
            raise ArrayError(f"the array is not mounted on {host}")
        if self.broken is not None:
            raise self.broken
        await asyncio.sleep(START_S)
        self.active, self.running = host, True
        self.starts += 1
        return Address(host, 5432)

    async def stop_server(self) -> None:
        """Stop the server; its connections are dead."""
        if not self.running:
            raise FacilityError(f"no database server runs on {self.active}")
        await asyncio.sleep(STOP_S)
        self.running = False

    async def throw_away(self) -> None:
        """End the server at once."""
        self.running = False


@dataclass(slots=True)
class FakeLink:
    """A link: which host it leads to, whether anybody listens, and the toxics on it by their names, of which `latency` is felt.

    That to the database is the virtual IP. A probe over it sees what each toxic does (`FakeProbe`).
    """

    host: str = HOSTS[0]
    enabled: bool = True
    on: dict[str, dict[str, int]] = field(default_factory=dict)
    put: list[tuple[str, dict[str, int]]] = field(default_factory=list)  # every toxic that ever was on it
    broken: FacilityError | None = None  # raised by the next toxic that is taken away

    @property
    def address(self) -> Address:
        """An address that nobody listens at."""
        return Address("127.0.0.1", 0)

    @property
    def latency_s(self) -> float:
        """What each trip over the link takes longer, in seconds."""
        return sum(attributes.get("latency", 0) for name, attributes in self.on.items() if name.startswith("latency")) / 1000

    async def point(self, host: Address) -> None:
        """Let it lead to a host."""
        self.host = host.host

    async def add_toxic(self, kind: str, attributes: Mapping[str, int], stream: Stream = "downstream") -> None:
        """Put a toxic on the link."""
        self.on[str(ToxicOn(kind, stream))] = dict(attributes)
        self.put.append((str(ToxicOn(kind, stream)), dict(attributes)))

    async def remove_toxic(self, kind: str, stream: Stream = "downstream") -> None:
        """Take a toxic from it."""
        if self.broken is not None:
            raise self.broken
        del self.on[str(ToxicOn(kind, stream))]

    async def toxics(self) -> tuple[str, ...]:
        """Give the names of the toxics on it."""
        return tuple(self.on)

    async def enable(self) -> None:
        """Let somebody listen."""
        self.enabled = True

    async def disable(self) -> None:
        """Let nobody listen."""
        self.enabled = False

    async def is_enabled(self) -> bool:
        """Whether anybody listens."""
        return self.enabled

    def leads_to(self, database: FakeDatabase) -> bool:
        """Whether a new connection would reach the database."""
        return self.enabled and database.running and self.host == database.active


@dataclass(slots=True)
class FakePacketFilter:
    """Notes to which links attempts to connect are dropped, and forgets by a toxic."""

    dropped: list[str] = field(default_factory=list)
    keepalives_s: float | None = None

    async def drop(self, name: str, link: Link) -> None:
        """Drop them."""
        await link.disable()
        self.dropped.append(name)

    async def accept(self, name: str, link: Link) -> None:
        """Let them through."""
        self.dropped.remove(name)
        await link.enable()

    async def forget_idle(self, name: str, link: Link, idle_s: float) -> float:  # noqa: ARG002 - the protocol's signature
        """Put a toxic on the link, where a connection that rests is idle at all."""
        if self.keepalives_s is None or self.keepalives_s >= idle_s:
            await link.add_toxic("idle_drop", {"timeout": round(idle_s * 1000)})
        return idle_s

    async def wait_forgotten(self, name: str, link: Link, limit_s: float) -> None:
        """Return at once."""

    async def keep_idle(self, name: str, link: Link) -> None:  # noqa: ARG002 - the protocol's signature
        """Take it away."""
        if "idle_drop_downstream" in await link.toxics():
            await link.remove_toxic("idle_drop")

    async def left(self) -> tuple[str, ...]:
        """Tell to what nobody gets through."""
        return tuple(f"attempts to connect to {name} are dropped" for name in self.dropped)


@dataclass(slots=True)
class FakeLogDisks:
    """Notes whose disk is full; `blunt`: every line is written all the same."""

    filled: set[str] = field(default_factory=set)
    blunt: bool = False

    async def fill(self, server: str) -> None:
        """Note it."""
        self.filled.add(server)

    async def free(self, server: str) -> None:
        """Note it no more."""
        self.filled.discard(server)

    async def lost(self, server: str, address: Address) -> str:  # noqa: ARG002 - the protocol's signature
        """Tell by what was noted."""
        return os.strerror(errno.ENOSPC) if server in self.filled and not self.blunt else ""

    def full(self) -> tuple[str, ...]:
        """Give those that were noted."""
        return tuple(sorted(self.filled))


# How a connection ends over a link with this toxic on it, when a long answer is asked for, and when it is only held.
ENDS: dict[str, tuple[probe.Ended, probe.Ended]] = {
    "silence_upstream": ("silent", "answered"),
    "slicer_downstream": ("silent", "answered"),
    "limit_data_downstream": ("closed", "answered"),
    "timeout_downstream": ("closed", "closed"),
    "reset_peer_upstream": ("reset", "answered"),
    "reset_peer_downstream": ("reset", "answered"),
    "lifetime_downstream": ("reset", "reset"),
}
FAKE_BYTES = 300  # of a long answer


@dataclass(slots=True)
class FakeProbe:
    """A probe over a fake link; `blunt`: it sees a link that works, whatever is on it."""

    link: FakeLink
    question: Question
    unconnected: bool
    blunt: bool

    async def wait_held(self) -> None:
        """It holds at once."""

    async def wait_seen(self) -> Seen:
        """Tell by what is on the link."""
        if self.blunt:
            return Seen("answered", 0.0, 0.0, 0.0, FAKE_BYTES)
        if self.unconnected:
            return Seen("unconnected", self.question.within_s)
        if not self.link.enabled:
            return Seen("refused", 0.0)
        await asyncio.sleep(min(self.link.latency_s, self.question.within_s))
        forgets = self.link.on.get("idle_drop_downstream")
        if forgets is not None and self.question.idle_s * 1000 > forgets["timeout"]:
            return Seen("silent", 0.0, 0.0, 0.0, 1)
        ends = [ENDS[name][self.question.kind == "hold"] for name in self.link.on if name in ENDS]
        late = self.link.latency_s > self.question.within_s
        ended: probe.Ended = ends[0] if ends else "silent" if late else "answered"
        size = 1 if ended in ("silent", "closed") and not late else 0 if late or ended == "reset" else FAKE_BYTES
        first_s = self.link.latency_s if size else None
        return Seen(ended, 0.0, first_s, first_s, size)

    async def end(self) -> None:
        """It has nothing to end."""


@dataclass(slots=True)
class FakeCrowd:
    """A crowd that only counts: all of it is answered, and while `blunt`, one after the other. `there` until it has left."""

    order: Order
    blunt: bool
    opened: Told = field(default_factory=Told)
    there: bool = True

    def __post_init__(self) -> None:
        self.opened = Told({"open": self.order.requests}, 0.0, self.order.requests)

    async def ask(self) -> Told:
        """Answer all."""
        return Told({"answered": self.order.requests}, 0.0, 1 if self.blunt else self.order.requests)

    async def leave(self) -> None:
        """Be gone."""
        self.there = False


@dataclass(slots=True)
class FakeMonitoring:
    """Looks at fake services; an async context manager, as the real one is."""

    runtime: FakeRuntime

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return

    async def read(self, service: str, address: Address, now: Callable[[], tuple[float, float]]) -> Sample:  # noqa: ARG002 - the protocol's
        """Look at a service."""
        await asyncio.sleep(LOOK_S)
        return self.runtime.service(service).sample(*now())

    async def health(self, service: str, address: Address) -> str:  # noqa: ARG002 - the protocol's signature
        """Give a service's health when it is ready."""
        await self.runtime.service(service).ready.wait()
        return "200" if self.runtime.service(service).alive else "no answer"


@dataclass(slots=True)
class FakeGenerator:
    """Sends requests to fake callers at their times, each whether or not others came back."""

    runtime: FakeRuntime
    requests: Sequence[DueRequest]
    _told: asyncio.Queue[Sent | Ended | None] = field(default_factory=asyncio.Queue)
    _timers: list[asyncio.TimerHandle] = field(default_factory=list)
    _sent: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self, start_s: float) -> None:
        """Set a timer for each request."""
        loop = asyncio.get_running_loop()
        self._timers = [loop.call_at(start_s + due.due_s, self._send, due, start_s) for due in self.requests]

    def _send(self, due: DueRequest, start_s: float) -> None:
        task = asyncio.create_task(self._ask(due, start_s))
        self._sent.add(task)
        task.add_done_callback(self._sent.discard)

    async def _ask(self, due: DueRequest, start_s: float) -> None:
        now, request = asyncio.get_running_loop().time, due.request
        self._told.put_nowait(Sent(request.id, now() - start_s))
        error = await self.runtime.service(request.caller).ask(request.transaction)
        self._told.put_nowait(Ended(request.id, now() - start_s, 502 if error else 200, error))

    async def tell(self) -> AsyncIterator[Sent | Ended]:
        """Give what happens, until it dies."""
        while (event := await self._told.get()) is not None:
            yield event

    def die(self) -> None:
        """End in the middle of the night."""
        self.stop()
        self._told.put_nowait(None)

    def stop(self) -> None:
        """Send nothing more, and wait for nothing more."""
        for timer in self._timers:
            timer.cancel()
        for task in self._sent:
            task.cancel()


@dataclass(slots=True)
class FakeBuilder:
    """Builds a fake facility by the plan and the settings of a variant, as `ProcessesBuilder` builds a real one.

    The model: an application server has `request_threads` threads and `pool_size` connections, a FIFO pool unless `pool_lifo`. A
    connection to a database server that was stopped is dead. A lookup over a dead connection fails, and loses it in `original` (and in
    `driver_cursor`, when it died between the rows and the close); everything else gives it back, and another is opened in its place. Who
    finds the pool empty waits, with its thread, for as long as `pool_checkout_timeout_s` says. What was lost comes back after
    `pool_leak_reclaim_s`; requests that `shed_load_at` and `fail_fast` do not let in have no thread, and are no result. A caller's
    thread waits for its calls, as long as `call_read_timeout_s` says, and takes the servers (of its service group) in turn; bulkhead,
    retry and circuit breaker are around its calls as in the real one. Times are constant; there is no chance in it.

    Not modelled: processors and memory, so nothing gets slow under load; PostgreSQL and its data, so every flight is found; the
    setting `call_connect_timeout_s`, because a connection is made at once or not at all; toxics other than
    `latency`, and links other than the one to the database, which probes see and services do not; pause and resume.
    A variant with settings that are not modelled and would change its night (`NOT_MODELLED` in `server.py` and `caller.py`) is refused
    with UsageError.
    """

    plan: FacilityPlan
    settings: Settings = field(default_factory=Settings)
    runtime: FakeRuntime = field(default_factory=FakeRuntime)
    database: FakeDatabase = field(default_factory=FakeDatabase)
    virtual_ip: FakeLink = field(default_factory=FakeLink)
    links: dict[str, FakeLink] = field(default_factory=dict)
    packet_filter: FakePacketFilter = field(default_factory=FakePacketFilter)
    log_disks: FakeLogDisks = field(default_factory=FakeLogDisks)
    scales: Scales = field(default_factory=scales.Nothing)
    blunt: bool = False  # probes see nothing of what is done to links, and a crowd is none
    generator: FakeGenerator | None = None
    crowds: list[FakeCrowd] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    not_permitted: str | None = None  # why threads cannot be dumped
    broken: FacilityError | None = None  # raised in place of a facility

    def __post_init__(self) -> None:
        see_modelled("an application server", self.settings.application_server, server.NOT_MODELLED)
        see_modelled("a caller", self.settings.caller, caller.NOT_MODELLED)

    def begin(self) -> None:
        """Note it; there is nothing to be gained."""
        self.calls.append("begin")

    async def build(self) -> Facility:
        """Start every service and return when all are ready."""
        self.calls.append("build")
        self.runtime.make = self._make
        self.links = {name: FakeLink(name) for name in self.plan.links}
        facility = Facility(
            self.runtime,
            self.database,
            self.virtual_ip,
            self.plan.server_names,
            self.plan.callers,
            Instruments(lambda: FakeMonitoring(self.runtime), self._connect, self._dump, self._probe, self._gather),
            links=dict(self.links),
            packet_filter=self.packet_filter,
            scales=self.scales,
            log_disks=self.log_disks,
        )
        if self.broken is not None:
            raise self.broken
        await facility.start(ServiceSpec(name, "fake") for name in (*facility.services, LOAD))
        await facility.wait_ready(facility.services)
        return facility

    async def _gather(self, runtime: Runtime, order: Order) -> FakeCrowd:  # noqa: ARG002 - the protocol's signature
        self.crowds.append(FakeCrowd(order, self.blunt))
        return self.crowds[-1]

    def _probe(self, link: str, address: Address, question: Question) -> FakeProbe:  # noqa: ARG002 - the protocol's signature
        known = self.virtual_ip if link == DATABASE else self.links.get(link, FakeLink())
        return FakeProbe(known, question, link in self.packet_filter.dropped, self.blunt)

    def _make(self, name: str) -> FakeService | None:
        if name in self.plan.server_names:
            return FakeServer(name, self.plan, self.settings.application_server, self.database, self.virtual_ip)
        if name in self.plan.callers:
            servers = servers_of(self.plan, self.settings.facility)[name]
            return FakeCaller(name, self.plan, self.settings.caller, servers, self.runtime.service)
        return None

    async def _connect(self, requests: Sequence[DueRequest], generator: Address, callers: Mapping[str, Address]) -> FakeGenerator:  # noqa: ARG002
        self.generator = FakeGenerator(self.runtime, requests)
        return self.generator

    async def _dump(self, service: str, pid: int, file: Path) -> tuple[ThreadGroup, ...]:  # noqa: ARG002 - no file: there is nothing to keep
        groups = self.runtime.service(service).groups()
        await asyncio.sleep(DUMP_S)
        if self.not_permitted is not None:
            raise DumpError(self.not_permitted)
        return groups

    async def tear_down(self) -> None:
        """End every service."""
        self.calls.append("tear_down")
        for service in self.runtime.services.values():
            if service is not None:
                service.die()
