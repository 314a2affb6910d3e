"""Of which outage without a hang evidence is taken: every caller fails, nobody is answered, and no thread stands still (S2, O9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.failures import OUT_S
from testbed.replay.hangs import AGAIN_S

if TYPE_CHECKING:
    from testbed.replay.load_tracker import LoadTracker
    from testbed.replay.recorder import Recorder
    from testbed.replay.state import FacilityState


@dataclass(slots=True)
class Outages:
    """Follows the failures of what needs the facility.

    The facility is out of service when more transactions failed in a row than all pools may have connections, some of every caller: what
    stale connections may cost is over by then. Evidence is due when that has lasted for `OUT_S`, once, and again when something was done to
    the facility since; otherwise no sooner than `AGAIN_S` after the last. It is not due while a step is being carried out.
    """

    state: FacilityState
    load: LoadTracker
    recorder: Recorder
    _taken_s: float | None = None  # on the journal's `t_s`, as all times here

    def is_due(self, worked_s: float, evidence_s: float | None, *, at_work: bool) -> bool:
        """Whether evidence of an outage is to be taken now; asked after each round of samples, and it is taken if so.

        `worked_s`: when something that is done to the facility last ended; `at_work`: whether something is being done. `evidence_s`: when
        evidence was last begun, for whatever reason.
        """
        since_s = self._since_s()
        if since_s is None or at_work or self.state.hung():
            return False
        from_s = max(since_s, worked_s)
        taken_s = max((at_s for at_s in (self._taken_s, evidence_s) if at_s is not None), default=None)
        if self.load.failures.last_s < from_s + OUT_S or (taken_s is not None and taken_s >= from_s):
            return False
        if self._taken_s is not None and worked_s <= self._taken_s and self.recorder.t_s() < self._taken_s + AGAIN_S:
            return False
        self._taken_s = self.recorder.t_s()
        return True

    def is_untold(self, evidence_s: float | None) -> bool:
        """Whether the facility is out of service, and no evidence was taken since: what is asked when the night is over."""
        since_s = self._since_s()
        return since_s is not None and (evidence_s is None or evidence_s < since_s)

    def _since_s(self) -> float | None:
        """Return since when the facility has been out of service; None while it is not known to be."""
        sizes = [self.state.pool_size(server) for server in self.state.application_servers]
        if not all(sizes):
            return None
        most = sum(sizes) + self.state.pool_overflow * len(sizes)
        return self.load.failures.since_s(most)
