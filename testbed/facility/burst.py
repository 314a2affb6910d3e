"""A burst: thousands of requests at once to one front door, as faults know it (W6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from testbed.facility.runtime import Runtime


@dataclass(frozen=True, slots=True)
class BurstSpec:
    """Equal requests, whose HTTP text is `request`, to an address; an answer after `within_s` real seconds does not count."""

    host: str
    port: int
    requests: int
    request: str
    within_s: float


@dataclass(frozen=True, slots=True)
class BurstResult:
    """The result of a burst so far: how many connections or requests `ended` in which way, in `took_s` real seconds.

    The connections: `open`, `refused`, `unconnected`. The requests: `answered`, `failed` (an error's status), `reset`, `closed` (without a
    whole answer), `silent` (no answer in time). `at_once`: the most that were open, or unanswered, at a time. `error`: why there is no
    burst.
    """

    ended: dict[str, int] = field(default_factory=dict)
    took_s: float = 0.0
    at_once: int = 0
    error: str = ""

    def __str__(self) -> str:
        return ", ".join(f"{count} {how}" for how, count in self.ended.items() if count) + f" in {self.took_s:.1f} s"


class BurstConnections(Protocol):
    """The open connections of a burst, over which nothing has been asked yet."""

    opened: BurstResult

    async def ask(self) -> BurstResult:
        """Send every request at once and return the result; raises FacilityError when the burst's process is gone."""

    async def leave(self) -> None:
        """Close every connection, and end the burst."""


class OpenBurst(Protocol):
    """Opens the connections of a burst. `load.burst_client` starts a process for it; the one of `testbed.fakes` only counts."""

    async def __call__(self, runtime: Runtime, spec: BurstSpec, /) -> BurstConnections:
        """Open the connections; raises FacilityError when the system does not allow so many sockets."""
