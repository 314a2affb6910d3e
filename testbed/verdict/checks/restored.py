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
    """Look, for each caller that was ever asked, for transactions that need the facility and were answered after the restart."""
    done = [one for one in journal.of(OperationEvent) if (one.operation, one.state) == (RESTART, "end")]
    if not done:
        return Finding("restored", held_if(not expected), "nothing was restarted", ("O9",))
    after: dict[str, list[bool]] = {}
    for one in journal.transactions:
        if needs_facility(journal, one):
            answers = after.setdefault(one.request.caller, [])
            if one.request.due_s > done[-1].t_s:
                answers.append(one.ended == "answered")
    told = ", ".join(f"{caller} {sum(answers)} of {len(answers)}" for caller, answers in sorted(after.items()))
    text = f"transactions answered by the facility after the restart: {told or 'none was asked for'}"
    in_vain = any(answers and not any(answers) for answers in after.values())
    if not in_vain and not (after and all(after.values())):
        return Finding("restored", Verdict.UNKNOWN, text, ("O9",))  # of a caller whom nobody asked afterwards it cannot be told
    return Finding("restored", held_if(expected is not in_vain), text, ("O9",))
