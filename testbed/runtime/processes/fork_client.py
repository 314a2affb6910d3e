"""The client of the fork server: orders a process, and reads how it ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import ServiceError
from testbed.facility.runtime import ServiceSpec
from testbed.runtime.child import python, spawn

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.runtime.run_directory import RunDirectory


STOP_WITHIN_S = 5.0
FORK_SERVER = "fork-server"
FORK_SERVER_MODULE = "testbed.runtime.processes.fork_server"
ANSWER_WITHIN_S = 60.0  # its imports come first, and the machine may be busy with something else
RECEIVE_BYTES = 1 << 16


@dataclass(eq=False, slots=True)
class ForkedProcess:
    """A process that the fork server forked. Its process id may come again when it has ended: that is another process.

    `code`: its exit code, once the fork server has reported it.
    """

    fork_server: ForkServer
    pid: int
    code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        self.fork_server.read_news()
        return self.fork_server.code if self.code is None else self.code

    def send_signal(self, sig: int, /) -> None:
        """Send a signal; does nothing when it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)


class ForkServer:
    """The client of the fork server (fork_server.py): starts it, has services forked, and reads how they ended.

    Raises ServiceError with the fork server's last lines when it has ended. `fork` is called in threads, `read_news` on the event loop.
    """

    def __init__(self, run: RunDirectory, modules: tuple[str, ...]) -> None:
        try:
            self._control, theirs = socket.socketpair()
        except OSError as error:
            raise ServiceError(f"the fork server cannot be started: {error.strerror}") from error
        self._received = b""
        self._living: dict[int, ForkedProcess] = {}  # by process id
        self._given_up = 0  # orders whose answers nobody waits for any more; they come all the same, before those of later orders
        self._reading = threading.Lock()
        try:
            with theirs:
                fd = theirs.fileno()
                command = python(FORK_SERVER_MODULE, str(fd), *modules)
                self._child = spawn(FORK_SERVER, command, run.path / f"{FORK_SERVER}.log", pass_fds=(fd,))
        except ServiceError:
            self._control.close()
            raise

    @property
    def pid(self) -> int:
        """The process id that it has, or had."""
        return self._child.process.pid

    @property
    def code(self) -> int | None:
        """Its own exit code; None while it runs. Without it, a service has ended as well."""
        return self._child.process.poll()

    def fork(self, spec: ServiceSpec, listener: socket.socket, log: Path) -> ForkedProcess:
        """Fork a service with its listening socket. Call it in a thread: the first answer takes as long as the server's imports."""
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
        if isinstance(answer, str):
            raise ServiceError(f"{spec.name} cannot be started: {answer}; is the number of processes limited (ulimit -u)?")
        return answer

    def _wait_answer(self) -> ForkedProcess | str:
        """Return the process that was forked, or why none was."""
        try:
            while True:
                for answer in self._receive():
                    return answer
        except TimeoutError:
            self._given_up += 1
            raise

    def read_news(self) -> None:
        """Read how services ended since the last look."""
        # Only one may read the control socket at a time: else this would consume the answer that an order waits for, and reset its
        # time-out. While an order waits, nothing is lost by not reading here: `_receive` takes down how services ended for both.
        if self._reading.acquire(blocking=False):
            try:
                with suppress(OSError):  # nothing to read, or the fork server has ended
                    self._control.setblocking(False)
                    while True:
                        self._receive()
            finally:
                self._reading.release()

    def _receive(self) -> list[ForkedProcess | str]:
        """Read its messages: take down how services ended, and return its answers to orders.

        They are taken in order, so that a process id that comes again is a new process. One that was forked too late, for an order that was
        given up, is killed. Raises OSError when there is nothing to read, or it has ended.
        """
        received = self._control.recv(RECEIVE_BYTES)
        if not received:
            raise ConnectionResetError
        *lines, self._received = (self._received + received).split(b"\n")
        answers: list[ForkedProcess | str] = []
        for message in map(json.loads, lines):
            if "ended" in message:
                self._living.pop(message["ended"]).code = message["code"]
            elif "forked" in message:
                answers.append(self._living.setdefault(message["forked"], ForkedProcess(self, message["forked"])))
            else:
                answers.append(message["refused"])
        late, answers = answers[: self._given_up], answers[self._given_up :]
        self._given_up -= len(late)
        for answer in late:
            if isinstance(answer, ForkedProcess):
                with suppress(ProcessLookupError):
                    answer.send_signal(signal.SIGKILL)
        return answers

    async def end(self) -> None:
        """End the fork server, and with it the services that still run."""
        await self._child.end(signal.SIGKILL, STOP_WITHIN_S)
        with self._reading:  # a thread that still waits for an answer gets an error at once
            self._control.close()
