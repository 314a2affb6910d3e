"""The two hosts as containers, from the compose file."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from testbed.concurrency import wait_until
from testbed.facility.runtime import ServiceSpec
from testbed.plan.topology import HOSTS
from testbed.runtime.containers.backend import ContainersBackend
from testbed.runtime.containers.project import read_credentials
from testbed.runtime.containers.runtime import Containers
from testbed.runtime.containers.services import PORT as DATABASE_PORT
from testbed.runtime.containers.services import SERVICE_PORT, authorization
from testbed.runtime.credentials import Credentials
from tests.pair.as_administrator import run_inside
from tests.pair.hosts import POLL_S, WITHIN_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testbed.facility.address import Address
    from tests.pair.hosts import Hosts

PROXY = "toxiproxy"
# Prints the servers of a container: processes of PostgreSQL that still run, and that no other process of PostgreSQL started.
SERVERS = r"""
import pathlib
found = {}
for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
    try:
        pid, _, rest = stat.read_text().partition(" (")
    except OSError:
        continue
    name, _, rest = rest.rpartition(") ")
    if name == "postgres" and rest[0] != "Z":
        found[pid] = rest.split()[1]
print(*(pid for pid, parent in found.items() if parent not in found))
"""
KILL_SERVER = "kill -9 $(head -n 1 /array/array/postmaster.pid)"
FORGE = "rm /array/{old}/mnt && mkdir -p /array/{new} && ln -s /array/array /array/{new}/mnt"


@dataclass(slots=True)
class HostsInContainers:
    """Two containers with one volume."""

    runtime: Containers
    credentials: Credentials

    @property
    def address(self) -> Address:
        """The address at which the virtual IP is published."""
        return self.runtime.published(PROXY, DATABASE_PORT)

    async def run_step(self, host: str, step: str) -> str:
        """Post it to the host's control; a host that starts also takes the virtual IP."""

        def post(word: str) -> str:
            url = f"{self.runtime.published(host, SERVICE_PORT).url}/{word}"
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(url, headers={"Authorization": authorization(self.credentials)}, timeout=WITHIN_S)
                return "" if answer.ok else str(answer.json()["error"])

        refusal = await asyncio.to_thread(post, step)
        return refusal or (await asyncio.to_thread(post, "virtual-ip") if step == "start" else "")

    async def servers(self) -> dict[str, int]:
        """Count them in both containers."""
        outputs = await asyncio.gather(*(self._run_in(host, "python", "-c", SERVERS) for host in HOSTS))
        return {host: len(out.split()) for host, out in zip(HOSTS, outputs, strict=True)}

    async def forge(self, old: str, new: str) -> None:
        """Move the link on the volume."""
        await self._run_in(new, "sh", "-c", FORGE.format(old=old, new=new))

    async def kill_server(self, host: str) -> None:
        """Kill it from inside its container."""
        await self._run_in(host, "sh", "-c", KILL_SERVER)

    async def kill_host(self, host: str) -> None:
        """Kill the container."""
        await self.runtime.kill(host)

    async def revive(self, host: str) -> None:
        """Start the container, and wait for its health."""
        await self.runtime.start(ServiceSpec(host, ""))
        await self.wait_ready(host)

    async def wait_ready(self, host: str) -> None:
        """Wait until a host is ready; raises WaitError when that takes too long."""

        async def look() -> str | None:
            try:
                answer = await asyncio.to_thread(requests.get, f"{self.runtime.address(host).url}/health", timeout=WITHIN_S)
            except requests.RequestException as error:
                return str(error)
            return None if answer.ok else answer.text

        await wait_until(f"{host} was not ready", look, WITHIN_S, every_s=POLL_S)

    async def run(self, host: str, program: str, *arguments: str) -> str:
        """Run it in the container."""
        words = (word.format(data="/array/array", host="127.0.0.1", port=DATABASE_PORT) for word in arguments)
        return await run_inside(self.runtime, host, program, *words, within_s=WITHIN_S)

    async def _run_in(self, host: str, *command: str) -> str:
        return await self.runtime.run_in(host, *command, within_s=WITHIN_S)


@asynccontextmanager
async def in_containers() -> AsyncIterator[Hosts]:
    """Yield two hosts with a volume and a virtual IP; the server of the first runs."""
    async with ContainersBackend() as backend:
        runtime = backend.containers(f"testbed-{os.getpid()}-array")
        try:
            await asyncio.to_thread(runtime.up, (*HOSTS, PROXY), {})
            hosts = HostsInContainers(runtime, Credentials(runtime.directory / "array-credentials"))
            for host in HOSTS:
                await hosts.wait_ready(host)
            await read_credentials(runtime, hosts.credentials)
            yield hosts
        finally:
            await asyncio.to_thread(runtime.remove)
