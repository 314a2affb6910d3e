"""Whether off-site backups were taken and can be restored (C2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import BackupTaken, Restored
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: int) -> Finding:
    """Compare the number of backups with the expected one, and the rows of each, restored, with those that it should have.

    Unknown if one was not restored.
    """
    taken = journal.of(BackupTaken)
    restored = {restoration.backup: restoration for restoration in journal.of(Restored)}
    text = "; ".join([f"{len(taken)} backups, expected {expected}", *(_text(backup, restored.get(backup.backup)) for backup in taken)])
    if len(taken) != expected:
        return Finding("backups", Verdict.BROKEN, text, ("C2",))
    if any(backup.backup not in restored or restored[backup.backup].error is not None for backup in taken):
        return Finding("backups", Verdict.UNKNOWN, text, ("C2",))
    exact = all(restoration.strangers == restoration.missing == 0 for restoration in restored.values())
    return Finding("backups", held_if(exact), text, ("C2",))


def _text(taken: BackupTaken, restored: Restored | None) -> str:
    """Format a backup: its size, how long it and its restoration took, and its rows."""
    size = f"{taken.backup} of {taken.size_bytes / 1e6:.1f} MB in {taken.took_s:.2f} s"
    if restored is None or restored.error is not None:
        return f"{size}, not restored: {'not tried' if restored is None else restored.error}"
    rows = f"{sum(restored.rows.values())} rows, {restored.missing} missing, {restored.strangers} unexpected"
    return f"{size}, restored in {restored.took_s:.2f} s: {rows}"
