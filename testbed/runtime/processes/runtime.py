"""The processes runtime: the facility's services as child processes on loopback. It needs only Python."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.concurrency import shield
from testbed.errors import ServiceError
from testbed.facility.address import Address
from testbed.facility.runtime import Exit, Runtime, ServiceSpec
from testbed.runtime.child import Child
from testbed.runtime.processes import foreign
from testbed.runtime.processes.fork_client import STOP_WITHIN_S, ForkServer

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.runtime.run_directory import RunDirectory


HOST = "127.0.0.1"
BACKLOG = 512
CAPABILITIES = frozenset({"processes", "links", "heartbeats"})


@dataclass(slots=True)
class Processes(Runtime):
    """Services as child processes; `directory` (removed by its owner) takes their logs."""

    run: RunDirectory
    directory: Path
    fork_server: ForkServer
    capabilities: frozenset[str] = CAPABILITIES
    _children: dict[str, Child] = field(default_factory=dict)
    _sockets: dict[str, socket.socket] = field(default_factory=dict)
    _addresses: dict[str, Address] = field(default_factory=dict)
    _held: dict[str, socket.socket] = field(default_factory=dict)

    def reserve(self, name: str) -> Address:
        """Bind and listen for the service: on a free port at first, on the same port when it starts again."""
        wanted = self._addresses.get(name, Address(HOST, 0))
        try:
            listener = socket.create_server((wanted.host, wanted.port), backlog=BACKLOG)
        except OSError as error:
            problem = os.strerror(error.errno or 0)
            raise ServiceError(f"{name} cannot listen at {wanted}: {problem}; end the process that listens there") from error
        self._addresses[name] = Address(HOST, listener.getsockname()[1])
        self._sockets[name] = listener
        return self._addresses[name]

    def reserve_port(self, name: str, *, held: bool = True) -> Address:
        """Return the address of a program that listens by itself: another one at each call.

        A socket that never listens is bound to it, so that nobody else can have it; a program that binds as most do (SO_REUSEADDR) can all
        the same. Without `held` there is none, for one that does not.
        """
        if name in self._held:
            self._held.pop(name).close()
        holder = socket.socket()
        holder.bind((HOST, 0))
        self._addresses[name] = Address(HOST, holder.getsockname()[1])
        if held and sys.platform == "linux":
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._held[name] = holder
        else:
            holder.close()
        return self._addresses[name]

    async def start(self, spec: ServiceSpec) -> None:
        """Start the service with its listening socket; ours is closed, so that the port dies with the service."""
        if spec.command:
            log = self.directory / f"{spec.name}.log"
            process = foreign.start(spec, log)
            self._children[spec.name] = Child(spec.name, process, log)
            self.run.note_pid(process.keeper.pid)
            self.run.note_pid(process.pid)
            return
        if spec.name not in self._sockets:
            self.reserve(spec.name)
        await shield(self._start(spec, self._sockets.pop(spec.name)))  # cancelled, it would leave a process that is not in `_children`

    async def _start(self, spec: ServiceSpec, listener: socket.socket) -> None:
        with listener:
            log = self.directory / f"{spec.name}.log"
            process = await asyncio.to_thread(self.fork_server.fork, spec, listener, log)
        self._children[spec.name] = Child(spec.name, process, log)
        self.run.note_pid(process.pid)

    async def stop(self, name: str) -> None:
        """End the service with SIGTERM, and with SIGKILL when that takes too long."""
        await self._child(name).end(signal.SIGTERM, STOP_WITHIN_S)

    async def kill(self, name: str) -> None:
        """End the service with SIGKILL."""
        await self._child(name).end(signal.SIGKILL, STOP_WITHIN_S)

    async def stop_all(self) -> None:
        """Kill every service."""
        for child in self._children.values():
            child.signal(signal.SIGKILL)
        for child in self._children.values():
            await child.end(signal.SIGKILL, STOP_WITHIN_S)
        for listener in self._sockets.values():
            listener.close()
        self._sockets.clear()
        while self._held:
            self._held.popitem()[1].close()

    async def pause(self, name: str) -> None:
        """Stop the process with SIGSTOP."""
        self._child(name).signal(signal.SIGSTOP)

    async def resume(self, name: str) -> None:
        """Resume the process with SIGCONT."""
        self._child(name).signal(signal.SIGCONT)

    async def is_paused(self, name: str) -> bool:
        """Return whether the system says that the process is stopped."""
        return self._child(name).is_stopped

    def address(self, name: str) -> Address:
        """Return the loopback address of the service."""
        if name not in self._addresses:
            raise ServiceError(f"no service {name}; there are {', '.join(sorted(self._addresses)) or 'none'}")
        return self._addresses[name]

    async def logs(self, name: str) -> str:
        """Return the last lines of the service."""
        return self._child(name).last_lines()

    async def pid(self, name: str) -> int | None:
        """Return the process id of the service; None when it has ended."""
        return self._child(name).pid

    async def exit(self, name: str) -> Exit | None:
        """Return how the service ended; None while it runs."""
        child = self._child(name)
        code = child.process.poll()
        return None if code is None else Exit(code, child.last_lines())

    def find(self, name: str) -> Child | None:
        """Return the process of a service; None if it was never started here."""
        return self._children.get(name)

    def _child(self, name: str) -> Child:
        if name not in self._children:
            raise ServiceError(f"no service {name} was started; there are {', '.join(sorted(self._children)) or 'none'}")
        return self._children[name]
