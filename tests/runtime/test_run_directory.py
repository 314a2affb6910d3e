from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.errors import FacilityError, ProxyError
from testbed.facility.address import Address
from testbed.interactive import control_socket
from testbed.runtime import run_directory, user_home
from testbed.runtime.postgres.array import Array

# Makes a run directory, notes a process in it, prints both, and waits to be killed.
OWNER = """
import subprocess, sys, time
from testbed.interactive import control_socket
from testbed.runtime import run_directory, user_home
run = run_directory.create_run_directory()
child = subprocess.Popen(["sleep", "60"], start_new_session=True)
run.note_pid(child.pid)
print(run.path, child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory of this test's own for run directories."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def owner() -> tuple[subprocess.Popen[str], Path, int]:
    """Start an owner of a run directory; return it, the directory, and the process that it noted."""
    process = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    path, pid = process.stdout.readline().split()
    return process, Path(path), int(pid)


def runs(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process and wait for it."""
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
    assert run_directory.sweep() == (path,)
    assert not path.exists()
    deadline = time.monotonic() + 10
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.01)  # a killed process takes a moment to end
    assert not runs(pid)


def test_a_living_run_is_left_alone_and_two_runs_have_two_directories() -> None:
    """The lock tells the living from the dead."""
    process, path, pid = owner()
    try:
        mine = run_directory.create_run_directory()
        assert run_directory.sweep() == ()
        assert path.exists()
        assert mine.path != path
        mine.remove()
    finally:
        end(process)
        os.kill(pid, 9)


def test_a_process_id_that_was_reused_is_left_alone(tmp_path: Path) -> None:
    """A noted process is ended only when it started when it was noted."""
    directory = tmp_path / run_directory.home().name / "run-dead"
    directory.mkdir(parents=True)
    (directory / run_directory.LOCK).touch()
    (directory / run_directory.PIDS).write_text(f"{os.getpid()} 12345\n0 \n-1 7\nnonsense\n")
    assert run_directory.sweep() == (directory,)  # and this process is still here to say so


def test_no_permission_is_one_clear_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the place and what to set; a file is what not even root may write into."""
    (home / "file").touch()
    monkeypatch.setenv("TMPDIR", str(home / "file"))
    with pytest.raises(FacilityError, match=rf"no run directory can be made in {home}/file/testbed-\d+: Not a directory; set TMPDIR"):
        run_directory.create_run_directory()
    assert run_directory.sweep() == ()


def test_the_last_run_to_end_removes_the_home(home: Path) -> None:
    """And the next run makes it again."""
    first, second = run_directory.create_run_directory(), run_directory.create_run_directory()
    first.remove()
    assert list(run_directory.home().iterdir()) == [second.path]
    second.remove()
    assert list(home.iterdir()) == []
    run_directory.create_run_directory().remove()


def test_a_place_of_another_user_is_neither_used_nor_swept(home: Path) -> None:
    """It could name any process to be ended; a link stands in for a directory of another user."""
    elsewhere = home / "elsewhere"
    (elsewhere / "run-theirs").mkdir(parents=True)
    (elsewhere / "run-theirs" / run_directory.LOCK).touch()
    run_directory.home().symlink_to(elsewhere)
    assert run_directory.sweep() == ()
    with pytest.raises(FacilityError, match="belongs to another user; set TMPDIR"):
        run_directory.create_run_directory()
    assert (elsewhere / "run-theirs" / run_directory.LOCK).exists()


def test_what_is_noted_for_the_next_run_is_for_this_user_alone() -> None:
    """Even with a umask that permits everything."""
    before = os.umask(0)
    try:
        run = run_directory.create_run_directory()
        run.note_pid(os.getpid())
    finally:
        os.umask(before)
    assert [file.name for file in run.path.iterdir() if file.stat().st_mode & 0o077] == []
    run.remove()


def test_every_user_may_pass_through_whatever_our_umask_and_look_at_nothing() -> None:
    """As root, PostgreSQL runs as another user; the others have nothing to read there."""
    before = os.umask(0o077)
    try:
        run = run_directory.create_run_directory()
        run_directory.make_directory(run.path / "one" / "two")
    finally:
        os.umask(before)
    paths = (run_directory.home(), run.path, run.path / "one", run.path / "one" / "two")
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o711] * 4
    run.remove()


def test_a_removal_that_was_cut_short_is_finished_by_the_next_sweep() -> None:
    """Whether all but the lock is removed already, or the lock as well."""
    place = run_directory.home()
    for name in ("run-a", "run-b"):
        run_directory.make_directory(place / name)
    (place / "run-a" / run_directory.LOCK).touch()
    run_directory.make_directory(place / "new-old")
    os.utime(place / "new-old", (0, 0))
    run_directory.make_directory(place / "new-now")
    run_directory.sweep()
    assert [path.name for path in place.iterdir()] == ["new-now"]


def test_a_home_that_goes_away_under_a_sweep_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run was the last to end there, just after this one had looked whose it is."""
    monkeypatch.setattr(user_home, "is_ours", lambda place: not place.exists())
    assert not run_directory.home().exists()
    assert run_directory.sweep() == ()
    assert control_socket.running() == ()


def test_sweeps_at_the_same_time_do_not_disturb_each_other() -> None:
    """Each directory is removed by one of them, and none complains."""
    for number in range(100):
        run_directory.make_directory(run_directory.home() / f"run-{number}" / "facility" / "array")
        (run_directory.home() / f"run-{number}" / run_directory.LOCK).touch()
    sweeping = [sys.executable, "-c", "from testbed.runtime import run_directory; print(len(run_directory.sweep()))"]
    sweeps = [subprocess.Popen(sweeping, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [sweep.communicate(timeout=30) for sweep in sweeps]
    assert [errors for _, errors in outputs] == [""] * 3
    assert sum(int(removed) for removed, _ in outputs) == 100
    assert list(run_directory.home().iterdir()) == []


def test_proxies_of_a_killed_run_are_removed_from_a_toxiproxy_that_still_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """By their whole names, and no others; a Toxiproxy that is gone has none left."""
    deleted: list[tuple[str, int, str]] = []

    class Client:
        def __init__(self, host: str, port: int) -> None:
            self.address = (host, port)

        def delete(self, name: str) -> None:
            deleted.append((*self.address, name))
            raise ProxyError("no answer")

    monkeypatch.setattr(run_directory, "FaultProxyClient", Client)
    run = run_directory.create_run_directory()
    run.note_proxy(Address("127.0.0.1", 8474), "virtual-ip-1")
    run.note_proxy(Address("::1", 8475), "virtual-ip-2")
    assert run_directory.sweep() == ()
    os.close(run.lock_fd)  # as by a death
    assert run_directory.sweep() == (run.path,)
    assert deleted == [("127.0.0.1", 8474, "virtual-ip-1"), ("::1", 8475, "virtual-ip-2")]


@pytest.mark.skipif(sys.platform != "linux", reason="which processes have a file open is read from /proc")
def test_a_process_of_a_dead_runs_database_server_is_ended() -> None:
    """Also one that was paused when all others ended, and that was not noted: it has the array's lock open."""
    run = run_directory.create_run_directory()
    array = Array(run.path / "facility-1" / "storage")
    run_directory.make_directory(array.root)
    lock_fd = array.lock()
    holder = subprocess.Popen(["/bin/sleep", "60"], pass_fds=(lock_fd,))
    os.close(lock_fd)
    os.close(run.lock_fd)
    assert run_directory.sweep() == (run.path,)
    assert holder.wait(10) == -9


@pytest.mark.skipif(not Path("/bin/ps").exists(), reason="there is no ps here")
def test_where_there_is_no_proc_a_start_time_comes_from_ps() -> None:
    """As on macOS: the same for the same process, and none for one that has ended."""
    ask = run_directory._started_by_ps  # noqa: SLF001 - the other platform's half of it
    assert ask(os.getpid()) == ask(os.getpid()) != ""
    ended = subprocess.Popen(["/bin/sleep", "0"])
    ended.wait()
    assert ask(ended.pid) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="states of processes are read from /proc")
def test_a_process_that_has_ended_and_was_not_waited_for_has_ended() -> None:
    """Its number is taken until somebody asks for it, as where nobody looks after orphans; it is no process to be swept."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert run_directory.started(process.pid)
    assert process.stdin is not None
    process.stdin.close()
    deadline_s = time.monotonic() + 10
    while run_directory.started(process.pid) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert Path(f"/proc/{process.pid}").exists()
    assert run_directory.started(process.pid) == ""
    process.wait()
