"""Of which hang of all callers evidence is taken: all may hang a hundred times in a few minutes, and evidence costs time (O9)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.journal.events import HangLeftOut

if TYPE_CHECKING:
    from testbed.replay.recorder import Recorder
    from testbed.replay.state import FacilityState

AGAIN_S = 30.0  # real seconds after evidence, whatever it showed: what the samples do not tell may have changed


@dataclass(slots=True)
class Hangs:
    """Follows the hangs of all callers.

    Of the first one evidence is due. Of a later one it is due where something was done to the facility since, where an application server
    has come into trouble that none of the evidence since then shows, or `AGAIN_S` after the last evidence; but not while a step is being
    carried out, such as a restart of one server after the other: half of it is neither what was nor what comes. One that is left out
    is recorded when it is over.
    """

    state: FacilityState
    recorder: Recorder
    _shown: set[str] = field(default_factory=set)
    _taken_s: float | None = None  # on the journal's `t_s`, as all times here
    _since_s: float | None = None  # of a hang that goes on and of which there is no evidence
    _is_taken: bool = False  # of the hang that goes on
    _was_at_rest: bool = False  # at least once in the hang that goes on: nothing was being done

    def is_due(self, moved_s: float, evidence_s: float | None, *, at_work: bool) -> bool:
        """Whether evidence of a hang is to be taken now; asked after each round of samples, and it is taken if so.

        `moved_s`: when something was last done to the facility; `at_work`: whether something is being done. `evidence_s`: when evidence was
        last begun, for whatever reason.
        """
        now_s, since_s = self.recorder.t_s(), self.state.hung_since_s()
        if since_s is None:
            self._end(evidence_s)
            return False
        if self._is_taken:
            return False
        self._since_s = since_s if self._since_s is None else self._since_s
        self._was_at_rest = self._was_at_rest or not at_work
        troubles = self.state.troubles()
        moved = self._taken_s is None or moved_s > self._taken_s
        if self._taken_s is not None:
            shows_the_same = not moved and troubles <= self._shown and now_s < self._taken_s + AGAIN_S
            if at_work or shows_the_same:
                return False
        self._shown = set(troubles) if moved else self._shown | troubles
        self._taken_s, self._is_taken = now_s, True
        return True

    def _end(self, evidence_s: float | None) -> None:
        """Take the hang for over, and record it if no evidence was taken while it lasted."""
        since_s, taken_s = self._since_s, self._taken_s
        if since_s is not None and taken_s is not None and not self._is_taken and (evidence_s is None or evidence_s < since_s):
            since = f"the evidence of {taken_s:.2f} s"
            same = f"nothing had changed since {since}, which was less than {AGAIN_S:g} s ago"
            reason = same if self._was_at_rest else f"something was being done all the time; before that there is {since}"
            self.recorder.add(HangLeftOut(**self.recorder.stamp(), since_s=since_s, reason=reason))
        self._since_s, self._is_taken, self._was_at_rest = None, False, False
