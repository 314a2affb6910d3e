"""The fake probe and the fake burst: they see what the fakes would do."""

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


# How a connection ends over a link with this toxic on it, when a long answer is asked for, and when it is only held.
ENDS: dict[str, tuple[probe.ProbeEnd, probe.ProbeEnd]] = {
    "silence_upstream": ("silent", "answered"),
    "slicer_downstream": ("silent", "answered"),
    "limit_data_downstream": ("closed", "answered"),
    "timeout_downstream": ("closed", "closed"),
    "reset_peer_upstream": ("reset", "answered"),
    "reset_peer_downstream": ("reset", "answered"),
    "lifetime_downstream": ("reset", "reset"),
}


FAKE_BYTES = 300  # of a long answer


@dataclass(slots=True)
class FakeProbe:
    """A probe over a fake link; `blunt`: it sees a link that works, whatever is on it."""

    link: FakeLink
    question: ProbeSpec
    unconnected: bool
    ineffective: bool

    async def wait_held(self) -> None:
        """It holds at once."""

    async def wait_result(self) -> ProbeResult:
        """Tell by what is on the link."""
        if self.ineffective:
            return ProbeResult("answered", 0.0, 0.0, 0.0, FAKE_BYTES)
        if self.unconnected:
            return ProbeResult("unconnected", self.question.within_s)
        if not self.link.enabled:
            return ProbeResult("refused", 0.0)
        await asyncio.sleep(min(self.link.latency_s, self.question.within_s))
        forgets = self.link.on.get("idle_drop_downstream")
        if forgets is not None and self.question.idle_s * 1000 > forgets["timeout"]:
            return ProbeResult("silent", 0.0, 0.0, 0.0, 1)
        ends = [ENDS[name][self.question.kind == "hold"] for name in self.link.on if name in ENDS]
        late = self.link.latency_s > self.question.within_s
        ended: probe.ProbeEnd = ends[0] if ends else "silent" if late else "answered"
        size = 1 if ended in ("silent", "closed") and not late else 0 if late or ended == "reset" else FAKE_BYTES
        first_s = self.link.latency_s if size else None
        return ProbeResult(ended, 0.0, first_s, first_s, size)

    async def end(self) -> None:
        """It has nothing to end."""


@dataclass(slots=True)
class FakeBurst:
    """A crowd that only counts: all of it is answered, and while `blunt`, one after the other. `there` until it has left."""

    order: BurstSpec
    ineffective: bool
    opened: BurstResult = field(default_factory=BurstResult)
    there: bool = True

    def __post_init__(self) -> None:
        self.opened = BurstResult({"open": self.order.requests}, 0.0, self.order.requests)

    async def ask(self) -> BurstResult:
        """Answer all."""
        return BurstResult({"answered": self.order.requests}, 0.0, 1 if self.ineffective else self.order.requests)

    async def leave(self) -> None:
        """Be gone."""
        self.there = False
