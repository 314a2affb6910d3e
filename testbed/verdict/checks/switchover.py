"""The switchover itself: by the book, and a success (C4, O1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import OperationEvent, Step
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


STEPS = 5
WITHIN_S = 60.0  # real seconds: real parts do it, and they do not go faster because the night does


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Look for a switchover whose five steps all ended, within a minute."""
    ended = {one.id: one for one in journal.of(OperationEvent) if one.operation == "switchover" and one.state != "begin"}
    if not ended:
        return Finding("switchover", Verdict.BROKEN, f"no switchover was carried out; expected {expected}", ("C4",))
    for id_, operation in ended.items():
        steps = [one for one in journal.of(Step) if (one.operation, one.id, one.state) == ("switchover", id_, "end")]
        took_s = operation.duration_s if operation.duration_s is not None else float("inf")
        if operation.state != "end" or len(steps) != STEPS or took_s > WITHIN_S:
            text = f"the switchover did not succeed: {len(steps)} of {STEPS} steps, {took_s:.2f} s, {operation.detail}"
            return Finding("switchover", Verdict.BROKEN, text, ("C4",))
    last = max(ended.values(), key=lambda one: one.t_s)
    text = f"switchover a success: {STEPS} of {STEPS} steps in {last.duration_s:.2f} s, {last.detail}"
    return Finding("switchover", Verdict.HELD, text, ("C4", "O1"))
