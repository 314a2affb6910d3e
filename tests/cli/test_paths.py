"""Paths on the command line that lead to no file as it is wanted: each command refuses them in a line, and waits for nothing."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed.cli import main, matrix, replay, scan
from testbed.journal.writer import JournalWriter
from tests.journals import hung_night

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Testbed = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).parents[2]
WITHIN_S = 60
LINE_CHARACTERS = 700  # a path of 300 characters may stand in it twice


@pytest.fixture
def testbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Testbed]:
    """Return the command line as a function, in a directory with a pipe, a loop and a journal; it may neither wait nor replay."""

    def fail(_: int, __: FrameType | None) -> None:
        raise TimeoutError("it waits")

    def replayed(work: object) -> None:
        work.close()  # type: ignore[attr-defined]
        raise AssertionError("something was replayed")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["testbed", *words])
        with pytest.raises(SystemExit) as end:
            main.main()
        assert isinstance(end.value.code, int)
        return (end.value.code, *capsys.readouterr())

    for module in (matrix, replay, scan):
        monkeypatch.setattr(module, "interruptible", replayed)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    os.mkfifo("pipe")
    os.mkfifo("folder/pipe.jsonl")
    made = hung_night().journal()
    with JournalWriter(tmp_path / "held.jsonl", made.header) as writer:
        for event in made.events:
            writer.append(event)
    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(WITHIN_S)
    yield run
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("plan pipe", "pipe: 1 mistake\n  cannot be read: it is a named pipe; allowed: a regular file"),
        ("plan /dev/zero", "/dev/zero: 1 mistake\n  cannot be read: it is a device; allowed: a regular file"),
        ("plan folder", "cannot be read: Is a directory"),
        ("replay pipe", "it is a named pipe"),
        ("scan pipe", "it is a named pipe"),
        ("matrix --scenario pipe", "it is a named pipe"),
        ("judge pipe", "the journal pipe cannot be read: it is a named pipe; allowed: a regular file"),
        ("judge /dev/zero", "the journal /dev/zero cannot be read: it is a device; allowed: a regular file"),
        ("judge folder", "folder/pipe.jsonl cannot be read: it is a named pipe"),
        ("trace calm pipe", "FILE: pipe cannot be written: it is a named pipe that nobody reads"),
        ("judge held.jsonl --json pipe", "--json: pipe cannot be written: it is a named pipe that nobody reads"),
        ("judge held.jsonl --svg pipe", "--svg: pipe cannot be written: it is a named pipe that nobody reads"),
        ("replay calm --json pipe", "--json: pipe cannot be written: it is a named pipe that nobody reads"),
        ("scan --out pipe", "--out: pipe cannot be written: it is a named pipe that nobody reads"),
        ("scan --json pipe", "--json: pipe cannot be written: it is a named pipe that nobody reads"),
    ],
)
def test_no_command_waits_for_a_pipe(testbed: Testbed, words: str, message: str) -> None:
    """Nor reads a device without an end."""
    code, _, err = testbed(*words.split())
    assert (code, message in err) == (2, True), err


@pytest.mark.parametrize("words", ["show the_night --kept kept", "--scenario calm --against kept", "merge kept --out new"])
def test_no_matrix_waits_for_a_pipe(testbed: Testbed, words: str) -> None:
    """Wherever its files are read."""
    shutil.copytree(ROOT / "scenarios" / "containment", "kept")
    os.mkfifo("kept/processes/other.jsonl")
    code, _, err = testbed("matrix", *words.split())
    assert (code, "kept/processes/other.jsonl cannot be read: it is a named pipe; allowed: a regular file" in err) == (2, True), err


def test_no_matrix_is_added_to_a_pipe(testbed: Testbed) -> None:
    """Neither in the folder that it is written to, nor in its checkpoint."""
    shutil.copytree(ROOT / "scenarios" / "containment", "kept")
    os.mkfifo("kept/processes/other.jsonl")
    code, _, err = testbed("matrix", "--scenario", "calm", "--out", "kept")
    assert (code, "kept/processes/other.jsonl cannot be read: it is a named pipe" in err) == (2, True), err
    Path("runs").mkdir()
    os.mkfifo("runs/cells.jsonl")
    code, _, err = testbed("matrix", "--scenario", "calm", "--runs", "runs")
    assert (code, "--runs: runs/cells.jsonl cannot be read: it is a named pipe" in err) == (2, True), err


def test_a_pipe_of_the_users_own_folders_is_passed_over(testbed: Testbed) -> None:
    """It is neither a scenario nor variants."""
    Path("scenarios").mkdir()
    for name in ("mine.toml", "variants.toml"):
        os.mkfifo(f"scenarios/{name}")
    code, _, err = testbed("plan", "mine")
    assert (code, "no scenario 'mine'" in err) == (2, True), err
