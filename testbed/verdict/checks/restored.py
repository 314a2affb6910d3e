"""Service after a restart by hand (O9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import OperationEvent
from testbed.verdict.changes import RESTART
from testbed.verdict.finding import Finding, Verdict, held_if
from testbed.verdict.recovery import LAST, facility_transactions

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


SHARE = 0.9  # of what was due after the restart must have been answered: what was cut off by it may have failed


def check(journal: Journal, figures: Figures, expected: bool) -> Finding:  # noqa: FBT001 - the expectation's value
    """Compare, caller by caller, whether facility transactions due after the last restart were answered: most of them, and the last ones.

    Unknown if a caller had fewer than `LAST` after it, and no other went without.
    """
    restarts = [event for event in journal.of(OperationEvent) if (event.operation, event.state) == (RESTART, "end")]
    if not restarts:
        return Finding("restored", Verdict.BROKEN if expected else Verdict.UNKNOWN, "nothing was restarted", ("O9",))
    after = {
        caller: [transaction.ended == "answered" for transaction in due if transaction.request.due_s > restarts[-1].t_s]
        for caller in journal.header.facility.callers
        if (due := facility_transactions(journal, caller))
    }
    counts = ", ".join(f"{caller} {sum(answers)} of {len(answers)}" for caller, answers in sorted(after.items()))
    text = f"facility transactions answered after the restart: {counts or 'none was sent'}"
    unserved = any(answers and (sum(answers) < SHARE * len(answers) or not all(answers[-LAST:])) for answers in after.values())
    if not unserved and not (after and all(len(answers) >= LAST for answers in after.values())):
        return Finding("restored", Verdict.UNKNOWN, text, ("O9",))
    return Finding("restored", held_if(expected is not unserved), text, ("O9",))
