"""Whether everything that was answered is in the database, and on the standby (C2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Ledger
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Compare the answered transactions of each kind that writes with the rows in both databases; unknown if they were not counted."""
    counted = journal.of(Ledger)
    errors = [kind.error for kind in counted if kind.error is not None]
    if errors or not any(kind.answered for kind in counted):
        why = "; ".join(sorted(set(errors))) or "no transaction that writes was answered"
        return Finding("ledger", Verdict.UNKNOWN, f"nothing was counted: {why}", ("C2",))
    counts = ", ".join(
        f"{kind.transaction}: {kind.answered} answered, {kind.in_database} in the database, {kind.in_standby} on the standby"
        for kind in counted
    )
    lost = sorted({name for kind in counted for name in kind.missing})
    text = f"{counts}, after {max(kind.waited_s for kind in counted):.2f} s" + (f"; missing: {', '.join(lost)}" if lost else "")
    whole = all(kind.answered == kind.in_database == kind.in_standby for kind in counted)
    return Finding("ledger", held_if(whole), text, ("C2",))
