"""Paths on the command line that lead to no file as it is wanted: each command refuses them in a line, and waits for nothing."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from testbed.cli import main, matrix, replay, scan
from testbed.fakes.backend import FakeBackend
from testbed.fakes.virtual_time import run as in_virtual_time
from testbed.journal import reader
from testbed.journal.writer import JournalWriter
from testbed.runtime import backends
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
        ("judge held.jsonl --html pipe", "--html: pipe cannot be written: it is a named pipe that nobody reads"),
        ("report pipe --html a.html", "the journal pipe cannot be read: it is a named pipe; allowed: a regular file"),
        ("report held.jsonl --html pipe", "--html: pipe cannot be written: it is a named pipe that nobody reads"),
        ("report held.jsonl --markdown pipe", "--markdown: pipe cannot be written: it is a named pipe that nobody reads"),
        ("report held.jsonl --junit pipe", "--junit: pipe cannot be written: it is a named pipe that nobody reads"),
        ("replay calm --html pipe", "--html: pipe cannot be written: it is a named pipe that nobody reads"),
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


PATHS = {"x" * 300: "long", "loop/a": "loop", "held.jsonl/a": "file", f"{'x' * 300}/a": "below-long"}
COMMANDS = (
    "plan {}.toml",
    "replay {}.toml",
    "scan {}.toml",
    "matrix --scenario {}.toml",
    "judge {}",
    "judge --runs {}",
    "judge held.jsonl --json {}",
    "judge held.jsonl --svg {}",
    "judge held.jsonl --html {}",
    "report {} --html a.html",
    "report held.jsonl --html {}",
    "report held.jsonl --markdown {}",
    "report held.jsonl --junit {}",
    "replay calm --html {}",
    "trace calm {}",
    "replay calm --json {}",
    "scan --json {}",
    "scan --out {}",
    "matrix --out {} --scenario calm",
    "matrix --against {}",
    "matrix --runs {} --scenario calm",
    "matrix merge {} --out new",
    "matrix show calm --kept {}",
)


@pytest.mark.parametrize("path", PATHS, ids=PATHS.get)
@pytest.mark.parametrize("words", COMMANDS)
def test_a_path_that_cannot_be_is_wrong_usage(testbed: Testbed, words: str, path: str) -> None:
    """In a line that names it, and no bug of the testbed."""
    require_refusal(*testbed(*words.format(path).split()), path)


@pytest.mark.parametrize("path", PATHS, ids=PATHS.get)
@pytest.mark.parametrize("words", ["replay calm --runs {}", "scan --runs {}"])
def test_a_directory_for_journals_that_cannot_be_is_wrong_usage(
    testbed: Testbed, words: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made when the work begins."""
    monkeypatch.setattr(backends, "of", lambda *_, **__: FakeBackend())
    for module in (replay, scan):
        monkeypatch.setattr(module, "interruptible", in_virtual_time)
    require_refusal(*testbed(*words.format(path).split()), path)


def test_whatever_the_system_refuses_of_a_given_path_is_wrong_usage(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where no command expects it; of any other path it is a bug of the testbed."""
    error = OSError(errno.ENAMETOOLONG, "File name too long", "held.jsonl")
    monkeypatch.setattr(reader, "read", Mock(side_effect=error))
    assert testbed("judge", "held.jsonl") == (2, "", "testbed: held.jsonl: File name too long; give another path\n")
    assert testbed("judge", "other.jsonl")[0] == 4


def require_refusal(code: int, _: str, err: str, path: str) -> None:
    """Check that a command ended as for wrong usage, with one message that names the path."""
    assert code == 2, err
    assert path in err.replace("\n", "")
    assert "[Errno" not in err
    assert len(err.splitlines()) <= 2
    assert all(len(line) <= LINE_CHARACTERS for line in err.splitlines())
    assert not Path(".testbed/errors").exists()
