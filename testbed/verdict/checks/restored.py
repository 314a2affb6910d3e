"""Service after a restart by hand (O9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import OperationEvent
from testbed.verdict.changes import RESTART
from testbed.verdict.finding import Finding, Verdict, held_if
from testbed.verdict.recovery import needs_facility

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: bool) -> Finding:  # noqa: FBT001 - the expectation's value
    """Compare, caller by caller, whether facility transactions due after the last restart were answered.

    Unknown if all so far were, but a caller had none after it.
    """
    restarts = [event for event in journal.of(OperationEvent) if (event.operation, event.state) == (RESTART, "end")]
    if not restarts:
        return Finding("restored", held_if(not expected), "nothing was restarted", ("O9",))
    after: dict[str, list[bool]] = {}
    for transaction in journal.transactions:
        if needs_facility(journal, transaction):
            answers = after.setdefault(transaction.request.caller, [])
            if transaction.request.due_s > restarts[-1].t_s:
                answers.append(transaction.ended == "answered")
    counts = ", ".join(f"{caller} {sum(answers)} of {len(answers)}" for caller, answers in sorted(after.items()))
    text = f"facility transactions answered after the restart: {counts or 'none was sent'}"
    unserved = any(answers and not any(answers) for answers in after.values())
    if not unserved and not (after and all(after.values())):
        return Finding("restored", Verdict.UNKNOWN, text, ("O9",))
    return Finding("restored", held_if(expected is not unserved), text, ("O9",))
