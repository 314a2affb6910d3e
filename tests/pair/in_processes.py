"""The two hosts as two names of this machine."""

from __future__ import annotations

import socket
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from testbed.errors import FacilityError, TestbedError
from testbed.facility.address import Address
from testbed.plan.topology import HOSTS
from testbed.runtime import run_directory
from testbed.runtime.credentials import Credentials
from testbed.runtime.postgres import held_ports, prepared, server
from testbed.runtime.postgres.programs import find_programs
from tests.pair.as_administrator import run_here
from tests.pair.hosts import WITHIN_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testbed.runtime.postgres.array import Array
    from testbed.runtime.postgres.programs import Programs
    from testbed.runtime.postgres.server import Server
    from testbed.runtime.run_directory import RunDirectory
    from tests.pair.hosts import Hosts

MAX_CONNECTIONS = 10


@dataclass(slots=True)
class HostsInProcesses:
    """Two names of this machine, and one directory; only their servers are processes."""

    directory: RunDirectory
    programs: Programs
    array: Array
    found_at: Address
    credentials: Credentials
    running: dict[str, Server] = field(default_factory=dict)

    @property
    def address(self) -> Address:
        """The same port, whichever host's server has it."""
        return self.found_at

    async def run_step(self, host: str, step: str) -> str:
        """Run it in this process."""
        try:
            match step:
                case "mount":
                    self.array.mount(host)
                case "unmount":
                    self.array.unmount(host)
                case "release":
                    self.array.unmount(self.array.mounted_on() or host)
                case "start":
                    log = self.directory.path / f"{host}.log"
                    started = await server.start_server(self.programs, self.array, host, MAX_CONNECTIONS, log, listen=self.found_at)
                    await self._wait_gone(host)  # its last server may have been killed in the moment in which it became ready
                    self.running[host] = started
                case _:
                    await self.running.pop(host).stop()
        except TestbedError as error:
            return str(error)
        return ""

    def _find(self) -> list[tuple[str, psutil.Process]]:
        """Return the servers of this array, by the mount on their command line, from their first moment on; not what they fork."""
        mounts = {str(self.array.mount_of(host)): host for host in HOSTS}
        found = {
            process.pid: (mounts[word], process)
            for process in psutil.process_iter(["cmdline", "ppid"])
            for word in process.info["cmdline"] or ()
            if word in mounts
        }
        return [(host, process) for host, process in found.values() if process.info["ppid"] not in found]

    async def servers(self) -> dict[str, int]:
        """Count them among the processes of this machine."""
        counts = Counter(host for host, _ in self._find())
        return {host: counts[host] for host in HOSTS}

    async def forge(self, old: str, new: str) -> None:
        """Move the link."""
        self.array.mount_of(new).parent.mkdir(exist_ok=True)
        self.array.mount_of(old).rename(self.array.mount_of(new))

    async def kill_server(self, host: str) -> None:
        """Kill it, also when it has only begun to start."""
        for name, process in self._find():
            if name == host:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        await self._wait_gone(host)

    async def _wait_gone(self, host: str) -> None:
        """Wait for the end of a server that was killed, if there was one."""
        if host in self.running:
            assert await self.running.pop(host).child.wait_exit(WITHIN_S)

    async def kill_host(self, host: str) -> None:
        """Kill its server: nothing else runs on it."""
        await self.kill_server(host)

    async def revive(self, host: str) -> None:
        """Do nothing: a name has no start of its own."""

    async def run(self, host: str, program: str, *arguments: str) -> str:  # noqa: ARG002 - all hosts are this machine
        """Run it here."""
        words = [word.format(data=self.array.data, host=self.address.host, port=self.address.port) for word in arguments]
        return await run_here(self.programs, self.credentials, program, *words, within_s=WITHIN_S)


@asynccontextmanager
async def in_processes() -> AsyncIterator[Hosts]:
    """Yield two hosts with a directory; the server of the first runs."""
    directory = run_directory.create_run_directory()
    try:
        programs = find_programs(None, directory.path)
        credentials = Credentials(directory.path / "credentials")
        credentials.make()
        array = prepared.copy_array(programs, await prepared.prepare_array(directory, programs, credentials), directory.path / "one")
        with socket.create_server((held_ports.HOST, 0)) as probe:
            address = Address(*probe.getsockname())
        hosts = HostsInProcesses(directory, programs, array, address, credentials)
        for step in ("mount", "start"):
            refusal = await hosts.run_step(HOSTS[0], step)
            if refusal:
                raise FacilityError(refusal)
        try:
            yield hosts
        finally:
            for host in HOSTS:
                await hosts.kill_server(host)
            await array.wait_free(WITHIN_S)
    finally:
        directory.remove()
