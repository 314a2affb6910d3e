"""Journals that a command is given, judged: files, directories of them, or the last run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.cli.output import reading, warn
from testbed.errors import UsageError
from testbed.experiments import batch, run_folders
from testbed.journal import reader
from testbed.verdict import judge
from testbed.verdict.result import Result

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from testbed.journal.reader import Journal


def judged(paths: Sequence[Path], runs: str | None) -> list[Result]:
    """Judge the journals at some paths, or those of the last run below `runs`; raises UsageError where there are none.

    Each took as long as its last event says. Tracebacks of checks that themselves failed are kept beside the journals.
    """
    read = [journal for path in paths or (_latest(run_folders.runs_home(runs)),) for journal in _journals(path)]
    results = [Result(journal, judge.judge(journal), max((event.t_s for event in journal.events), default=0.0)) for journal in read]
    for result in results:
        batch.keep_tracebacks(result.journal.path, result.judgement)
    return results


def _latest(home: Path) -> Path:
    """Return the last run: where `latest` leads, or else the newest that is there, with a warning; raises UsageError without any."""
    latest = home / run_folders.LATEST
    with reading("--runs", home):
        if latest.exists():
            return latest
        found = [path for path in home.iterdir() if path.is_dir() and any(path.rglob("*.jsonl"))] if home.is_dir() else []
    lost = "is a link that leads nowhere" if latest.is_symlink() else "is not there"
    if not found:
        advice = "`testbed replay` makes one, or give a journal or a directory"
        raise UsageError(
            f"there is no run in {home}, and {latest} {lost}; {advice}"
            if latest.is_symlink()
            else f"there is no run at {latest} yet; {advice}"
        )
    newest = max(found, key=lambda path: path.name)  # names begin with the time
    warn(f"{latest} {lost}; judged is the newest run, {newest}")
    return newest


def _journals(path: Path) -> list[Journal]:
    """Return the journal of a file, or all journals below a directory, in the order in which their replays started."""
    with reading("JOURNALS", path):
        files = sorted(path.resolve().rglob("*.jsonl")) if path.is_dir() else [path]
    if not files:
        raise UsageError(f"there are no journals (*.jsonl) in {path}; give another directory or file")
    return sorted((reader.read(file) for file in files), key=lambda journal: journal.header.started_at)
