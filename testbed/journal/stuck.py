"""When a service counts as stuck: the one rule, by which the replay watches samples as they come and the verdict reads them afterwards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.journal.events import Sample

# Both must hold. Time alone would take a machine that stood still for a moment, samples and all, for a service that did; samples alone
# would take for stuck what answers a few times a second.
STUCK_SAMPLES = 4
STUCK_S = 0.5


@dataclass(frozen=True, slots=True)
class Standstill:
    """Samples in a row in which every request thread was at work, and between which nothing came out."""

    first: Sample
    last: Sample
    samples: int = 1

    @property
    def is_stuck(self) -> bool:
        """Whether it has lasted long enough, in `STUCK_SAMPLES` and in `STUCK_S` real seconds, to be called stuck (O5, O6)."""
        return self.samples >= STUCK_SAMPLES and self.last.t_s - self.first.t_s >= STUCK_S


def follow(before: Standstill | None, sample: Sample) -> Standstill | None:
    """Give the standstill with a further sample: the one before gone on, a new one, or none.

    A sample without numbers, of a service that did not answer, tells nothing: it neither ends a standstill nor lengthens it.
    """
    if sample.busy is None:
        return before
    if not sample.is_full:
        return None
    if before is None or before.last.results != sample.results:
        return Standstill(sample, sample)
    return replace(before, last=sample, samples=before.samples + 1)
