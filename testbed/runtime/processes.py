"""The processes runtime: the facility's services as child processes on loopback. It needs nothing but Python."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from testbed.concurrency import shield
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
FORK_SERVER_MODULE = "testbed.runtime.nursery"
ANSWER_WITHIN_S = 20.0  # its imports come first
RECEIVE_BYTES = 1 << 16


@dataclass(eq=False, slots=True)
class ForkedProcess:
    """A process that the fork server forked."""

    fork_server: ForkServer
    pid: int

    def poll(self) -> int | None:
        """Return the exit code as the fork server reported it; None while it runs."""
        return self.fork_server.exit_code(self.pid)

    def send_signal(self, sig: int, /) -> None:
        """Send a signal; nothing happens when it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)


class ForkServer:
    """The testbed's side of the fork server (nursery.py): has services forked there, and hears when they end.

    Raises ServiceError with the fork server's last lines when it is gone. Orders come from threads, and `exit_code` is asked on the
    event loop.
    """

    def __init__(self, run: RunDirectory, modules: tuple[str, ...]) -> None:
        try:
            self._control, theirs = socket.socketpair()
        except OSError as error:
            raise ServiceError(f"the fork server cannot be started: {error.strerror}") from error
        self._received = b""
        self._codes: dict[int, int] = {}
        self._reading = threading.Lock()
        try:
            with theirs:
                fd = theirs.fileno()
                command = python(FORK_SERVER_MODULE, str(fd), *modules)
                self._child = spawn("fork-server", command, run.path / "fork-server.log", pass_fds=(fd,))
        except ServiceError:
            self._control.close()
            raise

    @property
    def pid(self) -> int:
        """The process id that it has, or had."""
        return self._child.process.pid

    def fork(self, spec: ServiceSpec, listener: socket.socket, log: Path) -> ForkedProcess:
        """Have a service forked, with its listening socket. Call it in a thread: the answer takes as long as the server's imports."""
        order = {
            "module": spec.module,
            "arguments": spec.arguments,
            "environment": dict(spec.environment),
            "log": str(log.absolute()),
        }
        line = json.dumps(order).encode() + b"\n"
        try:
            with self._reading:
                self._control.settimeout(ANSWER_WITHIN_S)
                self._control.sendall(line[socket.send_fds(self._control, [line], [listener.fileno()]) :])
                answer = self._wait_answer()
        except OSError as error:
            what = f"does not answer within {ANSWER_WITHIN_S:.0f} s" if isinstance(error, TimeoutError) else "is gone"
            raise ServiceError(f"{spec.name} cannot be started: the fork server {what}\n{self._child.last_lines()}") from error
        if "refused" in answer:
            raise ServiceError(f"{spec.name} cannot be started: {answer['refused']}; is the number of processes limited (ulimit -u)?")
        return ForkedProcess(self, answer["forked"])

    def _wait_answer(self) -> dict[str, Any]:
        while True:
            for message in self._receive():
                if "ended" not in message:
                    return message

    def exit_code(self, pid: int) -> int | None:
        """Return the exit code of a service; None while it runs."""
        # Only one may read the control socket at a time: this would take the answer that an order waits for, and its time-out with it.
        # While an order waits, nothing is lost by not reading: it notes the ends that it hears of.
        if self._reading.acquire(blocking=False):
            try:
                with suppress(OSError):  # nothing to hear, or nobody to hear
                    self._control.setblocking(False)
                    while True:
                        self._receive()
            finally:
                self._reading.release()
        return self._codes.get(pid, self._child.process.poll())  # without its fork server, a service is gone as well

    def _receive(self) -> list[dict[str, Any]]:
        """Read what it says, and note how services ended; raises OSError when there is nothing to read, or it is gone."""
        received = self._control.recv(RECEIVE_BYTES)
        if not received:
            raise ConnectionResetError
        *lines, self._received = (self._received + received).split(b"\n")
        messages = [json.loads(line) for line in lines]
        self._codes.update({message["ended"]: message["code"] for message in messages if "ended" in message})
        return messages

    async def end(self) -> None:
        """End the fork server, and by that whatever it still has."""
        await self._child.end(signal.SIGKILL, STOP_WITHIN_S)
        with self._reading:  # whoever still waits for it in another thread hears at once that it is gone
            self._control.close()


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

    async def start(self, spec: ServiceSpec) -> None:
        """Start the service with its listening socket; ours is closed, so that the port dies with the service."""
        if spec.name not in self._sockets:
            self.reserve(spec.name)
        await shield(self._start(spec, self._sockets.pop(spec.name)))  # or a process would be forked that nobody knows

    async def _start(self, spec: ServiceSpec, listener: socket.socket) -> None:
        with listener:
            log = self.directory / f"{spec.name}.log"
            process = await asyncio.to_thread(self.fork_server.fork, spec, listener, log)
        self._children[spec.name] = Child(spec.name, process, log)
        self.run.note_pid(process.pid)

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

    async def pause(self, name: str) -> None:
        """Stop the process with SIGSTOP."""
        self._child(name).signal(signal.SIGSTOP)

    async def resume(self, name: str) -> None:
        """Let the process go on with SIGCONT."""
        self._child(name).signal(signal.SIGCONT)

    async def is_paused(self, name: str) -> bool:
        """Tell whether the system says that the process is stopped."""
        return self._child(name).is_stopped

    def address(self, name: str) -> Address:
        """Give the loopback address of the service."""
        if name not in self._addresses:
            raise ServiceError(f"no service {name}; there are {', '.join(sorted(self._addresses)) or 'none'}")
        return self._addresses[name]

    async def logs(self, name: str) -> str:
        """Give the last lines of the service."""
        return self._child(name).last_lines()

    async def pid(self, name: str) -> int | None:
        """Give the process id of the service."""
        return self._child(name).pid

    async def exit(self, name: str) -> Exit | None:
        """Tell how the service ended."""
        child = self._child(name)
        code = child.process.poll()
        return None if code is None else Exit(code, child.last_lines())

    def _child(self, name: str) -> Child:
        if name not in self._children:
            raise ServiceError(f"no service {name} was started; there are {', '.join(sorted(self._children)) or 'none'}")
        return self._children[name]
