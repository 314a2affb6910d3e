"""The fake probe and the fake burst: their results follow from the state of the fakes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.facility import probe
from testbed.facility.burst import BurstResult
from testbed.facility.probe import ProbeResult
from testbed.fakes.link import FakeLink

if TYPE_CHECKING:
    from testbed.facility.burst import BurstSpec
    from testbed.facility.probe import ProbeSpec

# How a connection ends over a link with this toxic, when a long answer is asked for, and when it is only held.
ENDS: dict[str, tuple[probe.ProbeEnd, probe.ProbeEnd]] = {
    "silence_upstream": ("silent", "answered"),
    "slicer_downstream": ("silent", "answered"),
    "limit_data_downstream": ("closed", "answered"),
    "timeout_downstream": ("closed", "closed"),
    "reset_peer_upstream": ("reset", "answered"),
    "reset_peer_downstream": ("reset", "answered"),
    "refuse_first_downstream": ("reset", "answered"),
    "lifetime_downstream": ("reset", "reset"),
}
FAKE_BYTES = 300  # of a long answer


@dataclass(slots=True)
class FakeProbe:
    """A probe over a fake link; `ineffective`: it sees a link that works, whatever is on it."""

    link: FakeLink
    spec: ProbeSpec
    unconnected: bool
    ineffective: bool

    async def wait_held(self) -> None:
        """Return at once: the connection is established."""

    async def wait_result(self) -> ProbeResult:
        """Return the result that follows from the state of the link."""
        if self.ineffective:
            return ProbeResult("answered", 0.0, 0.0, 0.0, FAKE_BYTES)
        if self.unconnected:
            return ProbeResult("unconnected", self.spec.within_s)
        if not self.link.enabled:
            return ProbeResult("refused", 0.0)
        if self.spec.kind == "queue" and (slow := self.link.on.get("slow_accept_downstream")) is not None:
            return ProbeResult("answered", max(1.0, slow["interval"] / 1000), slow["interval"] / 1000, queued=slow["queue"] + 1)
        await asyncio.sleep(min(self.link.latency_s, self.spec.within_s))
        forgotten = self.link.on.get("idle_drop_downstream")
        if forgotten is not None and self.spec.idle_s * 1000 > forgotten["timeout"]:
            return ProbeResult("silent", 0.0, 0.0, 0.0, 1)
        ends = [ENDS[name][self.spec.kind == "hold"] for name in self.link.on if name in ENDS]
        late = self.link.latency_s > self.spec.within_s
        ended: probe.ProbeEnd = ends[0] if ends else "silent" if late else "answered"
        size = 1 if ended in ("silent", "closed") and not late else 0 if late or ended == "reset" else FAKE_BYTES
        first_s = self.link.latency_s if size else None
        return ProbeResult(ended, 0.0, first_s, first_s, size)

    async def end(self) -> None:
        """Do nothing: it is not a task."""


@dataclass(slots=True)
class FakeBurst:
    """A burst in which every request is answered; `ineffective`: one after the other. `there` until its connections are closed."""

    spec: BurstSpec
    ineffective: bool
    opened: BurstResult = field(default_factory=BurstResult)
    there: bool = True

    def __post_init__(self) -> None:
        self.opened = BurstResult({"open": self.spec.requests}, 0.0, self.spec.requests)

    async def ask(self) -> BurstResult:
        """Return that every request was answered."""
        return BurstResult({"answered": self.spec.requests}, 0.0, 1 if self.ineffective else self.spec.requests)

    async def leave(self) -> None:
        """Close every connection."""
        self.there = False
