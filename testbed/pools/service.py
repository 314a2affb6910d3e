"""A service that runs, and how it is asked: over HTTP, as its users do."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from testbed.concurrency import cancel_and_wait, shield, wait_until
from testbed.errors import ServiceError, WaitError
from testbed.pools.cell import Answer, PoolLook
from testbed.runtime.child import Child, environment, launched
from testbed.runtime.postgres.held_ports import HOST, HeldPorts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

READY_WITHIN_S, LOOK_WITHIN_S, END_WITHIN_S, POLL_S = 180.0, 2.0, 10.0, 0.05
PORT_TRIES = 5
IN_USE = "in use"
LONGEST_ERROR = 160


@dataclass(slots=True)
class Service:
    """A process, and what is asked of it: each request is a task, which ends with the answer."""

    child: Child
    url: str
    client: aiohttp.ClientSession
    asked: list[tuple[float, asyncio.Task[Answer]]] = field(default_factory=list)

    def ask(self, hold_s: float = 0.0) -> asyncio.Task[Answer]:
        """Send a request for a lookup that holds its connection for a while."""
        task = asyncio.create_task(self._ask(hold_s))
        self.asked.append((asyncio.get_running_loop().time(), task))
        return task

    async def _ask(self, hold_s: float) -> Answer:
        loop = asyncio.get_running_loop()
        sent_s = loop.time()
        try:
            async with self.client.get(f"{self.url}/flights", params={"hold_s": f"{hold_s:g}"}) as response:
                told = await response.json(content_type=None)
                status = response.status
        except (aiohttp.ClientError, OSError, ValueError) as error:
            status, told = 0, {"error": f"{type(error).__name__}: {error}"}
        return Answer(sent_s, loop.time() - sent_s, status, told.get("pid"), str(told.get("error", ""))[:LONGEST_ERROR])

    def answer(self, number: int) -> Answer:
        """Return what became of a request; one that has not ended has no status."""
        sent_s, task = self.asked[number]
        if task.done() and not task.cancelled():
            return task.result()
        return Answer(sent_s, asyncio.get_running_loop().time() - sent_s, None)

    async def look(self) -> PoolLook | None:
        """Return what it tells of its pool; None when it does not answer."""
        told = await self._get("/pool")
        return None if told is None else PoolLook(told.get("size"), told.get("out"), told.get("waiting"))

    async def wait_ready(self) -> None:
        """Wait until it serves; raises ServiceError with its last lines when it has ended, or does not in time."""

        async def look() -> str | None:
            if self.child.pid is None:
                raise ServiceError(f"{self.child.name} ended with {self.child.ending} before it was ready:\n{self.child.last_lines()}")
            return None if await self._get("/health") is not None else "no answer"

        try:
            await wait_until(f"{self.child.name} was not ready", look, READY_WITHIN_S, every_s=POLL_S)
        except WaitError as error:
            raise ServiceError(f"{error}; its last lines:\n{self.child.last_lines()}") from error

    async def _get(self, path: str) -> dict[str, Any] | None:
        try:
            async with self.client.get(self.url + path, timeout=aiohttp.ClientTimeout(total=LOOK_WITHIN_S)) as response:
                told = await response.json(content_type=None)
        except (aiohttp.ClientError, OSError, ValueError):  # a TimeoutError is an OSError
            return None
        return told if isinstance(told, dict) else None

    async def end(self) -> None:
        """Give up what is under way, and kill the process: hanging requests allow no orderly end."""
        await cancel_and_wait([task for _, task in self.asked])
        await self.child.end(signal.SIGKILL, END_WITHIN_S)


@asynccontextmanager
async def running(name: str, command: list[str], variables: Mapping[str, str], log: Path) -> AsyncIterator[Service]:
    """Yield a service that serves, and end it; raises ServiceError when it does not start."""
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True), timeout=timeout) as client:
        service = await _start(name, command, variables, log, client)
        try:
            yield service
        finally:
            await shield(service.end())


async def _start(name: str, command: list[str], variables: Mapping[str, str], log: Path, client: aiohttp.ClientSession) -> Service:
    """Start it at a free port, and again at another one where somebody else has that by then."""
    told = environment()
    told.pop("PGREQUIREAUTH")  # what stands in front of the database may ask for no password
    for attempt in range(1, PORT_TRIES + 1):
        ports = HeldPorts()
        port = ports.find().port
        ports.release()
        with log.open("ab") as lines:
            process = subprocess.Popen(  # noqa: ASYNC220 - as for every child: it has to be this thread that forks
                launched(command, owner=None),
                stdin=subprocess.DEVNULL,
                stdout=lines,
                stderr=lines,
                env={**told, **variables, "PORT": str(port)},
                start_new_session=True,
            )
        service = Service(Child(name, process, log), f"http://{HOST}:{port}", client)
        try:
            await service.wait_ready()
        except BaseException as error:
            await shield(service.end())
            if attempt < PORT_TRIES and isinstance(error, ServiceError) and IN_USE in str(error).lower():
                os.truncate(log, 0)
                continue
            raise
        return service
    raise AssertionError("the last attempt returns or raises")
