from __future__ import annotations

import asyncio
import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from testbed.errors import ServiceError
from testbed.runtime.child import environment, python, spawn
from testbed.runtime.owner import Owner
from tests.other_user import OTHER, needs_root

# A small testbed: starts a child, prints its process id, and waits to be killed.
PARENT = """
import pathlib, sys, time
from testbed.runtime.child import environment, python, spawn
child = spawn("sleeper", ["/bin/sleep", "60"], pathlib.Path(sys.argv[1]))
print(child.process.pid, flush=True)
time.sleep(60)
"""


def wait_gone(pid: int, within_s: float = 5.0) -> bool:
    """Wait until a process has ended; return False when it still runs after `within_s` seconds."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """Not even `kill -9` leaves a process."""
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert wait_gone(pid)


async def test_a_child_that_ignores_the_orderly_signal_is_killed(tmp_path: Path) -> None:
    """The orderly signal comes first, SIGKILL when the time is over, and the result says which of the two ended it."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    child = spawn("deaf", [sys.executable, "-c", deaf], tmp_path / "log")
    async with asyncio.timeout(10):
        while "deaf" not in child.last_lines():
            await asyncio.sleep(0.01)
    assert not await child.end(signal.SIGTERM, 0.2)
    assert child.process.poll() == -signal.SIGKILL
    sleeper = spawn("sleeper", ["/bin/sleep", "60"], tmp_path / "log")
    assert await sleeper.end(signal.SIGTERM, 10)
    assert sleeper.pid is None


async def test_a_paused_child_can_be_ended(tmp_path: Path) -> None:
    """SIGSTOP keeps nothing alive."""
    child = spawn("sleeper", ["/bin/sleep", "60"], tmp_path / "log")
    child.signal(signal.SIGSTOP)
    assert await child.end(signal.SIGTERM, 10)


async def test_a_program_that_does_not_exist_says_so_in_the_log(tmp_path: Path) -> None:
    """The last lines name it, and the exit code is a shell's."""
    child = spawn("nothing", ["/no/such/program"], tmp_path / "log")
    assert await child.wait_exit(10)
    assert child.process.poll() == 127
    assert child.last_lines() == "/no/such/program: No such file or directory"


def test_a_log_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    """It names the service."""
    with pytest.raises(ServiceError, match=r"sleeper cannot be started: .*No such file"):
        spawn("sleeper", ["/bin/sleep", "1"], tmp_path / "no" / "log")


async def test_a_log_is_for_this_user_alone(tmp_path: Path) -> None:
    """Even with a umask that permits everything, and whoever writes it."""
    before = os.umask(0)
    try:
        await spawn("writer", ["/bin/echo", "a line"], tmp_path / "log").wait_done(10)
    finally:
        os.umask(before)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


async def test_a_program_that_fails_gives_its_last_lines(tmp_path: Path) -> None:
    """By exit code or by signal, each in its own words; and one that takes too long is ended."""
    fails = spawn("fails", ["/bin/sh", "-c", "echo why; exit 3"], tmp_path / "fails")
    with pytest.raises(ServiceError, match="fails failed with exit code 3:\nwhy"):
        await fails.wait_done(10)
    killed = spawn("killed", ["/bin/sh", "-c", "kill -9 $$"], tmp_path / "killed")
    with pytest.raises(ServiceError, match="killed failed with SIGKILL"):
        await killed.wait_done(10)
    slow = spawn("slow", ["/bin/sleep", "60"], tmp_path / "slow")
    with pytest.raises(ServiceError, match=r"slow was not done within 0\.1 s"):
        await slow.wait_done(0.1)
    assert slow.pid is None
    await spawn("works", ["/bin/sleep", "0"], tmp_path / "works").wait_done(10)


async def test_a_program_whose_wait_is_cancelled_is_ended(tmp_path: Path) -> None:
    """Before the cancellation is passed on."""
    child = spawn("slow", ["/bin/sleep", "60"], tmp_path / "slow")
    waiting = asyncio.create_task(child.wait_done(60))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert child.pid is None


def test_a_users_environment_does_not_make_another_facility(monkeypatch: pytest.MonkeyPatch) -> None:
    """Web proxies, libpq's defaults and warnings made errors stay here; all else is passed on. The testbed's own word to libpq is added."""
    for name in ("http_proxy", "HTTPS_PROXY", "all_proxy", "no_proxy", "PGSSLMODE", "PGSERVICE", "PYTHONWARNINGS", "ELSE"):
        monkeypatch.setenv(name, "x")
    passed = environment()
    assert [name for name in passed if name.lower().endswith("proxy") or name.startswith("PG")] == ["PGREQUIREAUTH"]
    assert "PYTHONWARNINGS" not in passed
    assert passed["ELSE"] == "x"


@needs_root
async def test_a_process_of_another_user_has_none_of_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what it needs to run, with that user's home: whoever is that user can read its environment."""
    kept = {"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C"}
    for name, value in {**kept, "API_TOKEN": "x", "HOME": "/root/of/ours", "PYTHONPATH": "x", "LCX": "x", "MYPATH": "x"}.items():
        monkeypatch.setenv(name, value)
    user = pwd.getpwnam(OTHER)
    child = spawn("sleeper", ["/bin/sleep", "60"], tmp_path / "log", owner=Owner(OTHER, user.pw_uid, user.pw_gid))
    try:
        process = psutil.Process(child.process.pid)
        async with asyncio.timeout(10):
            while process.name() != "sleep" or not process.environ():  # which the kernel fills a moment later
                await asyncio.sleep(0.01)
        passed = process.environ()
    finally:
        await child.end(signal.SIGKILL, 10)
    loader = {"LANG", "LANGUAGE", "LD_LIBRARY_PATH", *(name for name in passed if name.startswith("LC_"))}
    assert {name: value for name, value in passed.items() if name not in loader - kept.keys()} == {
        **kept,
        "HOME": user.pw_dir,
        "PGREQUIREAUTH": "scram-sha-256",
    }


async def test_a_module_in_the_working_directory_is_not_taken_for_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a `random.py` in the directory from which the testbed is called."""
    for name in ("random", "json", "testbed"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours')")
    monkeypatch.chdir(tmp_path)
    ours = spawn("module", python("testbed.registry"), tmp_path / "log")
    await ours.wait_done(20)
    assert ours.last_lines() == ""
    with pytest.raises(ServiceError, match="not ours"):  # as it comes out without that care
        await spawn("module", [sys.executable, "-m", "testbed.registry"], tmp_path / "trap").wait_done(20)
