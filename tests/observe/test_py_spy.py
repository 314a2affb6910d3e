from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from testbed.errors import DumpError
from testbed.journal.events import ThreadGroup
from testbed.journal.thread_states import CHECKOUT, DATABASE, HTTP_CONNECTION, IDLE, LOCK, RUNNING, SOCKET
from testbed.observe import py_spy
from testbed.observe.py_spy import Frame, Stack, dump_with_py_spy, group_stacks, parse_dump
from testbed.observe.thread_waits import RUNNING as RUNNING_NOW
from testbed.observe.thread_waits import Wait, thread_waits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

Calls = list[tuple[str, str]]
WORKER: Calls = [("Thread._bootstrap", "/lib/threading.py"), ("WorkerThread.run", "/site/anyio/_backends/_asyncio.py")]
SERVER = [*WORKER, ("flights", "/app/flight_search/app.py"), ("lookup_by_city", "/app/flight_search/lookup/original.py")]
CALLER = [*WORKER, ("check_in", "/app/flight_search/callers/kiosk.py"), ("RemoteFlightSearch.lookup_by_city", "/app/remote.py")]
QUEUE_WAIT = [("get", "/site/sqlalchemy/util/queue.py"), ("wait", "/lib/threading.py")]
STATES: dict[str, Calls] = {
    CHECKOUT: [*SERVER, ("QueuePool._do_get", "/site/sqlalchemy/pool/impl.py"), *QUEUE_WAIT],
    HTTP_CONNECTION: [
        *CALLER,
        ("HTTPConnectionPool._get_conn", "/site/urllib3/connectionpool.py"),
        ("Queue.get", "/lib/queue.py"),
        ("Condition.wait", "/lib/threading.py"),
    ],
    SOCKET: [*CALLER, ("Session.request", "/site/requests/sessions.py"), ("SocketIO.readinto", "/lib/socket.py")],
    DATABASE: [*SERVER, ("execute", "/app/statement.py"), ("Connection.wait", "/site/psycopg/connection.py")],
    LOCK: [*SERVER, ("checkin", "/app/flight_search/datasource.py"), ("Condition.wait", "/lib/threading.py")],
    IDLE: [*WORKER, ("Queue.get", "/lib/queue.py"), ("Condition.wait", "/lib/threading.py")],
    RUNNING: [*SERVER, ("dumps", "/lib/json/__init__.py")],
}


def thread(calls: Calls, name: str | None = "AnyIO worker thread", number: int = 1) -> dict[str, Any]:
    """Write a thread as py-spy does: the innermost call first."""
    frames = [
        {"name": function, "filename": file, "module": None, "short_filename": file, "line": line, "locals": None}
        for line, (function, file) in enumerate(calls, start=1)
    ]
    return {"pid": 1, "thread_id": number, "thread_name": name, "os_thread_id": number, "active": False, "frames": frames[::-1]}


def dumped(*threads: dict[str, Any]) -> bytes:
    """Write a dump."""
    return json.dumps(threads).encode()


@pytest.mark.fact("P3", "O5", "O6")
@pytest.mark.parametrize("state", STATES)
def test_what_a_thread_does_is_told_from_its_innermost_calls(state: str) -> None:
    """Waiting for a connection, for a socket, for the database, for a lock, for work, or at work."""
    (stack,) = parse_dump(dumped(thread(STATES[state])))
    assert stack.state == state
    assert stack.is_request_thread


def test_a_read_that_a_service_limits_by_itself_is_one_of_a_socket() -> None:
    """Its own method is then the innermost call, beyond that of the library."""
    limited = [*STATES[SOCKET], ("_DeadlineSocket.recv_into", "/app/flight_search/stability/call_deadline.py")]
    assert parse_dump(dumped(thread(limited)))[0].state == SOCKET


def test_a_thread_that_just_gets_from_the_queue_is_idle() -> None:
    """The lock beneath the queue need not have been reached."""
    assert parse_dump(dumped(thread(STATES[IDLE][:-1])))[0].state == IDLE


def test_a_thread_without_calls_is_at_work() -> None:
    """Between two calls there is nothing on the stack."""
    (stack,) = parse_dump(dumped(thread([])))
    assert (stack.state, stack.within(), stack.is_request_thread) == (RUNNING, "", False)


@pytest.mark.fact("O6")
def test_the_innermost_operation_is_what_a_thread_is_within() -> None:
    """A check-in that hangs in its lookup hangs in the lookup; a class before the function's name does not hide it."""
    assert parse_dump(dumped(thread(STATES[SOCKET])))[0].within() == "lookup_by_city"
    assert parse_dump(dumped(thread([*WORKER, CALLER[2], ("RemoteFlightSearch.check_in", "/app/remote.py")])))[0].within() == "check_in"


def test_a_thread_without_a_name_has_a_number() -> None:
    """Which is what the interpreter knows of it."""
    assert parse_dump(dumped(thread(SERVER, None, 77)))[0].thread == "thread 77"


@pytest.mark.fact("C6", "O7")
def test_request_threads_are_grouped_by_their_stacks_and_others_left_out() -> None:
    """The largest group first; the event loop, which answers monitoring, is none of them."""
    loop = thread([("<module>", "/app/__main__.py"), ("run", "/lib/asyncio/runners.py"), ("select", "/lib/selectors.py")], "MainThread")
    groups = group_stacks(parse_dump(dumped(loop, thread(STATES[IDLE]), *[thread(STATES[CHECKOUT])] * 3)))
    assert [(group.count, group.state, group.within) for group in groups] == [(3, CHECKOUT, "lookup_by_city"), (1, IDLE, "")]
    assert groups[0].stack[0] == "lib/threading.py:1 Thread._bootstrap"
    assert groups[0].stack[-1] == "lib/threading.py:7 wait"


def test_the_same_call_at_another_line_is_another_group() -> None:
    """All threads at one line is a statement of the case, so lines are not lumped together."""
    elsewhere = thread(STATES[CHECKOUT])
    elsewhere["frames"][0]["line"] = 99
    assert [group.count for group in group_stacks(parse_dump(dumped(thread(STATES[CHECKOUT]), elsewhere)))] == [1, 1]


@pytest.mark.parametrize("text", [b"", b"{}x", b'{"a": 1}', b'[{"thread_name": "x"}]', b"[1]"])
def test_what_is_no_dump_is_refused_with_its_beginning(text: bytes) -> None:
    """Another version of py-spy may print something else."""
    with pytest.raises(DumpError, match="no dump"):
        parse_dump(text)


# A small process of ours with two threads: one, as an idle request thread does, waits for work, and one is in a lookup and waits in a
# lock. As the testbed's services do, it lets others of its user look into it where Yama would not.
WAITING = """
import ctypes, queue, sys, threading
class Worker(threading.Thread):
    def run(self):
        queue.Queue().get()
def lookup_by_city():
    threading.Event().wait()
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
Worker(daemon=True).start()
threading.Thread(target=lookup_by_city, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run it from a file where a request thread's code lies."""
    path = tmp_path / "anyio" / "_backends" / "waiting.py"
    path.parent.mkdir(parents=True)
    path.write_text(WAITING)
    with subprocess.Popen([sys.executable, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        yield started
        started.kill()


@pytest.mark.skipif(sys.platform == "darwin" and os.geteuid() != 0, reason="macOS lets only root look into another process")
@pytest.mark.fact("P4")
async def test_the_threads_of_a_living_process_are_dumped_by_its_id(process: subprocess.Popen[str], tmp_path: Path) -> None:
    """The dump is kept as it came; of a thread that is idle the state tells all."""
    file = tmp_path / "threads" / "waiting.json"
    groups = await dump_with_py_spy("waiting", process.pid, file)
    assert [(group.count, group.state, group.stack) for group in groups] == [(1, IDLE, ())]
    assert [group.waits for group in groups] == [()]
    states = {stack.within(): stack.state for stack in parse_dump(file.read_bytes())}
    assert states["lookup_by_city"] == LOCK


async def test_a_process_that_is_gone_cannot_be_dumped(tmp_path: Path) -> None:
    """The error names the service, the process, and py-spy's own words."""
    ended = await asyncio.create_subprocess_exec("true")
    await ended.wait()
    with pytest.raises(DumpError, match=rf"the threads of cf-1 \(pid {ended.pid}\) cannot be dumped: \w"):
        await dump_with_py_spy("cf-1", ended.pid, tmp_path / "cf-1.json")
    assert not (tmp_path / "cf-1.json").exists()


def fake_py_spy(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put another py-spy where it is looked for first."""
    program = directory / "bin" / "py-spy"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program.with_name("python")))


@pytest.mark.parametrize(("platform", "advice"), [("linux", "SYS_PTRACE"), ("darwin", "sudo"), ("other", "as the owner")])
async def test_a_dump_that_is_not_permitted_says_how_to_permit_it(
    platform: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's reason, and what can be done about it there."""
    fake_py_spy(tmp_path, monkeypatch, "echo 'Error: Permission Denied: Try running again with sudo' >&2; exit 1")
    monkeypatch.setattr(py_spy.sys, "platform", platform)  # type: ignore[attr-defined]
    with pytest.raises(DumpError, match=f"Permission Denied.*to permit it: .*{advice}"):
        await dump_with_py_spy("cf-1", os.getpid(), tmp_path / "cf-1.json")


async def test_a_dump_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a bound, and its process does not stay behind."""
    fake_py_spy(tmp_path, monkeypatch, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    monkeypatch.setattr(py_spy, "WITHIN_S", 0.2)
    with pytest.raises(DumpError, match="did not end"):
        await dump_with_py_spy("cf-1", os.getpid(), tmp_path / "cf-1.json")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_long_dump_that_is_given_up_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has written more than a pipe and a buffer hold, and nobody reads it any more: its end is seen all the same."""
    grow = "import fcntl; fcntl.fcntl(1, 1031, 1 << 20)" if sys.platform == "linux" else "pass"  # F_SETPIPE_SZ
    (tmp_path / "writes.py").write_text(f"import os\n{grow}\nwhile True:\n    os.write(1, bytes(1 << 20))\n")
    fake_py_spy(tmp_path, monkeypatch, f"exec {sys.executable} -S {tmp_path}/writes.py")
    async with asyncio.timeout(10.0):
        with pytest.raises(DumpError, match="did not end within 1 s"):
            await py_spy.run_py_spy("cf-1", os.getpid(), within_s=1.0)


async def test_without_py_spy_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And where there is none, none is called."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DumpError, match="pip install py-spy"):
        await dump_with_py_spy("cf-1", os.getpid(), tmp_path / "cf-1.json")


async def test_a_dump_that_cannot_be_kept_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidence that is not on disk is none."""
    fake_py_spy(tmp_path, monkeypatch, "echo '[]'")
    (tmp_path / "threads").write_text("a file where the directory should be")
    with pytest.raises(DumpError, match="cannot be written to"):
        await dump_with_py_spy("cf-1", os.getpid(), tmp_path / "threads" / "cf-1.json")


def test_nobody_else_may_change_a_dump(tmp_path: Path) -> None:
    """Even with a umask that permits everything."""
    before = os.umask(0)
    try:
        py_spy.keep_dump("cf-1", b"[]", tmp_path / "cf-1.json")
    finally:
        os.umask(before)
    assert (tmp_path / "cf-1.json").stat().st_mode & 0o777 == 0o644


def test_groups_of_nothing_are_none() -> None:
    """A service that never had a request has no request thread yet."""
    assert group_stacks(()) == ()
    assert group_stacks(parse_dump(dumped(thread(STATES[IDLE])))) == (ThreadGroup(1, IDLE, "", ()),)


READING = """
import ctypes, socket, sys, threading

ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)

def run():
    connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    print("ready", flush=True)
    connection.makefile("rb").readline()

threading.Thread(target=run).start()
"""


def wait_reading(pid: int, port: int) -> None:
    """Wait until a thread of a process waits for what comes from a port."""
    until_s = time.monotonic() + py_spy.WITHIN_S
    while not any(f"127.0.0.1:{port}" in wait.peers for wait in thread_waits(pid).values()):
        assert time.monotonic() < until_s, f"no thread of {pid} waits for port {port}"
        time.sleep(py_spy.LOOK_AGAIN_S)


@pytest.mark.parametrize(
    ("innermost", "looks", "kind"), [("socket.py", 3, "socket"), ("threading.py", 3, "socket"), ("app.py", 1, "running")]
)
def test_a_thread_that_py_spy_has_stopped_is_looked_at_until_it_is_back_in_its_wait(
    monkeypatch: pytest.MonkeyPatch, innermost: str, looks: int, kind: str
) -> None:
    """It had no processor yet at the first looks; one whose stack is that of work is looked at once."""
    seen: list[object] = []

    def look(_: int, threads: Collection[int]) -> dict[int, Wait]:
        seen.append(set(threads))
        return dict.fromkeys(threads, Wait("socket", "recvfrom") if len(seen) > 2 else RUNNING_NOW)

    monkeypatch.setattr(py_spy, "thread_waits", look)
    monkeypatch.setattr(py_spy, "LOOK_AGAIN_S", 0.0)
    frames = (Frame("run", "/anyio/_backends/_asyncio.py", 1), Frame("f", f"/lib/{innermost}", 2))
    stacks = [Stack("worker", frames, os_id=7)]
    assert {thread: wait.kind for thread, wait in py_spy._other_ends(1, stacks).items()} == {7: kind}  # noqa: SLF001
    assert seen == [{7}] * looks


def test_a_thread_that_never_comes_back_is_not_waited_for_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as running: the dump must not make the outage longer (O9)."""
    monkeypatch.setattr(py_spy, "thread_waits", lambda _, threads: dict.fromkeys(threads, RUNNING_NOW))
    monkeypatch.setattr(py_spy, "BACK_WITHIN_S", 0.05)
    stacks = [Stack("worker", (Frame("run", "/anyio/_backends/_asyncio.py", 1), Frame("f", "/lib/socket.py", 2)), os_id=7)]
    assert py_spy._other_ends(1, stacks) == {7: RUNNING_NOW}  # noqa: SLF001


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a thread waits for")
def test_of_a_thread_that_reads_a_socket_the_other_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its address, which says to whom the thread has spoken; however long it takes until it has a processor again."""
    monkeypatch.setattr(py_spy, "BACK_WITHIN_S", py_spy.WITHIN_S)
    path = tmp_path / "anyio" / "_backends" / "reading.py"
    path.parent.mkdir(parents=True)
    path.write_text(READING)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with subprocess.Popen([sys.executable, str(path), str(port)], stdout=subprocess.PIPE, text=True) as started:
            assert started.stdout is not None
            assert started.stdout.readline() == "ready\n"
            wait_reading(started.pid, port)  # it says so before it reads
            groups = asyncio.run(dump_with_py_spy("reading", started.pid, tmp_path / "reading.json"))
            started.kill()
    (group,) = groups
    assert (group.count, group.state) == (1, SOCKET)
    assert [(wait.count, wait.kind, wait.peer) for wait in group.waits] == [(1, "socket", f"127.0.0.1:{port}")]
