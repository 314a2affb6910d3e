"""How a facility is observed: monitoring, dumps, questions, resource usage, shortages, failing parts, the machine's pressure; and twins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from testbed.journal.events import ResourceUsage, Sample, ThreadGroup

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from testbed.facility.address import Address
    from testbed.journal.events import Now, Part, Pressure, Shortage, Size, Threads
    from testbed.journal.evidence import Answer


class Dump(Protocol):
    """Dumps the threads of a process. `dump_with_py_spy` does it; `testbed.fakes` has the one for fakes."""

    async def __call__(self, service: str, pid: int, file: Path) -> tuple[ThreadGroup, ...]:
        """Dump the threads of a process to `file`, and return its request threads in groups.

        Raises DumpError that says why it failed and how to permit it.
        """


class Monitoring(Protocol):
    """Samples services. `HttpMonitoring` asks real ones; `testbed.fakes` has the one for fakes."""

    async def read(self, service: str, address: Address, now: Now) -> Sample:
        """Return a sample of a service, stamped by `now`; without numbers when it does not answer."""

    async def health(self, service: str, address: Address) -> str:
        """Return the status of a service's health check, such as `200`; or why there was no answer, in words."""


class Resources(Protocol):
    """Measures resource usage and sizes, stamped by `now`."""

    @property
    def every_s(self) -> float | None:
        """The sampling interval, in real seconds; None: never."""

    async def look(self, now: Now) -> Sequence[ResourceUsage | Size]:
        """Measure everything once; what cannot be measured is left out without an error."""


@dataclass(frozen=True, slots=True)
class NoResources:
    """The do-nothing twin: nothing is measured."""

    every_s: float | None = None

    async def look(self, now: Now) -> Sequence[ResourceUsage | Size]:  # noqa: ARG002 - the protocol's signature
        """Return nothing."""
        return ()


class Shortages(Protocol):
    """Finds what the parts of a facility lacked, in what they say themselves, stamped by `now`."""

    @property
    def every_s(self) -> float | None:
        """The interval between looks, in real seconds; None: only one, when the night is over."""

    async def look(self, now: Now) -> Sequence[Shortage]:
        """Return what was lacking since the look before, or since the facility was built; what cannot be read is left out."""


@dataclass(frozen=True, slots=True)
class NoShortages:
    """The do-nothing twin: nothing is ever lacking."""

    every_s: float | None = None

    async def look(self, now: Now) -> Sequence[Shortage]:  # noqa: ARG002 - the protocol's signature
        """Return nothing."""
        return ()


class Parts(Protocol):
    """Tells which parts of a facility that are no services died or stand still by themselves, stamped by `now`."""

    @property
    def every_s(self) -> float | None:
        """The interval between looks, in real seconds; None: never."""

    async def look(self, now: Now) -> Sequence[Part]:
        """Return those that did so since the look before; each is told once."""


@dataclass(frozen=True, slots=True)
class NoParts:
    """The do-nothing twin: there is nothing beside the services."""

    every_s: float | None = None

    async def look(self, now: Now) -> Sequence[Part]:  # noqa: ARG002 - the protocol's signature
        """Return nothing."""
        return ()


class Busyness(Protocol):
    """Tells how busy the machine is, stamped by `now`."""

    @property
    def every_s(self) -> float | None:
        """The interval between looks, in real seconds; None: never."""

    async def look(self, now: Now) -> Sequence[Pressure]:
        """Return how long something has waited for a processor so far; nothing where the kernel does not say."""


@dataclass(frozen=True, slots=True)
class Question:
    """What can be asked of a part of a facility: `what` it is about, and `ask`, which raises TestbedError where there is no answer.

    None is an answer, too: that there is nothing to tell.
    """

    what: str
    ask: Callable[[], Awaitable[Answer | None]]


class Questions(Protocol):
    """Tells what can be asked of a facility when something is wrong with it."""

    def addresses(self) -> dict[str, str]:
        """Return the address of each service, as the others know it: nobody need be asked for that."""

    def all(self) -> Sequence[Question]:
        """Return every question there is now. They are asked at once, and what is not answered in time is missing."""

    def of_dump(self, dump: Threads, file: Path) -> Sequence[Question]:
        """Return what is to be asked once the threads of a service are dumped, because of what the dump shows; `file`: the whole dump."""


@dataclass(frozen=True, slots=True)
class NoQuestions:
    """The do-nothing twin: nobody can be asked."""

    def addresses(self) -> dict[str, str]:
        """Return nothing."""
        return {}

    def all(self) -> Sequence[Question]:
        """Return nothing."""
        return ()

    def of_dump(self, dump: Threads, file: Path) -> Sequence[Question]:  # noqa: ARG002 - the protocol's signature
        """Return nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class NoBusyness:
    """The do-nothing twin: nobody says how busy the machine is."""

    every_s: float | None = None

    async def look(self, now: Now) -> Sequence[Pressure]:  # noqa: ARG002 - the protocol's signature
        """Return nothing."""
        return ()
