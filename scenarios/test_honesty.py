"""The verdict over journals of real nights that somebody spoiled: whatever was done to them, they do not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.errors import JournalError
from testbed.journal import reader
from testbed.verdict import judge
from testbed.verdict.finding import Verdict
from tests.edits import EDITS, spoiled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testbed.verdict.result import Result


@pytest.mark.parametrize("variant", ["original", "fixed"])
def test_no_spoiled_journal_of_the_night_holds(replayed: Callable[[str, str], Result], variant: str, tmp_path: Path) -> None:
    """Cut, edited, emptied or written twice: it is refused or unknown, and never `broken`, as if something had been seen."""
    text = replayed("the_night", variant).journal.path.read_text(encoding="utf-8")
    path, believed = tmp_path / "spoiled.jsonl", {}
    for edit in EDITS:
        path.write_text(spoiled(text, edit), encoding="utf-8")
        try:
            verdict = judge.judge(reader.read(path)).verdict
        except JournalError:
            continue
        if verdict is not Verdict.UNKNOWN:
            believed[edit] = verdict.value
    assert believed == {}
