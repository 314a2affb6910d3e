"""The processes runtime: the facility's services as child processes on loopback. It needs nothing but Python."""

from __future__ import annotations

import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.errors import ServiceError
from testbed.runtime import Address, Exit, Runtime, ServiceSpec
from testbed.runtime.child import Child, spawn

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.runtime.rundir import RunDirectory

HOST = "127.0.0.1"
STOP_WITHIN_S = 5.0
BACKLOG = 512
FD = "{fd}"


@dataclass(slots=True)
class Processes(Runtime):
    """Services as child processes; `directory` (removed by its owner) takes their logs."""

    run: RunDirectory
    directory: Path
    capabilities: frozenset[str] = frozenset({"processes"})
    _children: dict[str, Child] = field(default_factory=dict)
    _sockets: dict[str, socket.socket] = field(default_factory=dict)
    _addresses: dict[str, Address] = field(default_factory=dict)

    def reserve(self, name: str) -> Address:
        """Bind and listen for the service: on a free port at first, on the same one when it comes back."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wanted = self._addresses.get(name, Address(HOST, 0))
        try:
            listener.bind((wanted.host, wanted.port))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            raise ServiceError(f"{name} cannot listen at {wanted}: {error.strerror}; end the process that listens there") from error
        self._addresses[name] = Address(HOST, listener.getsockname()[1])
        self._sockets[name] = listener
        return self._addresses[name]

    def start(self, spec: ServiceSpec) -> None:
        """Start the service with its listening socket; ours is closed, so that the port dies with the service."""
        if spec.name not in self._sockets:
            self.reserve(spec.name)
        with self._sockets.pop(spec.name) as listener:
            fd = listener.fileno()
            child = spawn(
                spec.name,
                [sys.executable, "-m", spec.module, *(word.replace(FD, str(fd)) for word in spec.arguments)],
                self.directory / f"{spec.name}.log",
                environment={name: value.replace(FD, str(fd)) for name, value in spec.environment},
                pass_fds=(fd,),
            )
        self.run.note_pid(child.process.pid)
        self._children[spec.name] = child

    async def stop(self, name: str) -> None:
        """End the service with SIGTERM, and with SIGKILL when that does not do it."""
        await self._child(name).end(signal.SIGTERM, STOP_WITHIN_S)

    async def kill(self, name: str) -> None:
        """End the service with SIGKILL."""
        await self._child(name).end(signal.SIGKILL, STOP_WITHIN_S)

    async def stop_all(self) -> None:
        """Kill every service: nothing of them is wanted any more."""
        for child in self._children.values():
            child.signal(signal.SIGKILL)
        for child in self._children.values():
            await child.end(signal.SIGKILL, STOP_WITHIN_S)
        for listener in self._sockets.values():
            listener.close()
        self._sockets.clear()

    def pause(self, name: str) -> None:
        """Stop the process with SIGSTOP."""
        self._child(name).signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let the process go on with SIGCONT."""
        self._child(name).signal(signal.SIGCONT)

    def address(self, name: str) -> Address:
        """Give the loopback address of the service."""
        if name not in self._addresses:
            raise ServiceError(f"no service {name}; there are {', '.join(sorted(self._addresses)) or 'none'}")
        return self._addresses[name]

    def logs(self, name: str) -> str:
        """Give the last lines of the service."""
        return self._child(name).last_lines()

    def pid(self, name: str) -> int | None:
        """Give the process id of the service."""
        return self._child(name).pid

    def exit(self, name: str) -> Exit | None:
        """Tell how the service ended."""
        child = self._child(name)
        code = child.process.poll()
        return None if code is None else Exit(code, child.last_lines())

    def _child(self, name: str) -> Child:
        if name not in self._children:
            raise ServiceError(f"no service {name} was started; there are {', '.join(sorted(self._children)) or 'none'}")
        return self._children[name]
