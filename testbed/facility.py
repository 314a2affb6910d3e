"""A facility: the services of a scenario in one variant, how they know each other, and in which order they come up."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from testbed.errors import ProxyError, ServiceError
from testbed.load import Connect, connect_over_tcp
from testbed.observe.dump import Dump, dump_with_py_spy
from testbed.observe.samples import HttpMonitoring, Monitoring
from testbed.runtime import Address, Runtime, ServiceSpec
from testbed.surroundings import Nothing, Surroundings
from testbed.toxiproxy import FaultProxyClient

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from testbed.load import DueRequest, Generator

READY_WITHIN_S = 30.0
POLL_S = 0.02
FAULT_PROXY = "toxiproxy"
LOAD = "load"
UNPOINTED = "127.0.0.1:1"  # nobody listens at tcpmux's port: until the database is up, the virtual IP belongs to no host


class Database(Protocol):
    """The database pair, as faults know it; the steps of a switchover are its methods (C4)."""

    active: str

    @property
    def standby(self) -> str:
        """The host that could take over."""

    def mount(self, host: str) -> None:
        """Mount the array on a host."""

    def unmount(self, host: str) -> None:
        """Take the array from a host."""

    async def start_server(self, host: str) -> Address:
        """Start the server of a host on the array mounted there; give its own address."""

    async def stop_server(self) -> None:
        """Stop the server that runs, by the book."""

    async def throw_away(self) -> None:
        """End the server at once: its data is not wanted any more."""


class Link(Protocol):
    """The application servers' link to the database, as faults know it."""

    async def point(self, host: Address) -> None:
        """Let it lead to a host; connections that go over it are dropped."""

    async def add_toxic(self, kind: str, attributes: Mapping[str, int]) -> None:
        """Put a toxic, by its word, on what comes from the database."""


@dataclass(slots=True)
class VirtualIP:
    """The one address by which application servers reach the database: a proxy whose upstream can be moved (C5).

    The proxy's server may be somebody else's and serve others too; `name` is ours alone.
    """

    client: FaultProxyClient
    name: str
    address: Address | None = None

    async def create(self) -> Address:
        """Make the proxy, pointing nowhere yet, and give the virtual IP."""
        proxy = await asyncio.to_thread(self.client.create, self.name, UNPOINTED, "127.0.0.1:0")
        self.address = Address.parse(proxy.listen)
        return self.address

    async def point(self, host: Address) -> None:
        """Give the virtual IP to a host."""
        await asyncio.to_thread(self.client.point, self.name, str(host))

    async def add_toxic(self, kind: str, attributes: Mapping[str, int]) -> None:
        """Put a toxic on what comes from the database."""
        await asyncio.to_thread(self.client.add_toxic, self.name, kind, dict(attributes))

    async def delete(self) -> None:
        """Remove the proxy; nothing happens when its server is gone already."""
        try:
            await asyncio.to_thread(self.client.delete, self.name)
        except ProxyError:
            return


@dataclass(slots=True)
class Facility:
    """The services of one variant on a runtime.

    `application_servers` and `callers`: their names, in the order in which they are taken. `monitoring`, `connect` and `dump` are how it
    is looked at, how load is sent to it, and how its threads are dumped: by real means unless told otherwise. `surroundings`: what stands
    around the services, where the runtime has it.
    """

    runtime: Runtime
    database: Database
    virtual_ip: Link
    application_servers: tuple[str, ...]
    callers: tuple[str, ...]
    specs: dict[str, ServiceSpec] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)  # killed on purpose, and not started again
    monitoring: Callable[[], AbstractAsyncContextManager[Monitoring]] = HttpMonitoring
    connect: Connect = connect_over_tcp
    dump: Dump = dump_with_py_spy
    surroundings: Surroundings = field(default_factory=Nothing)
    at_work_on: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    @property
    def services(self) -> tuple[str, ...]:
        """Every service that has request threads and monitoring."""
        return (*self.application_servers, *self.callers)

    def start(self, specs: Iterable[ServiceSpec]) -> None:
        """Start services and remember how, for `restart`."""
        for spec in specs:
            self.specs[spec.name] = spec
            self.runtime.start(spec)

    async def kill(self, name: str) -> None:
        """Kill a service on purpose, so that nobody takes it for one that died by itself."""
        self.down.add(name)
        await self.runtime.kill(name)

    async def restart(self, name: str) -> None:
        """Kill a service, as one must when its threads hang, and start it as before."""
        await self.kill(name)
        self.runtime.start(self.specs[name])
        self.down.discard(name)

    async def load_generator(self, requests: Sequence[DueRequest]) -> Generator:
        """Give the load generator, with its requests in hand and ready to send them to the callers; raises ServiceError when it is not."""
        return await self.connect(requests, self.runtime.address(LOAD), {caller: self.runtime.address(caller) for caller in self.callers})

    async def wait_ready(self, names: Iterable[str], within_s: float = READY_WITHIN_S) -> None:
        """Wait until each named service's health check is green.

        Raises ServiceError with the last lines of a service that ended, or of one that is not ready in time.
        """
        async with self.monitoring() as monitoring:
            await together(self._wait_ready(monitoring, name, within_s) for name in names)

    async def _wait_ready(self, monitoring: Monitoring, name: str, within_s: float) -> None:
        """Ask for health until it is green, and look after the process meanwhile."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        asked = asyncio.create_task(monitoring.health(name, self.runtime.address(name)))
        seen = "no answer"
        try:
            while True:
                done, _ = await asyncio.wait({asked}, timeout=POLL_S)
                if done:
                    seen = asked.result()
                    if seen == "200":
                        return
                    await asyncio.sleep(POLL_S)
                    asked = asyncio.create_task(monitoring.health(name, self.runtime.address(name)))
                ended = self.runtime.exit(name)
                if ended is not None:
                    raise ServiceError(f"{name} ended with exit code {ended.code} before it was ready:\n{ended.last_lines}")
                if loop.time() > deadline:
                    raise ServiceError(
                        f"{name} was not ready within {within_s:.0f} s, last seen: {seen}; its last lines:\n{self.runtime.logs(name)}"
                    )
        finally:
            asked.cancel()


async def together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do things all at once. The first failure ends the others and is raised as itself: nobody further up looks into groups."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures
