"""The verdict over journals of real nights that somebody spoiled: whatever was done to them, they do not hold."""

from __future__ import annotations

import itertools
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from testbed.errors import JournalError
from testbed.journal import reader
from testbed.verdict import judge
from testbed.verdict.finding import Verdict
from tests.edits import EDITS, spoiled
from tests.losses import LOSSES, contradictions, lost, meaning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testbed.verdict.result import Result


# A hang, a hang that a restart ends, errors, time-outs, nothing at all, a slow database, leaks, what shows on one link only, and what fails
# at once.
NIGHTS = (
    ("the_night", "original"),
    ("the_night", "fixed"),
    ("slow_database", "original"),
    ("backlog_full", "original"),
    ("failure_modes", "checkout_timeout"),
    ("retry_storm", "retrying"),
    ("disk_full", "fixed"),
    ("calm", "original"),
    ("wrong_address", "physical"),
)
SEEDS = 100
WITHIN_S = 15.0  # for all of them: as many losses as there is time for, the same ones on each machine


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


@pytest.mark.parametrize(("scenario", "variant"), NIGHTS, ids=["-".join(night) for night in NIGHTS])
def test_less_seen_never_makes_another_verdict(replayed: Callable[[str, str], Result], scenario: str, variant: str) -> None:
    """Looks that are missing, late or empty, and evidence that was not had: what held is not broken for them, nor the other way round."""
    journal = replayed(scenario, variant).journal
    before, until_s = meaning(journal), time.monotonic() + WITHIN_S / len(NIGHTS)
    claimed: dict[str, list[str]] = {}
    for seed, loss in itertools.product(range(SEEDS), LOSSES):
        found = contradictions(before, meaning(lost(journal, loss, Random(seed))))
        if found:
            claimed[f"{loss}, seed {seed}"] = found
        if time.monotonic() > until_s:
            break
    assert claimed == {}
