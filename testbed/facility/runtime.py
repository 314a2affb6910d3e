"""Runtimes: where the processes of a facility live.

`Runtime` is all that scenarios, faults and the replay know. `NoRuntime` is its do-nothing twin, and the guide to writing another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from testbed.facility.address import Address

RUNTIMES = ("processes", "containers")  # as the command line names them


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service to run: a Python module of the facility, started with an environment and a socket that listens already.

    It inherits the socket as a file descriptor, whose number replaces `{fd}` in every argument and value of the environment. So
    addresses are known before anything is ready, and no port can be lost to another process in between.

    With a `command` it is a program of somebody else's in place of a module, started in `directory`. It gets no socket: it listens by
    itself, at the port of the address that was reserved for it.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()
    directory: str = ""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a service ended: its exit code (negative: a signal's number), and its last lines."""

    code: int
    last_lines: str


class Runtime(Protocol):
    """Starts, stops and finds services by name; every method but `reserve` is about a service that was started.

    A method that may have to wait, for a process or for a container engine, is `async`; the others return at once.
    Raises ServiceError with the service's last lines when one cannot be started or does not end in time.
    """

    capabilities: frozenset[str]

    def reserve(self, name: str) -> Address:
        """Return the address that the service will have, before it is started."""

    async def start(self, spec: ServiceSpec) -> None:
        """Start it; return when its process exists, which may not be ready yet."""

    async def stop(self, name: str) -> None:
        """Stop it in an orderly way, by force if it does not end; return when it is gone."""

    async def kill(self, name: str) -> None:
        """Kill it as a crash would (SIGKILL); return when it is gone."""

    async def pause(self, name: str) -> None:
        """Pause it (SIGSTOP): it lives, and does nothing."""

    async def resume(self, name: str) -> None:
        """Resume it after `pause`."""

    async def is_paused(self, name: str) -> bool:
        """Return whether it is paused."""

    def address(self, name: str) -> Address:
        """Return its address as seen from the testbed."""

    async def logs(self, name: str) -> str:
        """Return its last lines."""

    async def pid(self, name: str) -> int | None:
        """Return its process id as seen from the testbed; None when it does not run."""

    async def exit(self, name: str) -> Exit | None:
        """Return how it ended; None while it runs."""


@dataclass(slots=True)
class NoRuntime:
    """The do-nothing twin: everything starts at once, nothing listens, nothing dies."""

    capabilities: frozenset[str] = frozenset()
    running: dict[str, ServiceSpec] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)

    def reserve(self, name: str) -> Address:
        """Return an address that nothing listens at."""
        self.calls.append(("reserve", name))
        return Address("127.0.0.1", 0)

    async def start(self, spec: ServiceSpec) -> None:
        """Record that the service runs."""
        self.calls.append(("start", spec.name))
        self.running[spec.name] = spec

    async def stop(self, name: str) -> None:
        """Record that the service runs no more."""
        self.calls.append(("stop", name))
        self.running.pop(name, None)

    async def kill(self, name: str) -> None:
        """Record that the service runs no more."""
        self.calls.append(("kill", name))
        self.running.pop(name, None)

    async def pause(self, name: str) -> None:
        """Record the call."""
        self.calls.append(("pause", name))

    async def resume(self, name: str) -> None:
        """Record the call."""
        self.calls.append(("resume", name))

    async def is_paused(self, name: str) -> bool:
        """Return what the recorded calls say."""
        return [call for call, of in self.calls if of == name and call != "reserve"][-1:] == ["pause"]

    def address(self, name: str) -> Address:  # noqa: ARG002 - the protocol's signature
        """Return an address that nothing listens at."""
        return Address("127.0.0.1", 0)

    async def logs(self, name: str) -> str:  # noqa: ARG002 - the protocol's signature
        """Return no lines."""
        return ""

    async def pid(self, name: str) -> int | None:  # noqa: ARG002 - the protocol's signature
        """Return no process."""
        return None

    async def exit(self, name: str) -> Exit | None:  # noqa: ARG002 - the protocol's signature
        """Return None: nothing ever ends."""
        return None
