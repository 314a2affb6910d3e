from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scenarios.descendants import descendants, needs_linux
from testbed.journal import reader
from testbed.runtime import run_directory

if TYPE_CHECKING:
    from collections.abc import Callable

SCENARIOS = Path(__file__).parent
WITHIN_S = 30.0

pytestmark = needs_linux


def wait(reached: Callable[[], object], what: str) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + WITHIN_S
    while not reached():
        assert time.monotonic() < deadline, f"not within {WITHIN_S:.0f} s: {what}"
        time.sleep(0.02)


class Run:
    """A replay of the calm night with run directories and journals below a directory of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.printed = home / "printed"
        self.runs = home / "runs"
        command = [sys.executable, "-m", "testbed", "replay", str(SCENARIOS / "calm.toml"), "--variant", "fixed", "--runs", str(self.runs)]
        with self.printed.open("ab") as printed:
            self.process = subprocess.Popen(command, stdout=printed, stderr=printed, env={**os.environ, "TMPDIR": str(home)})

    def processes(self) -> list[int]:
        """Return the ids of all processes that it started, found by the environment they inherit."""
        return descendants(self.home)

    def directories(self) -> list[Path]:
        """Return the existing run directories."""
        return [path for path in self.home.glob("testbed-*/*") if path.is_dir()]

    def wait_night(self) -> Path:
        """Wait until requests have been sent; return the path of the journal."""

        def sent() -> bool:
            assert self.process.poll() is None, self.printed.read_text()
            return any('"request"' in path.read_text() for path in self.runs.glob("*/*.jsonl"))

        wait(sent, "a request in the journal")
        return next(self.runs.glob("*/*.jsonl"))


def test_a_killed_replay_leaves_no_process_and_the_next_cleans_its_directory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kill -9` in the middle of the night: the kernel ends the facility, a sweep removes the rest, and the journal can be read."""
    run = Run(home)
    journal = run.wait_night()
    assert len(run.processes()) > 8
    run.process.kill()
    run.process.wait()
    wait(lambda: not run.processes(), "the end of every process")
    assert len(run.directories()) == 1
    read = reader.read(journal)
    assert read.end is None
    assert read.transactions
    monkeypatch.setenv("TMPDIR", str(home))
    monkeypatch.setattr("tempfile.tempdir", None)
    left = run.directories()
    assert list(run_directory.sweep()) == left
    assert run.directories() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_replay_cleans_up_by_itself(home: Path, number: signal.Signals) -> None:
    """Nothing is left running or lying about, the exit code tells the signal, and the journal says that it was interrupted."""
    run = Run(home)
    journal = run.wait_night()
    run.process.send_signal(number)
    assert run.process.wait(WITHIN_S) == 128 + number
    assert run.processes() == []
    assert run.directories() == []
    end = reader.read(journal).end
    assert end is not None
    assert end.reason == "interrupted"
    assert "Traceback" not in run.printed.read_text()


def test_two_replays_at_once_do_not_meet(home: Path) -> None:
    """Both come out as they should, each from a run directory of its own, in one home."""
    both = [Run(home), Run(home)]
    wait(lambda: len(both[0].directories()) == 2, "two run directories")
    assert [run.process.wait(60) for run in both] == [0, 0], both[0].printed.read_text()
    assert both[0].directories() == []
