"""Dumps of real programs, taken by each means that a table can name."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testbed.errors import DumpError
from testbed.foreign import program
from testbed.foreign.dumps import AS_WRITTEN, ForeignDumper, wait_dumped
from testbed.foreign.log_part import LogPart
from testbed.journal.thread_states import IDLE, LOCK, SOCKET
from testbed.plan.service import ServicePlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbed.journal.events import ThreadGroup

    Start = Callable[..., subprocess.Popen[bytes]]

DUMPS = Path(__file__).parent / "dumps"
STARTED_WITHIN_S = 120.0  # by a JVM that compiles its source first, on a machine that has no processor for it
PYTHON = """
import faulthandler, queue, signal, threading
faulthandler.register(signal.SIGUSR1)
threading.Thread(target=queue.Queue().get, name="http-1", daemon=True).start()
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a command, its output in `log`, and waits until it says that it is ready."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        log = tmp_path / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        started.append(process)
        until_s = time.monotonic() + STARTED_WITHIN_S
        while b"ready" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until_s, log.read_text()
            time.sleep(0.02)
        return process

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def dump(tmp_path: Path, pid: int, **how: Any) -> tuple[ThreadGroup, ...]:
    """Dump a process by the means of a table."""
    plan = ServicePlan.model_validate({"command": ["serve"], **({"dump": how} if how else {})})
    return asyncio.run(ForeignDumper(plan, lambda _: tmp_path / "log")("cf-1", pid, tmp_path / "threads" / "cf-1.json"))


@pytest.mark.skipif(not shutil.which("java") or not shutil.which("jcmd"), reason="there is no JDK here (java and jcmd)")
def test_a_jvm_is_dumped_by_its_tools_and_by_a_signal(start: Start, tmp_path: Path) -> None:
    """Also through the script that has started it; each means tells the same of its threads, and it goes on."""
    process = start("sh", "-c", f"java -Xmx64m -XX:TieredStopAtLevel=1 {DUMPS / 'Threads.java'}; true")
    names = r"^(deadlock|socket|lock|idle|monitor)\b"
    for how in ({"by": "jcmd"}, {"by": "jstack"}, {"by": "signal", "signal": "SIGQUIT"}):
        groups = dump(tmp_path, process.pid, request_threads=names, within_s=60.0, **how)
        states = [group.state for group in groups for _ in range(group.count)]
        assert sorted(states) == sorted([LOCK] * 4 + [SOCKET, IDLE]), how
        (reading,) = (group for group in groups if group.state == SOCKET)
        assert [wait.kind for wait in reading.waits] == ["socket"]
        assert b"Found one Java-level deadlock" in (tmp_path / "threads" / f"cf-1.json{AS_WRITTEN}").read_bytes()
        assert json.loads((tmp_path / "threads" / "cf-1.json").read_bytes())
    assert process.poll() is None


def test_python_writes_its_dump_to_the_log_on_a_signal(start: Start, tmp_path: Path) -> None:
    """By faulthandler, which tells no names: each dump is the log's new part."""
    process = start(sys.executable, "-c", PYTHON)
    for _ in range(2):
        groups = dump(tmp_path, process.pid, by="signal", signal="SIGUSR1", request_threads="http-")
        assert {group.state for group in groups} == {IDLE, "running"}
        assert sum(group.count for group in groups) == 2
    assert process.poll() is None


def test_py_spy_dumps_the_python_below_a_script(start: Start, tmp_path: Path) -> None:
    """With the names of its threads, so that request threads can be told."""
    process = start("sh", "-c", f"'{sys.executable}' -c '{PYTHON}'; true")
    groups = dump(tmp_path, process.pid, by="py_spy", request_threads="^http-")
    assert [(group.count, group.state) for group in groups] == [(1, IDLE)]


def test_a_command_dumps_by_its_output_or_by_the_file_that_it_writes(tmp_path: Path) -> None:
    """It is told the process, the service and the file, and no shell is between."""
    kept = DUMPS / "jvm_pools.txt"
    printed = dump(tmp_path, os.getpid(), by="command", command=["cat", str(kept)], request_threads="hikari")
    written = dump(tmp_path, os.getpid(), by="command", command=f"cp {kept} {{file}}", request_threads="hikari")
    assert printed == written
    assert [group.count for group in printed] == [1]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, r"its table has no \[service.dump\]"),
        ({"by": "command", "command": ["no-such-program"]}, "no-such-program: No such file"),
        ({"by": "command", "command": ["sh", "-c", "echo not here >&2; exit 3"]}, "sh ended with 3: not here"),
        ({"by": "command", "command": ["false"]}, "false ended with 1: and said nothing"),
        ({"by": "command", "command": ["sleep", "60"], "within_s": 0.1}, "sleep did not end within 0.1 s"),
        ({"by": "command", "command": ["echo", "hello"]}, "by command: no thread dump in it: 'hello'"),
        ({"by": "command", "command": ["cat", "/dev/zero"], "within_s": 60.0}, "cat wrote more than"),
    ],
)
def test_a_dump_that_fails_says_why(how: dict[str, Any], message: str, tmp_path: Path) -> None:
    """In one message that names the service."""
    with pytest.raises(DumpError, match=rf"the threads of cf-1 .*{message}"):
        dump(tmp_path, os.getpid(), **how)


@pytest.mark.parametrize("sig", ["SIGQUIT", "SIGUSR1", "SIGUSR2"])
def test_a_program_that_a_signal_would_end_is_sent_none(sig: str, start: Start, tmp_path: Path) -> None:
    """A dump is evidence, and not the end of what it is about; the tools of the JDK begin with a SIGQUIT, too."""
    process = start("sh", "-c", "echo ready; sleep 60")
    with pytest.raises(DumpError, match=rf"by {sig}: it has no handler for that"):
        dump(tmp_path, process.pid, by="signal", signal=sig)
    with pytest.raises(DumpError, match="by SIGQUIT: it has no handler for that"):
        dump(tmp_path, process.pid, by="jcmd")
    assert process.poll() is None


def fake_process(proc: Path, content: bytes, caught: int) -> None:
    """Make the files of process 7 that are read."""
    (proc / "7").mkdir()
    (proc / "7" / "exe").write_bytes(content)
    (proc / "7" / "status").write_text(f"Name:\tx\nSigCgt:\t{caught:016x}\n")


def test_a_program_of_gos_is_sent_no_sigquit(tmp_path: Path) -> None:
    """It has a handler, which writes the goroutines and ends it; the message says what to do instead."""
    fake_process(tmp_path, b"\x7fELF\x00\xff Go buildinf:\x08", 1 << signal.SIGQUIT - 1 | 1 << signal.SIGUSR1 - 1)
    with pytest.raises(DumpError, match=r"writes its goroutines and ends; import net/http/pprof"):
        program.require_handled("cf-1", 7, signal.SIGQUIT, tmp_path)
    program.require_handled("cf-1", 7, signal.SIGUSR1, tmp_path)


def test_nothing_is_sent_sigabrt_or_what_nobody_knows(tmp_path: Path) -> None:
    """Abort ends a program in spite of its handler; and of a process that is gone nothing is known."""
    fake_process(tmp_path, b"\x7fELF", 1 << signal.SIGABRT - 1)
    with pytest.raises(DumpError, match="allowed: SIGQUIT, SIGUSR1, SIGUSR2"):
        program.require_handled("cf-1", 7, signal.SIGABRT, tmp_path)
    with pytest.raises(DumpError, match="its handlers cannot be read"):
        program.require_handled("cf-1", 8, signal.SIGQUIT, tmp_path)


def test_the_new_part_of_a_log_is_what_is_written_from_now_on(tmp_path: Path) -> None:
    """Also of a log that is not there yet, or that was begun again."""
    log = tmp_path / "log"
    before = LogPart.from_now(log)
    log.write_bytes(b"first\n")
    assert before.read() == b"first\n"
    part = LogPart.from_now(log)
    with log.open("ab") as file:
        file.write(b"second\n")
    assert part.read() == b"second\n"
    log.rename(tmp_path / "log.1")
    log.write_bytes(b"third line, longer than all before\n")
    assert part.read() == b"third line, longer than all before\n"


def test_a_log_without_a_dump_is_told_with_its_last_line(tmp_path: Path) -> None:
    """A program may handle the signal and write something else: Node listens for a debugger."""
    log = tmp_path / "log"
    part = LogPart.from_now(log)
    with pytest.raises(DumpError, match=r"no dump within 0 s, last seen: .*log: No such file"):
        asyncio.run(wait_dumped(part, "no dump", 0.0))
    log.write_bytes(b"hello\nDebugger listening on ws://127.0.0.1:9229\n")
    with pytest.raises(DumpError, match=r"last seen: 48 bytes, the last line 'Debugger listening"):
        asyncio.run(wait_dumped(part, "no dump", 0.0))
