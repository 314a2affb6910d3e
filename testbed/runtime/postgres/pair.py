"""The database pair of the processes runtime: two hosts, one array, one server at a time (C2, C4)."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.plan.topology import HOSTS
from testbed.runtime import shared_memory
from testbed.runtime.credentials import ADMINISTRATOR, SERVICES
from testbed.runtime.postgres import sql
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.held_ports import HeldPorts
from testbed.runtime.postgres.server import STOP_WITHIN_S, start_server

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.facility.address import Address
    from testbed.facility.database import FlightsTable
    from testbed.runtime.credentials import Credentials
    from testbed.runtime.postgres.programs import Programs
    from testbed.runtime.postgres.server import Server
    from testbed.runtime.run_directory import RunDirectory


LIMIT_WITHIN_S = 20.0


@dataclass(slots=True)
class DatabasePair:
    """`db-1` and `db-2` over one array. `active` is the host whose server runs, or ran last.

    `addresses`: the own address of each host, as far as it is known: where its server runs or ran last, or will run (`reserve`).
    """

    run: RunDirectory
    programs: Programs
    array: Array
    logs: Path
    max_connections: int
    credentials: Credentials
    active: str = HOSTS[0]
    server: Server | None = None
    ports: HeldPorts = field(default_factory=HeldPorts)
    addresses: dict[str, Address] = field(default_factory=dict)
    reserved: set[str] = field(default_factory=set)

    @property
    def flights(self) -> FlightsTable:
        """The table of flights, as the services log in."""
        return sql.FlightsInPostgres(self.credentials.login(SERVICES))

    @property
    def standby(self) -> str:
        """The host that could take over."""
        return next(host for host in HOSTS if host != self.active)

    async def mount(self, host: str) -> None:
        """Mount the array on a host; raises ArrayError when another has it."""
        self.array.mount(host)

    async def unmount(self, host: str) -> None:
        """Unmount the array on a host; raises ArrayError when a server still runs on it."""
        self.array.unmount(host)

    def reserve(self, host: str) -> Address:
        """Return the own address of a host, at which every server of it will listen; its port is ours before the first does."""
        self.addresses[host] = self.ports.find()
        self.reserved.add(host)
        return self.addresses[host]

    async def start_server(self, host: str) -> Address:
        """Start the server of a host on the array mounted there; return its own address once it accepts connections."""
        log, listen = self.logs / f"{host}.log", self.addresses[host] if host in self.reserved else None
        if listen is not None:
            self.ports.open(listen)
        self.server = await start_server(self.programs, self.array, host, self.max_connections, log, listen=listen, ports=self.ports)
        self.active, self.addresses[host] = host, self.server.address
        self.run.note_pid(self.server.child.process.pid)
        return self.server.address

    async def limit_services(self) -> None:
        """Let the services' role have `max_connections` and no more, from now on: the array keeps it. Raises ServiceError."""
        assert self.server is not None
        administrator = self.credentials.login(ADMINISTRATOR)
        await sql.limit_connections(self.server.address, administrator, SERVICES, self.max_connections, LIMIT_WITHIN_S)

    async def stop_server(self) -> None:
        """Stop the server in order; raises FacilityError when none runs."""
        if self.server is None:
            raise FacilityError(f"no database server runs on {self.active}")
        server, self.server = self.server, None
        await server.stop()

    async def throw_away(self) -> None:
        """End the server at once: its data is no longer needed.

        Where it was killed, wait for its last processes, and remove the shared memory that it could not remove. Its ports are anybody's
        from then on.
        """
        self.ports.release()
        if self.server is not None:
            server, self.server = self.server, None
            await server.child.end(signal.SIGQUIT, STOP_WITHIN_S)
        await self.array.wait_free(STOP_WITHIN_S)
        shared_memory.remove_segment_of(self.array.data / "postmaster.pid")
