from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from testbed.errors import JournalError
from testbed.journal import reader
from testbed.verdict import judge
from testbed.verdict.finding import Verdict
from tests.edits import EDITS, OF_FAILED, spoiled
from tests.nights import Flight, scenario

VARIANTS = """
[variants.hardened.expect]
outcome = "unharmed"

[variants.checkout_timeout.expect]
outcome = "grounded"
"""
OUTCOMES = {"original": "grounded", "fixed": "contained", "hardened": "unharmed", "checkout_timeout": "grounded"}


@cache
def text_of(variant: str) -> str:
    """Return the journal of a night on fakes; nothing but its outcome is expected of it, so that little can contradict an edit."""
    with TemporaryDirectory() as directory:
        flight = Flight(scenario(Path(directory), variants=VARIANTS), variant, Path(directory))
        flight.fly()
        return flight.path.read_text(encoding="utf-8")


def verdict_of(text: str, directory: Path) -> Verdict | None:
    """Return the verdict of a journal; None if it is refused."""
    path = directory / "spoiled.jsonl"
    path.write_text(text, encoding="utf-8")
    try:
        return judge.judge(reader.read(path)).verdict
    except JournalError:
        return None


def test_there_are_sixty_ways_at_least() -> None:
    """Over four variants, with three outcomes."""
    assert len(EDITS) >= 60
    assert len(OUTCOMES) >= 4


@pytest.mark.parametrize(("variant", "outcome"), OUTCOMES.items())
def test_a_journal_that_nobody_touched_holds(variant: str, outcome: str, tmp_path: Path) -> None:
    """Else the tests below would show nothing."""
    assert verdict_of(text_of(variant), tmp_path) is Verdict.HELD
    assert judge.judge(reader.read(tmp_path / "spoiled.jsonl")).outcome == outcome


@pytest.mark.parametrize(
    ("variant", "edit"), [(variant, edit) for variant in OUTCOMES for edit in EDITS if variant != "hardened" or edit not in OF_FAILED]
)
def test_no_spoiled_journal_holds(variant: str, edit: str, tmp_path: Path) -> None:
    """Refused or unknown; and never broken, which would say that something was seen."""
    assert verdict_of(spoiled(text_of(variant), edit), tmp_path) in (None, Verdict.UNKNOWN)
