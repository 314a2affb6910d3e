"""What killed testbeds left, and `testbed status` and `testbed down`, which sweep it."""

from __future__ import annotations

import ctypes
import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed.cli import interactive_display, main
from testbed.interactive import control_socket
from testbed.interactive.leftovers import Leftovers
from testbed.runtime import run_directory
from testbed.runtime.run_directory import Remains

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Testbed = Callable[..., tuple[int, str, str]]

# A class or a replay, as far as a sweep sees it: a run directory, a process of it that outlives it, and an array's segment.
RUN = """
import ctypes, subprocess, sys, time
from testbed.runtime import run_directory
run = run_directory.create_run_directory()
child = subprocess.Popen(["sleep", "60"], start_new_session=True)
run.note_pid(child.pid)
array = run.path / "facility-1" / "array"
array.mkdir(parents=True)
key = int(sys.argv[1])
segment = ctypes.CDLL(None).shmget(key, 4096, 0o3600)
(array / "postmaster.pid").write_text(f"1\\n/data\\n1\\n5432\\n\\n127.0.0.1\\n{key} {segment}\\n")
print(run.path, child.pid, flush=True)
time.sleep(60)
"""
# And a facility, as the commands see it.
FACILITY = """
import sys, time
from testbed.interactive import control_socket
with control_socket.claim(sys.argv[1]):
    print("ready", flush=True)
    time.sleep(60)
"""
IPC_RMID = 0


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a directory of this test's own, at a path that is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="left-") as made:
        monkeypatch.setenv("TMPDIR", made)
        monkeypatch.setattr("tempfile.tempdir", None)
        yield Path(made)


@pytest.fixture
def testbed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Testbed:
    """Return the command line as a function of its words."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["testbed", *words])
        with pytest.raises(SystemExit) as end:
            sys.exit(main.main())
        assert isinstance(end.value.code, int | None)
        return (end.value.code or 0, *capsys.readouterr())

    return run


@contextmanager
def started(program: str, word: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a program; yield it and its first line, and kill it."""
    with subprocess.Popen([sys.executable, "-c", program, str(word)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def runs(pid: str) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_ended(pid: str) -> None:
    """Wait until a process that was killed has ended, which takes it a moment."""
    until_s = time.monotonic() + 10
    while runs(pid):
        assert time.monotonic() < until_s, f"process {pid} still runs"
        time.sleep(0.01)


def is_there(key: int) -> bool:
    """Return whether there is a segment of shared memory with this key."""
    return bool(ctypes.CDLL(None).shmget(key, 0, 0) >= 0)


@pytest.fixture
def keys() -> Iterator[tuple[int, int]]:
    """Return two keys for segments of shared memory, which are removed at the end."""
    first = (os.getpid() << 8 | random.randrange(0, 256, 2)) & 0x7FFFFFFF
    libc = ctypes.CDLL(None)
    yield first, first + 1
    for key in (first, first + 1):
        libc.shmctl(libc.shmget(key, 0, 0), IPC_RMID, None)


@pytest.mark.skipif(sys.platform != "linux", reason="start times of processes are read from /proc")
@pytest.mark.parametrize("command", [("status",), ("down",), ("down", "--name", "night")], ids=" ".join)
def test_what_a_killed_run_left_is_swept_and_told_and_a_living_run_is_left_alone(
    testbed: Testbed, command: tuple[str, ...], keys: tuple[int, int]
) -> None:
    """Its process, its segment and its directory are gone after one command, which says so once."""
    dead, living = keys
    with started(RUN, dead) as (killed, left), started(RUN, living) as (_, there):
        path, pid = left.split()
        living_path, living_pid = there.split()
        killed.kill()
        killed.wait()
        assert runs(pid)
        home = run_directory.home()
        code, out, err = testbed(*command)
        assert code == 3
        assert "no facility is running" in err
        assert out == f"swept what killed runs had left: 1 directory in {home}, 1 process, 1 shared memory segment\n"
        wait_ended(pid)
        assert (Path(path).exists(), is_there(dead)) == (False, False)
        assert (Path(living_path).exists(), runs(living_pid), is_there(living)) == (True, True, True)
        assert testbed(*command) == (code, "", err)
        os.kill(int(living_pid), 9)


def test_the_home_goes_with_the_last_that_was_swept(testbed: Testbed, temporary: Path) -> None:
    """Of run directories and of sockets, whose facilities are named."""
    (run_directory.home() / "run-dead").mkdir(parents=True)
    (run_directory.home() / "run-dead" / run_directory.LOCK).touch()
    with started(FACILITY, "night") as (killed, _):
        pass
    killed.wait()
    _, out, _ = testbed("status")
    assert out == f"swept what killed runs had left: 1 directory in {run_directory.home()}, 1 control socket (night)\n"
    assert list(temporary.iterdir()) == []


def test_a_facility_that_runs_keeps_its_socket(testbed: Testbed) -> None:
    """Only that of the dead one beside it is swept."""
    with started(FACILITY, "night") as (killed, _):
        pass
    killed.wait()
    with started(FACILITY, "noon"):
        assert testbed("status", "--name", "night")[1] == "swept what killed runs had left: 1 control socket (night)\n"
        assert control_socket.running() == ("noon",)


def test_nothing_is_swept_for_a_wrong_name(testbed: Testbed) -> None:
    """The command is wrong usage, and does nothing."""
    (run_directory.home() / "run-dead").mkdir(parents=True)
    (run_directory.home() / "run-dead" / run_directory.LOCK).touch()
    code, out, _ = testbed("down", "--name", "No Name")
    assert (code, out) == (2, "")
    assert (run_directory.home() / "run-dead").exists()


def test_what_was_swept_is_one_line() -> None:
    """Of any number, each with its noun; nothing swept is nothing told."""
    several = Leftovers((Remains(Path("/a/run-1"), 2, 1), Remains(Path("/b/run-2"), 1, 1)), ("night", "noon"))
    assert interactive_display.swept_text(several) == (
        "swept what killed runs had left: 2 directories in /a, /b, 3 processes, 2 shared memory segments, 2 control sockets (night, noon)"
    )
    assert interactive_display.swept_text(Leftovers((), ())) is None
