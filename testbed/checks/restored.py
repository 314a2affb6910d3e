"""Service after a restart by hand (O9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed import outcome
from testbed.checks import Finding, held_if
from testbed.events import Operation

if TYPE_CHECKING:
    from testbed.journal import Journal


def check(journal: Journal, expected: bool) -> Finding:  # noqa: FBT001 - the expectation's value
    """Look, for each caller, for transactions that need the facility and were answered after the restart."""
    done = [one for one in journal.of(Operation) if (one.operation, one.state) == (outcome.RESTART, "end")]
    if not done:
        return Finding("restored", held_if(not expected), "nothing was restarted", ("O9",))
    after = dict.fromkeys(journal.header.facility.callers, 0)
    for one in journal.transactions:
        if one.ended == "answered" and one.request.due_s > done[-1].t_s and outcome.needs_facility(journal, one):
            after[one.request.caller] += 1
    told = ", ".join(f"{caller} {count}" for caller, count in after.items())
    good = all(after.values()) == expected
    return Finding("restored", held_if(good), f"transactions answered by the facility after the restart: {told}", ("O9",))
