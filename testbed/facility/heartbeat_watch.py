"""Counts the heartbeats of a database host that came and that were missed. Pure: times are given, on any one clock, in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.events import HeartbeatCount
from testbed.journal.evidence import Heartbeats
from testbed.plan.topology import HOSTS

if TYPE_CHECKING:
    from testbed.journal.events import Now

GRACE = 0.5  # of the interval: by so much a heartbeat may be late


@dataclass(slots=True)
class HeartbeatWatch:
    """The heartbeats of `sender` as the other host sees them: one is due every `every_s` seconds over a link.

    After `take_over_after` missed in a row the sender is lost. `received`, `missed`: since the watching first began. `in_row`: missed since
    the last that came. `longest_gap_s`: the longest time without one. `due_s`: when the next one counts as missed.
    """

    link: str
    every_s: float
    take_over_after: int
    sender: str = HOSTS[0]
    received: int = 0
    missed: int = 0
    in_row: int = 0
    longest_gap_s: float = 0.0
    last_s: float = 0.0
    due_s: float = 0.0

    @property
    def watcher(self) -> str:
        """The host that counts."""
        return next(host for host in HOSTS if host != self.sender)

    @property
    def is_lost(self) -> bool:
        """Whether so many were missed in a row that the watcher takes over."""
        return self.in_row >= self.take_over_after

    def start(self, at_s: float) -> None:
        """Begin to watch, or begin anew: what was or was not heard before is no sign of anything."""
        self.in_row = 0
        self.last_s = at_s
        self.due_s = at_s + (1 + GRACE) * self.every_s

    def beat(self, at_s: float) -> None:
        """Count a heartbeat that came."""
        self.received += 1
        self.longest_gap_s = max(self.longest_gap_s, at_s - self.last_s)
        self.start(at_s)

    def look(self, at_s: float) -> None:
        """Count a missed heartbeat if one is overdue; one at a look, because a look that is late itself tells no more."""
        if at_s < self.due_s:
            return
        self.missed += 1
        self.in_row += 1
        self.longest_gap_s = max(self.longest_gap_s, at_s - self.last_s)
        self.due_s = at_s + self.every_s

    def describe_loss(self, at_s: float) -> str:
        """Return a line that says why the sender is lost."""
        return (
            f"{self.watcher} heard nothing of {self.sender} for {at_s - self.last_s:.2f} s over the link {self.link}, "
            f"where a heartbeat is due every {self.every_s:g} s, and takes over after {self.take_over_after} missed in a row"
        )

    def count(self, now: Now) -> HeartbeatCount:
        """Return what was counted so far, as an event."""
        t_s, night_s = now()
        return HeartbeatCount(
            t_s=t_s,
            night_s=night_s,
            sender=self.sender,
            watcher=self.watcher,
            link=self.link,
            received=self.received,
            missed=self.missed,
            in_row=self.in_row,
            longest_gap_s=self.longest_gap_s,
        )

    def evidence(self) -> Heartbeats:
        """Return how the hosts watch each other, and what was counted so far, as evidence."""
        return Heartbeats(
            sender=self.sender,
            watcher=self.watcher,
            link=self.link,
            every_s=self.every_s,
            take_over_after=self.take_over_after,
            received=self.received,
            missed=self.missed,
            longest_gap_s=self.longest_gap_s,
        )
