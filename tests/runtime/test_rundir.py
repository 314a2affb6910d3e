from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.errors import FacilityError
from testbed.runtime import rundir

# Makes a run directory with a process in it, prints both, and then is killed or waits.
OWNER = """
import subprocess, sys, time
from testbed.runtime import rundir
run = rundir.create()
child = subprocess.Popen(["sleep", "60"], start_new_session=True)
run.note_pid(child.pid)
print(run.path, child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep this test's run directories apart from everybody's."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def owner() -> tuple[subprocess.Popen[str], Path, int]:
    """Start an owner of a run directory; gives it, the directory, and the process that it noted."""
    process = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    path, pid = process.stdout.readline().split()
    return process, Path(path), int(pid)


def runs(pid: int) -> bool:
    """Tell whether a process is there, other than as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def end(process: subprocess.Popen[str]) -> None:
    """Kill and collect."""
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.skipif(sys.platform != "linux", reason="start times of processes are read from /proc")
def test_what_a_killed_run_left_is_cleaned_by_the_next() -> None:
    """Its directory is removed, and a process noted there that still runs is ended."""
    process, path, pid = owner()
    end(process)
    assert runs(pid)
    assert rundir.sweep() == (path,)
    assert not path.exists()
    deadline = time.monotonic() + 10
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.01)  # killed is not yet gone
    assert not runs(pid)


def test_a_living_run_is_left_alone_and_two_runs_have_two_directories() -> None:
    """The lock tells the living from the dead."""
    process, path, pid = owner()
    try:
        mine = rundir.create()
        assert rundir.sweep() == ()
        assert path.exists()
        assert mine.path != path
        mine.remove()
    finally:
        end(process)
        os.kill(pid, 9)


def test_a_process_id_that_was_given_to_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """A noted process is ended only when it started when it was noted."""
    directory = tmp_path / rundir.home().name / "run-dead"
    directory.mkdir(parents=True)
    (directory / rundir.LOCK).touch()
    (directory / rundir.PIDS).write_text(f"{os.getpid()} 12345\n0 \n-1 7\nnonsense\n")
    assert rundir.sweep() == (directory,)  # and this process is still here to say so


def test_no_permission_is_one_clear_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the place and the way out; a file stands for what root may not do either."""
    (home / "file").touch()
    monkeypatch.setenv("TMPDIR", str(home / "file"))
    monkeypatch.setattr("testbed.runtime.rundir._temporary", lambda: str(home / "file"))
    with pytest.raises(FacilityError, match=r"no run directory can be made in .*: Not a directory; set TMPDIR"):
        rundir.create()
