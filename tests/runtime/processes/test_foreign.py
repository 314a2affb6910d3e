"""Programs of somebody else's: started, found, ended with all that they started, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from testbed.errors import ServiceError
from testbed.facility.runtime import ServiceSpec
from testbed.runtime import run_directory
from testbed.runtime.child import proc_state
from testbed.runtime.processes import keeper
from testbed.runtime.processes.runtime import Processes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WITHIN_S = 20.0
# Each writes the ids of all its processes to `pids`. The second leaves its parent, its group and its session, as a daemon does.
SLEEPS = "import os, time; open('pids', 'a').write(f'{os.getpid()}\\n'); time.sleep(600)"
FORKS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def note(): open('pids', 'a').write(f'{os.getpid()}\\n')
note()
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note()
    time.sleep(600)
print('forked', flush=True)
time.sleep(600)
"""
# A testbed that is killed: it starts the program of its arguments, says so, and waits.
TESTBED = """
import sys, time
from pathlib import Path
from testbed.facility.runtime import ServiceSpec
from testbed.runtime.processes import foreign
home, *command = sys.argv[1:]
process = foreign.start(ServiceSpec('cf-1', '', command=tuple(command), directory=home), Path(home) / 'log')
print(process.pid, process.keeper.pid, flush=True)
time.sleep(600)
"""


def program(home: Path, text: str, *arguments: str) -> ServiceSpec:
    """Return a program in Python, started in a directory."""
    return ServiceSpec("cf-1", "", command=(sys.executable, "-c", text, *arguments), directory=str(home))


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something holds; raise AssertionError if it does not in time."""
    until = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def noted(home: Path, count: int) -> list[int]:
    """Wait until so many processes have noted their ids, and return these."""

    def ids() -> list[int]:
        file = home / "pids"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    wait_for(lambda: len(ids()) == count)
    return ids()


def is_gone(pid: int) -> bool:
    """Whether a process has ended."""
    return run_directory.started(pid) == ""


async def test_its_lines_and_its_exit_are_told(runtime: Processes, tmp_path: Path) -> None:
    """A program that ends has its exit code and its last lines, the environment that was declared, and its own directory."""
    spec = program(tmp_path, "import os, sys; print(os.environ['WHO'], os.getcwd(), 'PGHOST' in os.environ); sys.exit(3)")
    os.environ["PGHOST"] = "elsewhere"
    try:
        await runtime.start(ServiceSpec(spec.name, "", environment=(("WHO", "me"),), command=spec.command, directory=spec.directory))
    finally:
        del os.environ["PGHOST"]
    child = runtime.find("cf-1")
    assert child is not None
    assert await child.wait_exit(WITHIN_S)
    ended = await runtime.exit("cf-1")
    assert ended is not None
    assert (ended.code, ended.last_lines) == (3, f"me {tmp_path} False")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("no-such-program",), ("cf-1 cannot be started", "no program 'no-such-program' on the PATH")),
        (("./no-such-program",), ("cf-1 cannot be started", "no-such-program does not exist")),
        (("./data",), ("cf-1 cannot be started", "data cannot be run: make it executable")),
    ],
)
async def test_a_program_that_cannot_be_found_is_one_clear_error(
    runtime: Processes, tmp_path: Path, command: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """It says which program, where it was looked for, and what would do."""
    (tmp_path / "data").write_text("")
    with pytest.raises(ServiceError) as caught:
        await runtime.start(ServiceSpec("cf-1", "", command=command, directory=str(tmp_path)))
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_what_a_program_has_forked_ends_with_it(runtime: Processes, tmp_path: Path, how: str) -> None:
    """Also what has left its group and session, and where SIGTERM is ignored."""
    await runtime.start(program(tmp_path, FORKS))
    pids = await asyncio.to_thread(noted, tmp_path, 2)
    await getattr(runtime, how)("cf-1")
    wait_for(lambda: all(is_gone(pid) for pid in pids))
    assert await runtime.pid("cf-1") is None


async def test_what_it_left_running_ends_when_it_does(runtime: Processes, tmp_path: Path) -> None:
    """A program that goes into the background has ended, and so has what it left there."""
    await runtime.start(
        program(tmp_path, f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPS!r}], start_new_session=True)")
    )
    child = runtime.find("cf-1")
    assert child is not None
    assert await child.wait_exit(WITHIN_S)
    assert all(is_gone(pid) for pid in (noted(tmp_path, 1) if (tmp_path / "pids").exists() else []))


def test_nothing_is_left_behind_by_a_testbed_that_is_killed(tmp_path: Path) -> None:
    """Neither the program, nor its keeper, nor a daemon that it has forked outlives `kill -9`."""
    command = [sys.executable, "-c", TESTBED, str(tmp_path), sys.executable, "-c", FORKS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as testbed:
        assert testbed.stdout is not None
        started = [int(pid) for pid in testbed.stdout.readline().split()]
        pids = [*started, *noted(tmp_path, 2)]
        assert not any(is_gone(pid) for pid in pids)
        testbed.send_signal(signal.SIGKILL)
    wait_for(lambda: all(is_gone(pid) for pid in pids))


async def test_a_pause_is_of_everything(runtime: Processes, tmp_path: Path) -> None:
    """A paused program stands still with all that it has started, and goes on with it."""
    await runtime.start(program(tmp_path, FORKS))
    pids = await asyncio.to_thread(noted, tmp_path, 2)

    def states() -> set[str | None]:
        return {proc_state(pid) for pid in pids}

    await runtime.pause("cf-1")
    wait_for(lambda: states() == {"T"})
    assert await runtime.is_paused("cf-1")
    await runtime.resume("cf-1")
    wait_for(lambda: states() == {"S"})


async def test_a_port_is_ours_and_the_programs_all_the_same(runtime: Processes) -> None:
    """Nobody is given the port meanwhile, and a program that binds as most do can have it, again and again."""
    address = runtime.reserve_port("cf-1")
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind((address.host, address.port))
    for _ in range(2):
        with socket.create_server((address.host, address.port)):
            pass
    assert runtime.reserve_port("cf-1") != address


def test_a_log_never_has_more_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much becomes the log before it, in the place of an earlier one."""
    monkeypatch.setattr(keeper, "MOST_LOG_BYTES", 1000)
    log, (output, theirs) = keeper.Log(str(tmp_path / "log")), os.pipe()
    for number in range(10):
        os.write(theirs, str(number).encode() * 600)
        assert log.copy(output)
    os.close(theirs)
    assert not log.copy(output)
    os.close(output)
    assert "9" in "".join((tmp_path / name).read_text() for name in ("log.1", "log"))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4 * 600
