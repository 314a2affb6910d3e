"""Whether off-site backups were taken, and are good for anything (C2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import BackupTaken, Restored
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: int) -> Finding:
    """Ask for so many, each of which was restored beside and has the rows that it should have, and no others."""
    taken = journal.of(BackupTaken)
    restored = {one.backup: one for one in journal.of(Restored)}
    told = [_told(one, restored.get(one.backup)) for one in taken]
    text = f"{len(taken)} backups, expected {expected}" + "".join(f"; {one}" for one in told)
    if len(taken) != expected:
        return Finding("backups", Verdict.BROKEN, text, ("C2",))
    if any(one.backup not in restored or restored[one.backup].error is not None for one in taken):
        return Finding("backups", Verdict.UNKNOWN, text, ("C2",))
    return Finding("backups", held_if(all(one.strangers == one.missing == 0 for one in restored.values())), text, ("C2",))


def _told(taken: BackupTaken, restored: Restored | None) -> str:
    """Tell of one backup what was seen of it."""
    size = f"{taken.backup} of {taken.size_bytes / 1e6:.1f} MB in {taken.took_s:.2f} s"
    if restored is None or restored.error is not None:
        return f"{size}, not restored: {'it was not tried' if restored is None else restored.error}"
    amiss = f"{restored.missing} missing and {restored.strangers} that the database has not"
    return f"{size}, restored in {restored.took_s:.2f} s: {sum(restored.rows.values())} rows, {amiss}"
