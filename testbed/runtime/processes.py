"""The processes runtime: the facility's services as child processes on loopback. It needs nothing but Python."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from testbed.errors import ServiceError
from testbed.runtime import Address, Exit, Runtime, ServiceSpec
from testbed.runtime.child import Child, python, spawn

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.runtime.rundir import RunDirectory

HOST = "127.0.0.1"
STOP_WITHIN_S = 5.0
BACKLOG = 512
CAPABILITIES = frozenset({"processes", "links"})
NURSERY_MODULE = "testbed.runtime.nursery"
ANSWER_WITHIN_S = 20.0  # its imports come first
HEAR_BYTES = 1 << 16


@dataclass(eq=False, slots=True)
class Born:
    """A process that the nursery forked."""

    nursery: Nursery
    pid: int

    def poll(self) -> int | None:
        """Give the exit code as the nursery told it; None while it runs."""
        return self.nursery.exit_code(self.pid)

    def send_signal(self, sig: int, /) -> None:
        """Send a signal; nothing happens when it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)


class Nursery:
    """The testbed's side of the nursery (nursery.py): orders services there, and hears when they end.

    Raises ServiceError with the nursery's last lines when it is gone.
    """

    def __init__(self, run: RunDirectory, modules: tuple[str, ...]) -> None:
        try:
            self._control, theirs = socket.socketpair()
        except OSError as error:
            raise ServiceError(f"the nursery cannot be started: {error.strerror}") from error
        self._heard = b""
        self._codes: dict[int, int] = {}
        self._ordering = threading.Lock()
        try:
            with theirs:
                fd = theirs.fileno()
                self._child = spawn("nursery", python(NURSERY_MODULE, str(fd), *modules), run.path / "nursery.log", pass_fds=(fd,))
        except ServiceError:
            self._control.close()
            raise

    @property
    def pid(self) -> int:
        """The process id that it has, or had."""
        return self._child.process.pid

    def order(self, spec: ServiceSpec, listener: socket.socket, log: Path) -> Born:
        """Have a service forked, with its listening socket."""
        wanted = {
            "module": spec.module,
            "arguments": spec.arguments,
            "environment": dict(spec.environment),
            "log": str(log.absolute()),
        }
        line = json.dumps(wanted).encode() + b"\n"
        try:
            with self._ordering:
                self._control.settimeout(ANSWER_WITHIN_S)
                self._control.sendall(line[socket.send_fds(self._control, [line], [listener.fileno()]) :])
                answer = self._wait_answer()
        except OSError as error:
            what = f"does not answer within {ANSWER_WITHIN_S:.0f} s" if isinstance(error, TimeoutError) else "is gone"
            raise ServiceError(f"{spec.name} cannot be started: the nursery {what}\n{self._child.last_lines()}") from error
        if "refused" in answer:
            raise ServiceError(f"{spec.name} cannot be started: {answer['refused']}; is the number of processes limited (ulimit -u)?")
        return Born(self, answer["born"])

    def _wait_answer(self) -> dict[str, Any]:
        while True:
            for told in self._hear():
                if "dead" not in told:
                    return told

    def exit_code(self, pid: int) -> int | None:
        """Give the exit code of a service; None while it runs."""
        self._control.setblocking(False)
        with suppress(OSError):  # nothing to hear, or nobody to hear
            while True:
                self._hear()
        return self._codes.get(pid, self._child.process.poll())  # without its nursery, a service is gone as well

    def _hear(self) -> list[dict[str, Any]]:
        """Hear what it says, and keep how services ended; raises OSError when there is nothing to hear, or it is gone."""
        said = self._control.recv(HEAR_BYTES)
        if not said:
            raise ConnectionResetError
        *lines, self._heard = (self._heard + said).split(b"\n")
        told = [json.loads(line) for line in lines]
        self._codes.update({one["dead"]: one["code"] for one in told if "dead" in one})
        return told

    async def end(self) -> None:
        """End the nursery, and by that whatever it still has."""
        await self._child.end(signal.SIGKILL, STOP_WITHIN_S)
        with self._ordering:  # who still waits for it in another thread hears at once that it is gone
            self._control.close()


@dataclass(slots=True)
class Processes(Runtime):
    """Services as child processes; `directory` (removed by its owner) takes their logs."""

    run: RunDirectory
    directory: Path
    nursery: Nursery
    capabilities: frozenset[str] = CAPABILITIES
    _children: dict[str, Child] = field(default_factory=dict)
    _sockets: dict[str, socket.socket] = field(default_factory=dict)
    _addresses: dict[str, Address] = field(default_factory=dict)

    def reserve(self, name: str) -> Address:
        """Bind and listen for the service: on a free port at first, on the same one when it comes back."""
        wanted = self._addresses.get(name, Address(HOST, 0))
        try:
            listener = socket.create_server((wanted.host, wanted.port), backlog=BACKLOG)
        except OSError as error:
            problem = os.strerror(error.errno or 0)
            raise ServiceError(f"{name} cannot listen at {wanted}: {problem}; end the process that listens there") from error
        self._addresses[name] = Address(HOST, listener.getsockname()[1])
        self._sockets[name] = listener
        return self._addresses[name]

    def start(self, spec: ServiceSpec) -> None:
        """Start the service with its listening socket; ours is closed, so that the port dies with the service."""
        if spec.name not in self._sockets:
            self.reserve(spec.name)
        with self._sockets.pop(spec.name) as listener:
            log = self.directory / f"{spec.name}.log"
            child = Child(spec.name, self.nursery.order(spec, listener, log), log)
        self._children[spec.name] = child
        self.run.note_pid(child.process.pid)

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

    def is_paused(self, name: str) -> bool:
        """Tell whether the system says that the process is stopped."""
        return self._child(name).is_stopped

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
