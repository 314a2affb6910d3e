"""Whether everything that was answered is in the database, and on the standby (C2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Ledger
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Compare, for each kind of transaction that writes, what was answered with what is there."""
    counted = journal.of(Ledger)
    errors = [one.error for one in counted if one.error is not None]
    if errors or not any(one.answered for one in counted):
        return Finding("ledger", Verdict.UNKNOWN, f"nothing was counted: {'; '.join(sorted(set(errors))) or 'there was nothing'}", ("C2",))
    told = ", ".join(
        f"{one.transaction}: {one.answered} answered, {one.in_database} in the database, {one.in_standby} on the standby" for one in counted
    )
    lost = sorted({name for one in counted for name in one.missing})
    text = f"{told}, after {max(one.waited_s for one in counted):.2f} s" + (f"; missing: {', '.join(lost)}" if lost else "")
    whole = all(one.answered == one.in_database == one.in_standby for one in counted)
    return Finding("ledger", held_if(whole), text, ("C2",))
