"""How a facility is looked at: monitoring, thread dumps, resource usage; and a do-nothing twin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from testbed.journal.events import ResourceUsage, Sample, ThreadGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.facility.address import Address
    from testbed.journal.events import Now, Size


class Dump(Protocol):
    """How the threads of a process are dumped. `dump_with_py_spy` does it; `testbed.fakes` has the one for fakes."""

    async def __call__(self, service: str, pid: int, file: Path) -> tuple[ThreadGroup, ...]:
        """Dump the threads of a process, keep the dump in `file`, and give its request threads in groups.

        Raises DumpError that says why it could not be done and how to permit it.
        """


class Monitoring(Protocol):
    """How services are looked at. `HttpMonitoring` asks real ones; `testbed.fakes` has the one that looks at fakes."""

    async def read(self, service: str, address: Address, now: Now) -> Sample:
        """Look at a service once; `now` gives the time on both clocks. One that does not answer gives a sample without numbers."""

    async def health(self, service: str, address: Address) -> str:
        """Ask a service for its health: `200`, another status, or in words why there was no answer."""


class Resources(Protocol):
    """How a facility is weighed: every `every_s` real seconds, or never (None). `now` gives the time on both clocks."""

    @property
    def every_s(self) -> float | None:
        """How often."""

    async def look(self, now: Now) -> Sequence[ResourceUsage | Size]:
        """Look at all of it once; what cannot be looked at is left out, and that is no error."""


@dataclass(frozen=True, slots=True)
class NoResources:
    """The do-nothing twin: nothing is weighed."""

    every_s: float | None = None

    async def look(self, now: Now) -> Sequence[ResourceUsage | Size]:  # noqa: ARG002 - the protocol's signature
        """See nothing."""
        return ()
