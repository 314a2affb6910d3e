from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed.errors import DumpError, UsageError
from testbed.observe import py_spy
from testbed.observe.deadlocks import GIVEN_BACK
from testbed.observe.proc import process_state
from testbed.observe.py_spy import Stack
from testbed.observe.python_threads import (
    NO_CALLS,
    NO_SOURCE,
    PythonProcess,
    PythonThread,
    look_into,
    require_python_processes,
    with_kernel_ids,
)
from testbed.report.process_threads import process_text, thread_groups, wait_text
from tests.observe.programs import BEGIN, CROSSED, END, FORTY, HELD_BY_A_THIRD, running

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux' /proc says what threads wait for")
KILLS = 10


async def looked_into(*pids: int) -> PythonProcess:
    """Look into processes, and return the first."""
    require_python_processes(pids)
    process = (await look_into(pids))[0]
    assert isinstance(process, PythonProcess), process
    return process


def named(process: PythonProcess, name: str) -> PythonThread:
    """Return the thread of a name."""
    (found,) = (thread for thread in process.threads if thread.stack.thread == name)
    return found


@pytest.mark.fact("O6")
async def test_a_thread_that_reads_a_silent_socket_is_seen_with_both_addresses(tmp_path: Path) -> None:
    """And the connection that nobody has accepted leads to the listener, in whose queue it is counted."""
    with socket.create_server(("127.0.0.1", 0), backlog=7) as server:
        port = server.getsockname()[1]
        text = f"import socket\nclient = socket.create_connection(('127.0.0.1', {port}))\nstart(lambda: client.recv(1), name='reader')"
        with running(tmp_path, text) as started:
            thread = named(await looked_into(started.pid), "reader")
            (descriptor,) = thread.wait.descriptors
            assert (thread.wait.kind, thread.wait.call, thread.wait.timed) == ("socket", "recvfrom", False)
            assert (descriptor.what, descriptor.peer, descriptor.state) == ("tcp", f"127.0.0.1:{port}", "ESTABLISHED")
            assert descriptor.local.startswith("127.0.0.1:")
            (end,) = thread.other_ends
            assert (end.pid, end.detail) == (os.getpid(), "which listens there, and has not accepted it")
            accepted, _ = server.accept()
            with accepted:
                (end,) = named(await looked_into(started.pid), "reader").other_ends
                assert (end.pid, end.detail, end.threads) == (os.getpid(), "", ())


@pytest.mark.fact("A4")
async def test_a_thread_that_connects_to_a_full_queue_leads_to_the_listener(tmp_path: Path) -> None:
    """It waits in the kernel before any connection is there; the listener's queue is seen to be full."""
    serve = """
import os, socket
listener = socket.create_server(("127.0.0.1", 0), backlog=0)
port = listener.getsockname()[1]
first = socket.create_connection(("127.0.0.1", port))
start(socket.create_connection, ("127.0.0.1", port), name="connects")
"""
    with running(tmp_path, serve) as started:
        process = await looked_into(started.pid)
    thread = named(process, "connects")
    assert (thread.wait.call, [each.state for each in thread.wait.descriptors]) == ("connect", ["SYN_SENT"])
    assert [(end.pid, end.detail) for end in thread.other_ends] == [(started.pid, "which listens there, and has not accepted it")]
    assert [(listener.queued, listener.backlog) for listener in process.listeners] == [(1, 0)]


async def test_a_thread_that_waits_with_a_time_out_is_still_in_its_call_after_py_spy(tmp_path: Path) -> None:
    """What was interrupted goes on as `restart_syscall`; it is the same call all the same, and has an end."""
    text = """
import socket
left, right = socket.socketpair()
left.settimeout(600)
start(lambda: left.recv(1), name="reader")
start(lambda: threading.Lock().acquire() and threading.Event().wait(600), name="waiter")
start(lambda: time.sleep(600), name="sleeper")
"""
    with running(tmp_path, text) as started:
        for _ in range(2):  # the second look finds calls that were interrupted before
            process = await looked_into(started.pid)
            waits = {name: named(process, name).wait for name in ("reader", "waiter", "sleeper")}
            assert {name: (wait.kind, wait.timed) for name, wait in waits.items()} == {
                "reader": ("socket", True),
                "waiter": ("lock", True),
                "sleeper": ("sleep", False),
            }
            assert waits["reader"].descriptors[0].what == "unix"


async def test_a_select_and_a_poll_are_told_by_what_they_wait_for(tmp_path: Path) -> None:
    """Their arguments lie in the memory of the process."""
    text = """
import os, select
read_end, write_end = os.pipe()
polled = select.poll()
polled.register(read_end, select.POLLIN)
watched = select.epoll()
watched.register(read_end, select.EPOLLIN)
start(lambda: select.select([read_end], [], []), name="selects")
start(polled.poll, name="polls")
start(watched.poll, name="epolls")
start(lambda: os.read(read_end, 1), name="reads")
start(lambda: os.waitpid(os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "3"), 0), name="child")
"""
    with running(tmp_path, text) as started:
        process = await looked_into(started.pid)
        for name in ("selects", "polls", "epolls", "reads"):
            wait = named(process, name).wait
            assert (wait.kind, [each.what for each in wait.descriptors], wait.timed) == ("file", ["pipe"], False), name
        child = named(process, "child").wait
        assert child.kind == "process"
        assert child.detail.startswith("child ")


async def test_a_thread_at_work_is_running(tmp_path: Path) -> None:
    """Whoever is in no system call, or in another than before, waits for nothing."""
    with running(tmp_path, "def work():\n    while True: sum(range(10**7))\nstart(work)") as started:
        assert named(await looked_into(started.pid), "work").wait.kind in ("running", "lock")  # or in the interpreter's own lock


@pytest.mark.fact("O7")
async def test_forty_threads_at_one_lock_are_one_group_with_its_holder(tmp_path: Path) -> None:
    """They wait for one futex, which a thread holds that sleeps: no deadlock."""
    with running(tmp_path, FORTY) as started:
        process = await looked_into(started.pid)
    largest = thread_groups(process)[0]
    assert len(largest) == 40
    assert wait_text(largest[0].wait).startswith("waiting for a lock 0x")
    holder = named(process, "holder").stack.os_id
    assert {(wait.lock, wait.holder, wait.sure) for wait in process.locks.waits} == {("LOCK", holder, "likely")}
    assert len(process.locks.waits) == 40
    assert process.locks.deadlocks == ()


@pytest.mark.parametrize(
    ("lock", "sure", "times"), [("threading.Lock", "likely", 10), ("threading.RLock", "certain", 3), ("threading.Condition", "certain", 3)]
)
async def test_a_deadlock_of_two_locks_is_always_found(lock: str, sure: str, times: int, tmp_path: Path) -> None:
    """Ten of ten, with both threads, both lines and both locks; an RLock names its owner, so there it is certain."""
    with ExitStack() as stack:
        pids = [stack.enter_context(running(made(tmp_path, number), CROSSED.replace("LOCK", lock))).pid for number in range(times)]
        found = await look_into(pids)
    for process in found:
        assert isinstance(process, PythonProcess)
        (deadlock,) = process.locks.deadlocks
        assert deadlock.sure == sure
        threads = {named(process, name).stack.os_id for name in ("there", "back")}
        assert {wait.thread for wait in deadlock.waits} == {wait.holder for wait in deadlock.waits} == threads
        assert {wait.lock for wait in deadlock.waits} == {"target.lock"}
        assert {wait.at.partition(" ")[0].rpartition(":")[2] for wait in deadlock.waits} == {"16"}
        assert {wait.held_at.rpartition(":")[2] for wait in deadlock.waits} == {"14"}


@pytest.mark.parametrize(("lock", "times"), [("threading.Lock", 10), ("threading.RLock", 3), ("threading.Condition", 3)])
async def test_the_same_shape_without_a_circle_is_no_deadlock(lock: str, times: int, tmp_path: Path) -> None:
    """None of ten: each thread holds a lock by the same expression as the lock that it waits for, which is a third's."""
    with ExitStack() as stack:
        text = HELD_BY_A_THIRD.replace("LOCK", lock)
        pids = [stack.enter_context(running(made(tmp_path, number), text)).pid for number in range(times)]
        found = await look_into(pids)
    for process in found:
        assert isinstance(process, PythonProcess)
        assert process.locks.deadlocks == ()
        assert len({wait.address for wait in process.locks.waits}) == 1
        assert len(process.locks.waits) == 2


@pytest.mark.parametrize(("text", "count"), [(CROSSED, 1), (HELD_BY_A_THIRD, 0)])
async def test_without_the_address_of_a_lock_its_expression_tells(
    text: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a Python whose futexes are no lock's own: the same attribute of the same object is one lock, of another object it is not."""
    monkeypatch.setattr("testbed.observe.lock_memory.python_version", lambda *_: (3, 14))
    with running(tmp_path, text.replace("LOCK", "threading.RLock")) as started:
        process = await looked_into(started.pid)
    assert [deadlock.sure for deadlock in process.locks.deadlocks] == ["likely"] * count
    assert {wait.address for wait in process.locks.waits} == {None}


def made(directory: Path, number: int) -> Path:
    """Make a directory for one of several."""
    path = directory / str(number)
    path.mkdir()
    return path


# Each is a deadlock that is so sure, or none.
CIRCLES = {
    "acquire and release": (
        "likely",
        """
def move(source, target):
    source.acquire()
    try:
        both.wait()
        target.acquire()
        target.release()
    finally:
        source.release()
""",
    ),
    "released before": (
        None,
        """
def move(source, target):
    source.acquire()
    source.release()
    both.wait()
    with forever:
        pass
""",
    ),
    "released in another function": (
        None,
        """
taken = threading.Event()
def give(lock):
    lock.release()
def take(lock):
    lock.acquire()
def third():
    time.sleep(0.1)
    take(one)
    take(two)
    taken.set()
    time.sleep(600)
start(third)
def move(source, target):
    source.acquire()
    give(source)
    taken.wait()
    target.acquire()
""",
    ),
    "released by a call that does not say so": (
        "likely",
        """
def move(source, target):
    source.acquire()
    both.wait()
    with target:
        pass
""",
    ),
    "assigned since": (
        None,
        """
def move(source, target):
    lock = source
    lock.acquire()
    both.wait()
    lock = forever
    lock.acquire()
""",
    ),
    "with a time-out": (
        None,
        """
def move(source, target):
    with source:
        both.wait()
        target.acquire(timeout=600)
""",
    ),
    "in another function": (
        "certain",
        """
def take(lock):
    with lock:
        pass
def move(source, target):
    with source:
        both.wait()
        take(target)
""",
    ),
    "one after the other in one statement": (
        "certain",
        """
def move(source, target):
    with source, both_in, target:
        pass
""",
    ),
    "waits to be notified": (
        None,
        """
def move(source, target):
    with source:
        both.wait()
        with threading.Condition() as changed:
            changed.wait()
""",
    ),
}


@pytest.mark.parametrize("name", CIRCLES)
async def test_ways_to_hold_a_lock(name: str, tmp_path: Path) -> None:
    """Also without `with`; what was released, has an end or can be notified is no deadlock."""
    sure, move = CIRCLES[name]
    text = f"""
both = threading.Barrier(2)
class BothIn:
    def __enter__(self): both.wait()
    def __exit__(self, *_): pass
both_in = BothIn()
one, two, forever = threading.Lock(), threading.Lock(), threading.Lock()
forever.acquire()
{move}
start(move, one, two, name="there")
start(move, two, one, name="back")
"""
    with running(tmp_path, text) as started:
        process = await looked_into(started.pid)
    assert [deadlock.sure for deadlock in process.locks.deadlocks] == ([sure] if sure else [])


async def test_a_variable_that_was_assigned_since_names_no_holder(tmp_path: Path) -> None:
    """Neither of a thread that waits for what it names now, nor of one that took what it named before."""
    text = """
A, B, C = threading.Lock(), threading.Lock(), threading.Lock()
def one():
    lock = A
    lock.acquire()
    lock = B
    with lock:
        pass
def two():
    lock = B
    lock.acquire()
    lock = C
    time.sleep(600)
start(two)
time.sleep(0.1)
start(one)
"""
    with running(tmp_path, text) as started:
        process = await looked_into(started.pid)
    assert [(wait.lock, wait.holder, wait.sure) for wait in process.locks.waits] == [("lock", None, None)]
    assert process.locks.deadlocks == ()


async def test_a_holder_that_may_have_given_the_lock_back_is_told_with_that(tmp_path: Path) -> None:
    """And is likely at most."""
    text = """
LOCK = threading.Lock()
def hold(lock):
    lock.acquire()
    time.sleep(600)
def enter(lock):
    lock.acquire()
start(hold, LOCK)
time.sleep(0.1)
start(enter, LOCK)
"""
    with running(tmp_path, text) as started:
        process = await looked_into(started.pid)
    (wait,) = process.locks.waits
    assert (wait.holder, wait.sure, wait.doubt) == (named(process, "hold").stack.os_id, "likely", GIVEN_BACK)
    assert f"(likely: {GIVEN_BACK})" in str(process_text(process).renderables)  # type: ignore[attr-defined]


async def test_a_thread_that_waits_for_the_end_of_one_that_waits_for_it_is_a_deadlock(tmp_path: Path) -> None:
    """And so is one that takes its own lock twice."""
    text = """
LOCK, AGAIN = threading.Lock(), threading.Lock()
def work():
    time.sleep(0.1)
    with LOCK:
        pass
def lead():
    with LOCK:
        start(work).join()
def twice():
    with AGAIN:
        with AGAIN:
            pass
start(lead)
start(twice)
"""
    with running(tmp_path, text, settle_s=0.6) as started:
        process = await looked_into(started.pid)
    circles = {frozenset(wait.lock for wait in deadlock.waits) for deadlock in process.locks.deadlocks}
    assert circles == {frozenset({"Thread.join", "LOCK"}), frozenset({"AGAIN"})}


async def test_a_thread_that_waits_to_be_notified_has_given_the_lock_back(tmp_path: Path) -> None:
    """Its lines are within the condition all the same; who sleeps there holds it."""
    text = """
changed = threading.Condition(threading.Lock())
def listen():
    with changed:
        changed.wait()
def hold():
    with changed:
        time.sleep(600)
def enter():
    with changed:
        pass
start(listen)
time.sleep(0.1)
start(hold)
time.sleep(0.1)
start(enter)
"""
    with running(tmp_path, text) as started:
        process = await looked_into(started.pid)
    ((waits, holder, sure),) = ((wait.thread, wait.holder, wait.sure) for wait in process.locks.waits)
    assert (waits, holder, sure) == (named(process, "enter").stack.os_id, named(process, "hold").stack.os_id, "likely")


async def test_a_file_that_changed_after_the_start_tells_nothing(tmp_path: Path) -> None:
    """Its lines may be others now; that is said, and no deadlock is made of it."""
    with running(tmp_path, CROSSED.replace("LOCK", "threading.Lock")) as started:
        path = tmp_path / "program.py"
        os.utime(path, (time.time() + 60, time.time() + 60))
        process = await looked_into(started.pid)
    assert process.locks.deadlocks == ()
    assert any("changed after the process had started" in reason for reason in process.unknown)


@contextmanager
def ready(*words: str | bytes) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command that prints a line when it is ready, until the block ends."""
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


WAITS = f"{BEGIN}\nLOCK = threading.Lock()\nLOCK.acquire()\ndef work():\n    LOCK.acquire()\nstart(work)\ntime.sleep(0.3){END}"


async def test_a_line_without_a_source_is_told_as_one(tmp_path: Path) -> None:
    """Of `python -c`, and of a file whose name py-spy does not tell: nobody knows whether native code or Python takes the lock there."""
    path = bytes(tmp_path) + b"/bad\xff.py"
    Path(os.fsdecode(path)).write_text(WAITS)
    with ready(sys.executable, "-c", WAITS) as text, ready(sys.executable, path) as unnamed:
        of_text, of_unnamed = [named(await looked_into(process.pid), "work").wait.detail for process in (text, unnamed)]
    assert (of_text, of_unnamed) == (NO_SOURCE, NO_CALLS)
    assert "source could not be read" in NO_SOURCE
    assert "source could not be read" in NO_CALLS


def test_threads_of_a_namespace_have_the_ids_that_the_kernel_has_for_us(tmp_path: Path) -> None:
    """And all others those that py-spy tells, also of threads that have ended since."""
    for thread, ids in ((4001, "4001\t1"), (4002, "4002\t7\t3")):
        (tmp_path / "9" / "task" / str(thread)).mkdir(parents=True)
        (tmp_path / "9" / "task" / str(thread) / "status").write_text(f"Name:\tpython\nNStgid:\t4001\t1\nNSpid:\t{ids}\nNSpgid:\t1\n")
    told = tuple(Stack("worker", (), number) for number in (1, 3, 8, 0))
    assert [stack.os_id for stack in with_kernel_ids(9, told, tmp_path)] == [4001, 4002, 8, 0]
    ours = tuple(Stack("worker", (), number) for number in (4002, 4001, 0))
    assert with_kernel_ids(9, ours, tmp_path) == ours
    assert with_kernel_ids(10, ours, tmp_path) == ours


def may_make_namespaces() -> bool:
    """Whether this user may make a PID namespace."""
    unshare = shutil.which("unshare")
    return unshare is not None and subprocess.run([unshare, "-pf", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_make_namespaces(), reason="this user may make no PID namespace")
async def test_what_threads_of_a_namespace_wait_for_is_seen(tmp_path: Path) -> None:
    """As of a container, from outside."""
    (tmp_path / "program.py").write_text(WAITS)
    with ready("unshare", "-pf", "--kill-child", sys.executable, str(tmp_path / "program.py")) as unshared:
        (pid,) = children_of(unshared.pid, Path(sys.executable).name)
        process = await looked_into(pid)
    assert named(process, "work").wait.kind == "lock"
    assert [wait.lock for wait in process.locks.waits] == ["LOCK"]


@pytest.mark.fact("O4", "O5")
async def test_threads_at_an_exhausted_pool_wait_for_a_connection(tmp_path: Path) -> None:
    """SQLAlchemy's pool is a queue: to the kernel each waits in a futex of its own, and to people for a connection."""
    text = """
import sqlite3
from sqlalchemy.pool import QueuePool
pool = QueuePool(lambda: sqlite3.connect(":memory:", check_same_thread=False), pool_size=1, max_overflow=0, timeout=None)
taken = pool.connect()
for _ in range(5):
    start(pool.connect, name="request")
"""
    with running(tmp_path, text) as started:
        process = await looked_into(started.pid)
    largest = thread_groups(process)[0]
    assert (len(largest), largest[0].wait.kind, process.locks.deadlocks) == (5, "pool", ())


async def test_a_thread_that_waits_for_the_database_leads_to_its_backend(conninfo: str, tmp_path: Path) -> None:
    """The other end is a process of PostgreSQL, which waits for nobody's word."""
    text = f"import psycopg\nconnection = psycopg.connect({conninfo!r})\nstart(connection.execute, 'SELECT pg_sleep(600)', name='query')"
    with running(tmp_path, text) as started:
        thread = named(await looked_into(started.pid), "query")
    assert (thread.wait.kind, len(thread.wait.peers)) == ("socket", 1)
    (end,) = thread.other_ends
    assert end.pid is not None
    assert "postgres" in end.program


def ready_at(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until somebody listens."""
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nobody listens at {port}")


@pytest.fixture
def port() -> int:
    """Return a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture(params=["http.server", "uvicorn"])
def server(request: pytest.FixtureRequest, port: int, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server that the testbed did not write."""
    (tmp_path / "app.py").write_text("async def app(scope, receive, send):\n    await receive()\n")
    modules = {
        "http.server": ["http.server", str(port), "--bind", "127.0.0.1"],
        "uvicorn": ["uvicorn", "app:app", "--port", str(port), "--lifespan", "off"],
    }
    command = [sys.executable, "-m", *modules[request.param]]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            ready_at(port, process)
            yield process
        finally:
            process.kill()


async def test_a_server_shows_where_it_listens(server: subprocess.Popen[bytes], port: int) -> None:
    """With its queue and its backlog, and its main thread waits for connections."""
    process = await looked_into(server.pid)
    (listener,) = process.listeners
    assert (listener.address, listener.queued) == (f"127.0.0.1:{port}", 0)
    assert listener.backlog in (5, 2048)
    (wait,) = (thread.wait for thread in process.threads if thread.stack.os_id == server.pid)
    assert wait.kind == "socket"
    assert "LISTEN" in {descriptor.state for descriptor in wait.descriptors}


async def test_a_connection_between_two_processes_is_seen_from_both(tmp_path: Path) -> None:
    """Each is told with the thread that has the other end."""
    serve = """
import os, socket
listener = socket.create_server(("127.0.0.1", 0))
open(os.path.join(os.path.dirname(__file__), "port"), "w").write(str(listener.getsockname()[1]))
def serve():
    taken, _ = listener.accept()
    taken.recv(1)
start(serve)
"""
    with running(made(tmp_path, 0), serve) as server:
        port = (tmp_path / "0" / "port").read_text()
        text = f"import socket\nclient = socket.create_connection(('127.0.0.1', {port}))\nstart(lambda: client.recv(1), name='reader')"
        with running(made(tmp_path, 1), text) as client:
            found = await look_into([server.pid, client.pid])
            ends = [named(process, name).other_ends[0] for process, name in zip(found, ("serve", "reader"), strict=True)]
    assert [(end.pid, end.threads) for end in ends] == [(client.pid, ("reader",)), (server.pid, ("serve",))]


async def test_a_pool_of_processes_waits_on_pipes_and_semaphores(tmp_path: Path) -> None:
    """Its parent is looked into like any other; its children are processes of their own."""
    text = "import multiprocessing\npool = multiprocessing.Pool(2)"
    with running(tmp_path, text, settle_s=0.8) as started:
        children = [int(pid) for pid in Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()]
        found = await look_into([started.pid, *children])
        for pid in children:
            os.kill(pid, signal.SIGKILL)
    assert len(found) == 3
    for process in found:
        assert isinstance(process, PythonProcess)
        assert process.locks.deadlocks == ()
        assert {thread.wait.kind for thread in process.threads} <= {"lock", "file", "sleep", "process"}


@pytest.mark.alone
async def test_five_hundred_threads_are_seen_within_the_bound(tmp_path: Path) -> None:
    """In a few groups, in much less than the 20 s that py-spy may take."""
    with running(tmp_path, FORTY.replace("range(40)", "range(500)"), settle_s=1.0) as started:
        process = await looked_into(started.pid)
    assert len(process.threads) == 502
    assert len(thread_groups(process)) == 3
    assert process.took_s < py_spy.WITHIN_S


async def test_a_killed_py_spy_leaves_the_process_going_on(tmp_path: Path) -> None:
    """Whenever it is killed, by whomever: the error says so, and the process is not stopped."""
    with running(tmp_path, FORTY.replace("range(40)", "range(300)"), settle_s=0.6) as started:
        killed = 0
        for number in range(KILLS):
            look = asyncio.create_task(py_spy.run_py_spy("target", started.pid))
            until_s = time.monotonic() + 20
            while not (children := children_of(os.getpid(), "py-spy")) and not look.done() and time.monotonic() < until_s:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.002 * number)
            for child in children:
                os.kill(child, signal.SIGKILL)
            (ended,) = await asyncio.gather(look, return_exceptions=True)
            assert isinstance(ended, bytes) or "py-spy was killed by signal 9" in str(ended)
            killed += not isinstance(ended, bytes)
            assert process_state(started.pid) in ("S", "R")
    assert killed >= KILLS // 2


async def test_a_process_that_a_killed_py_spy_left_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal that attached it may still have been under way, and stop it when py-spy is gone."""
    fake = tmp_path / "bin" / "py-spy"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nkill -STOP $4\nkill -KILL $$\n")
    fake.chmod(0o755)
    with running(tmp_path, FORTY) as started:
        monkeypatch.setattr(sys, "executable", str(fake.with_name("python")))
        with pytest.raises(DumpError, match="killed by signal 9"):
            await py_spy.run_py_spy("target", started.pid)
        assert process_state(started.pid) == "S"


def children_of(pid: int, program: str) -> list[int]:
    """Return the children of a process that run a program."""
    children = [int(child) for path in Path(f"/proc/{pid}/task").iterdir() for child in (path / "children").read_text().split()]
    return [child for child in children if Path(f"/proc/{child}/comm").read_text().strip() == program]


def test_a_process_that_was_stopped_is_an_error_that_says_so(tmp_path: Path) -> None:
    """At once, and it stays stopped: that was somebody's will."""
    with running(tmp_path, "") as started:
        os.kill(started.pid, signal.SIGSTOP)
        until_s = time.monotonic() + 10
        while process_state(started.pid) != "T" and time.monotonic() < until_s:
            time.sleep(0.01)
        with pytest.raises(DumpError, match=rf"--pid {started.pid} .*stopped \(state T\).*kill -CONT {started.pid}"):
            require_python_processes([started.pid])
        assert process_state(started.pid) == "T"


def test_what_is_no_process_to_look_into_is_refused_with_the_reason(tmp_path: Path) -> None:
    """One that is not there, this one, a thread, a zombie."""
    with pytest.raises(UsageError, match="no such process"):
        require_python_processes([2**22])
    with pytest.raises(UsageError, match="this command itself"):
        require_python_processes([os.getpid()])
    with running(tmp_path, "start(lambda: time.sleep(600))") as started:
        thread = max(int(task.name) for task in Path(f"/proc/{started.pid}/task").iterdir())
        with pytest.raises(UsageError, match=f"a thread of process {started.pid}"):
            require_python_processes([thread])
    ended = os.fork()
    if ended == 0:
        os._exit(0)
    try:
        os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
        with pytest.raises(UsageError, match="zombie"):
            require_python_processes([ended])
    finally:
        os.waitpid(ended, 0)


# What another user gets to see, who has read the program before he became one.
AS_NOBODY = """
import os, sys
from testbed.errors import DumpError
from testbed.observe.python_threads import require_python_processes
from testbed.observe.thread_waits import thread_waits
os.setuid(65534)
pid = int(sys.argv[1])
try:
    require_python_processes([pid])
except DumpError as error:
    print(error)
for wait in thread_waits(pid).values():
    print(wait.kind, wait.detail)
"""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become another user")
def test_somebody_elses_process_is_refused_with_what_permits_it(tmp_path: Path) -> None:
    """And whoever looks all the same finds every thread unknown, for that reason."""
    with running(tmp_path, "start(lambda: time.sleep(600))") as started:
        command = [sys.executable, "-c", AS_NOBODY, str(started.pid)]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"--pid {started.pid} (")
    assert all(line.startswith("unknown ") for line in lines[1:])
    assert all("to permit it: " in line for line in lines)


@pytest.mark.skipif(process_state(2) == "" or Path("/proc/2/comm").read_text() != "kthreadd\n", reason="no kernel thread is seen here")
def test_a_thread_of_the_kernel_is_refused() -> None:
    """It has no program."""
    with pytest.raises((UsageError, DumpError), match=r"thread of the kernel|may not be looked into"):
        require_python_processes([2])


async def test_what_runs_no_python_is_refused_while_the_others_are_seen(tmp_path: Path) -> None:
    """Py-spy knows."""
    with subprocess.Popen(["sleep", "60"]) as sleep:  # noqa: ASYNC220 - it starts at once
        try:
            with running(tmp_path, "") as started:
                refused, seen = await look_into([sleep.pid, started.pid])
        finally:
            sleep.kill()
    assert isinstance(refused, UsageError)
    assert f"--pid {sleep.pid} (sleep): it runs no Python" in str(refused)
    assert isinstance(seen, PythonProcess)
