"""What most threads waited for in the end (O5 to O7, P1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.clock import clock_text
from testbed.verdict import who_waits
from testbed.verdict.busyness import MACHINE_BUSY
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.plan.expectation import Root
    from testbed.verdict.figures import Figures

CHECK, FACTS = "root", ("O7", "P1")
NOBODY = "nobody"


def check(journal: Journal, figures: Figures, expected: Root) -> Finding:
    """Compare the root at the worst moment, that with the most blocked threads, with what is expected; unknown without any evidence.

    Unknown also where the evidence of that moment could not be read, or does not tell what at least half of the threads wait for.
    """
    worst = who_waits.worst_of(who_waits.of_journal(journal))
    if worst is None:
        return Finding(CHECK, Verdict.UNKNOWN, "no threads were dumped, and no evidence was taken", FACTS)
    root, at = worst.who_waits.root, clock_text(worst.night_s, seconds=False)
    busy = MACHINE_BUSY if worst.machine_busy else ""
    wanted = f"{expected.code}{f' at {expected.at}' if expected.at else ''}"
    if worst.unread or (root is not None and not worst.who_waits.knows_root):
        why = worst.unread or "; ".join(filter(None, (worst.who_waits.doubt, str(root), *map(str, worst.who_waits.unseen[:1]))))
        return Finding(CHECK, Verdict.UNKNOWN, f"at {at} the root is not known: {why}; expected {wanted}", FACTS, busy)
    if root is None:
        return Finding(CHECK, held_if(expected.code == NOBODY), f"at {at} nothing was blocked; expected {wanted}", FACTS)
    good = root.cause.code == expected.code and expected.at in f"{root.cause.where} {root.cause.text}"
    return Finding(CHECK, held_if(good), f"at {at} {root}; expected {wanted}", FACTS)
