"""When a service counts as stuck: the one rule, for the replay as samples come and for the verdict afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.journal.events import Sample

# Both must hold. Time alone would call services stuck when the whole machine paused, sampling included; samples alone would call a service
# stuck that answers a few times a second.
STUCK_SAMPLES = 4
STUCK_S = 0.5


@dataclass(frozen=True, slots=True)
class Standstill:
    """Samples in a row in which no request thread was free, and between which nothing was answered or failed."""

    first: Sample
    last: Sample
    samples: int = 1

    @property
    def is_stuck(self) -> bool:
        """Whether it has lasted long enough, in `STUCK_SAMPLES` and in `STUCK_S` real seconds, to be called stuck (O5, O6)."""
        return self.samples >= STUCK_SAMPLES and self.last.t_s - self.first.t_s >= STUCK_S


def follow(before: Standstill | None, sample: Sample) -> Standstill | None:
    """Return the standstill after a further sample: the one before continued, a new one, or None.

    A sample without numbers, of a service that did not answer, neither ends a standstill nor lengthens it.
    """
    if sample.busy is None:
        return before
    if not sample.is_full:
        return None
    if before is None or before.last.results != sample.results:
        return Standstill(sample, sample)
    return replace(before, last=sample, samples=before.samples + 1)
