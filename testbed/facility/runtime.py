"""Runtimes: where the processes of a facility live.

`Runtime` is all that scenarios, faults and the replay know. `Nothing` is its do-nothing twin: the guide to writing
another, and what unit tests of the replay run on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from testbed.facility.address import Address

RUNTIMES = ("processes", "containers")  # by the names that a command line gives


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A service to run: a Python module of the facility, started with an environment and a socket that listens already.

    The socket is handed over as a file descriptor, whose number stands wherever an argument or a value of the environment says
    `{fd}`. So addresses are known before anything is ready, and no port can be lost to another process in between.
    """

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Exit:
    """A service that ended: by which code (negative: by which signal), and its last lines."""

    code: int
    last_lines: str


class Runtime(Protocol):
    """Starts, stops and finds services by name; every method but `reserve` is about a service that was started.

    Whatever may have to wait, for a process or for a container engine, is `async`; the rest answers from what is known at once.
    Raises ServiceError with the service's last lines when one cannot be started or does not end in time.
    """

    capabilities: frozenset[str]

    def reserve(self, name: str) -> Address:
        """Give the address that the service will have, before it is started."""

    async def start(self, spec: ServiceSpec) -> None:
        """Start it and return when its process is there; being ready is seen from outside."""

    async def stop(self, name: str) -> None:
        """End it in an orderly way, and by force when it does not; return when it is gone."""

    async def kill(self, name: str) -> None:
        """End it as a crash would (SIGKILL); return when it is gone."""

    async def pause(self, name: str) -> None:
        """Let it live and do nothing (SIGSTOP)."""

    async def resume(self, name: str) -> None:
        """Undo `pause`."""

    async def is_paused(self, name: str) -> bool:
        """Tell whether it stands still."""

    def address(self, name: str) -> Address:
        """Give its address as seen from the testbed."""

    async def logs(self, name: str) -> str:
        """Give its last lines."""

    async def pid(self, name: str) -> int | None:
        """Give its process id as seen from the testbed; None when it does not run."""

    async def exit(self, name: str) -> Exit | None:
        """Tell how it ended; None while it runs."""


@dataclass(slots=True)
class NoRuntime:
    """The do-nothing runtime: everything starts at once, nothing listens, nothing dies."""

    capabilities: frozenset[str] = frozenset()
    running: dict[str, ServiceSpec] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)

    def reserve(self, name: str) -> Address:
        """Give an address that nobody listens at."""
        self.calls.append(("reserve", name))
        return Address("127.0.0.1", 0)

    async def start(self, spec: ServiceSpec) -> None:
        """Note that the service runs."""
        self.calls.append(("start", spec.name))
        self.running[spec.name] = spec

    async def stop(self, name: str) -> None:
        """Note that the service does not run any more."""
        self.calls.append(("stop", name))
        self.running.pop(name, None)

    async def kill(self, name: str) -> None:
        """Note that the service does not run any more."""
        self.calls.append(("kill", name))
        self.running.pop(name, None)

    async def pause(self, name: str) -> None:
        """Note the call."""
        self.calls.append(("pause", name))

    async def resume(self, name: str) -> None:
        """Note the call."""
        self.calls.append(("resume", name))

    async def is_paused(self, name: str) -> bool:
        """Tell by the calls."""
        return [call for call, of in self.calls if of == name and call in ("pause", "resume", "start")][-1:] == ["pause"]

    def address(self, name: str) -> Address:  # noqa: ARG002 - the protocol's signature
        """Give an address that nobody listens at."""
        return Address("127.0.0.1", 0)

    async def logs(self, name: str) -> str:  # noqa: ARG002 - the protocol's signature
        """Give no lines."""
        return ""

    async def pid(self, name: str) -> int | None:  # noqa: ARG002 - the protocol's signature
        """Give no process."""
        return None

    async def exit(self, name: str) -> Exit | None:  # noqa: ARG002 - the protocol's signature
        """Tell that nothing ever ended."""
        return None
