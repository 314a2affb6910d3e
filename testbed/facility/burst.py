"""A burst: thousands of requests at once to one front door, as faults know it (W6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from testbed.facility.runtime import Runtime


@dataclass(frozen=True, slots=True)
class BurstSpec:
    """So many requests, all of them this text of HTTP, to an address; an answer after `within_s` real seconds is none."""

    host: str
    port: int
    requests: int
    request: str
    within_s: float


@dataclass(frozen=True, slots=True)
class BurstResult:
    """What came of a crowd so far: how many connections or requests `ended` in which way, in `took_s` real seconds.

    The connections: `open`, `refused`, `unconnected`. The requests: `answered`, `failed` (an error's status), `reset`, `closed` (with no
    answer, or half of one), `silent` (no answer in time). `at_once`: the most that were open, or had no answer yet, at one time.
    `error`: why there is no crowd, in words.
    """

    ended: dict[str, int] = field(default_factory=dict)
    took_s: float = 0.0
    at_once: int = 0
    error: str = ""

    def __str__(self) -> str:
        return ", ".join(f"{count} {how}" for how, count in self.ended.items() if count) + f" in {self.took_s:.1f} s"


class BurstConnections(Protocol):
    """A crowd that stands before the door, each with an open connection."""

    opened: BurstResult

    async def ask(self) -> BurstResult:
        """Let all ask at once, and tell what became of them; raises FacilityError when the crowd's process is gone."""

    async def leave(self) -> None:
        """Close every connection, and end the crowd."""


class OpenBurst(Protocol):
    """How a crowd comes together. `gather` starts a process for it; `testbed.fakes` has one that only counts."""

    async def __call__(self, runtime: Runtime, spec: BurstSpec) -> BurstConnections:
        """Open the connections; raises FacilityError when so many sockets cannot be had."""
