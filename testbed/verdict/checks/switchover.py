"""Whether each switchover succeeded (C4, O1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import OperationEvent, Step
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


STEPS = 5
WITHIN_S = 60.0  # real seconds: real servers do it, which go no faster when the night does
AT_ONCE_S = 1.0  # a step on average: whoever takes longer between two has waited, as a class does that talks about the next


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Check that each switchover ended with all five steps, which took WITHIN_S at most; broken if there was none.

    What people let pass between two steps does not count. Unknown if steps are missing.
    """
    ended = {event.id: event for event in journal.of(OperationEvent) if event.operation == "switchover" and event.state != "begin"}
    if not ended:
        return Finding("switchover", Verdict.BROKEN, f"no switchover was carried out; expected {expected}", ("C4",))
    took = ""
    for id_, operation in sorted(ended.items(), key=lambda each: each[1].t_s):
        steps = [step for step in journal.of(Step) if (step.operation, step.id, step.state) == ("switchover", id_, "end")]
        if operation.state == "end" and len(steps) < STEPS:
            text = f"the switchover says that it succeeded, but the journal has {len(steps)} of its {STEPS} steps"
            return Finding("switchover", Verdict.UNKNOWN, text, ("C4",))
        whole_s = operation.duration_s if operation.duration_s is not None else float("inf")
        steps_s = min(whole_s, sum(step.duration_s if step.duration_s is not None else float("inf") for step in steps))
        between_s = whole_s - steps_s if operation.state == "end" else 0.0
        took = f"{steps_s:.2f} s" + (f", with {between_s:.0f} s between them" if between_s > AT_ONCE_S * STEPS else "")
        if operation.state != "end" or len(steps) != STEPS or steps_s > WITHIN_S:
            text = f"the switchover failed: {len(steps)} of {STEPS} steps in {took} (limit {WITHIN_S:.0f} s), {operation.detail}"
            return Finding("switchover", Verdict.BROKEN, text, ("C4",))
    last = max(ended.values(), key=lambda event: event.t_s)
    text = f"the switchover succeeded: {STEPS} of {STEPS} steps in {took}, {last.detail}"
    return Finding("switchover", Verdict.HELD, text, ("C4", "O1"))
