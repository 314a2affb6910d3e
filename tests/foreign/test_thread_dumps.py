"""The dumps of other languages' programs: what is read of them, and what their threads wait for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.errors import DumpError
from testbed.foreign import dump_text, go_dump, jvm_dump, python_dump
from testbed.foreign.thread import ForeignDump, ForeignThread, as_py_spy, group_threads, request_threads, state_of, table_of
from testbed.journal.events import GroupWait
from testbed.journal.thread_states import CHECKOUT, DATABASE, IDLE, LOCK, RUNNING, SOCKET, may_wait_for_lock
from testbed.observe.py_spy import Frame, Stack
from testbed.observe.thread_waits import Wait
from testbed.plan.service import StackPattern
from testbed.postmortem import dump as postmortem_dump

DUMPS = Path(__file__).parent / "dumps"
JVM = (DUMPS / "jvm_threads.txt").read_text(encoding="utf-8")
POOLS = (DUMPS / "jvm_pools.txt").read_text(encoding="utf-8")
GO = (DUMPS / "go_goroutines.txt").read_text(encoding="utf-8")
FAULTHANDLER = """INFO started
Thread 0x00007f0a044f96c0 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 327 in wait
  File "/usr/lib/python3.11/queue.py", line 171 in get
  File "/usr/lib/python3.11/threading.py", line 1002 in _bootstrap

Current thread 0x00007f0a050aab80 (most recent call first):
  File "/app/it's \\"here\\", line 1.py", line 8 in <module>
INFO goes on
"""
TABLE = table_of(())


def threads(dump: ForeignDump) -> dict[str, ForeignThread]:
    """Return the threads of a dump by their names."""
    return {thread.name: thread for thread in dump.threads}


@pytest.mark.parametrize(
    ("text", "name", "state"),
    [
        (JVM, "deadlock-1", LOCK),
        (JVM, 'monitor "quoted" #7', LOCK),
        (JVM, "lock-1", LOCK),
        (JVM, "socket-1", SOCKET),
        (JVM, "accept-1", IDLE),
        (JVM, "idle-1", IDLE),
        (JVM, "Finalizer", IDLE),
        (JVM, "main", RUNNING),
        (JVM, "VM Thread", RUNNING),
        (POOLS, "hikari-1", CHECKOUT),
        (POOLS, "dbcp2-1", CHECKOUT),
        (POOLS, "tomcat-1", CHECKOUT),
        (POOLS, "pgjdbc-1", DATABASE),
        (GO, "goroutine 5", CHECKOUT),
        (GO, "goroutine 6", SOCKET),
        (GO, "goroutine 7", LOCK),
        (GO, "goroutine 1", RUNNING),
        (FAULTHANDLER, "thread 0x7f0a044f96c0", IDLE),
        (FAULTHANDLER, "thread 0x7f0a050aab80", RUNNING),
    ],
)
def test_a_thread_of_any_program_is_read_for_what_it_waits_for(text: str, name: str, state: str) -> None:
    """A pool, the database, a socket, a lock or work: by the table, and by a monitor that no call shows."""
    assert state_of(threads(dump_text.parse(text.encode()))[name], TABLE) == state


def test_a_jvm_tells_whose_lock_a_thread_waits_for() -> None:
    """The lock that it wants and those that it holds have the addresses of the dump, so that two threads can be put together."""
    one, other = (threads(jvm_dump.parse(JVM))[name] for name in ("deadlock-1", "deadlock-2"))
    assert one.wants is not None
    assert one.wants.kind == "java.lang.Object"
    assert [one.wants] == list(other.holds)
    assert [other.wants] == list(one.holds)
    assert (one.says, one.stack.os_id) == ("BLOCKED", 0x603E)
    assert one.stack.frames[-1] == Frame("Threads.both", "Threads.java", 33)
    assert one.stack.frames[0] == Frame("java.lang.Thread.run", "Thread.java", 840)


def test_a_lock_that_a_thread_waits_on_is_not_held_by_it() -> None:
    """`Object.wait` gives the monitor back, which the dump calls locked all the same."""
    assert threads(jvm_dump.parse(JVM))["Finalizer"].holds == ()


def test_the_deadlocks_that_a_jvm_finds_are_told_by_the_names_of_their_threads() -> None:
    """And the stacks that are repeated there are no further threads."""
    dump = jvm_dump.parse(JVM)
    assert dump.deadlocks == (("deadlock-1", "deadlock-2"),)
    assert [thread.name for thread in dump.threads].count("deadlock-1") == 1
    assert jvm_dump.parse(POOLS).deadlocks == ()


def test_the_last_dump_of_a_log_counts_and_other_lines_are_none_of_it() -> None:
    """A log has earlier dumps, and lines of the program before, behind and between."""
    log = JVM + "\nat noon(Nothing.java:1)\n" + POOLS.replace('"hikari-1"', '2013-10-07 INFO served\n"hikari-1"') + "Heap\n garbage-first\n"
    assert threads(jvm_dump.parse(log)).keys() == threads(jvm_dump.parse(POOLS)).keys()
    assert threads(jvm_dump.parse(log))["hikari-1"].stack.frames == threads(jvm_dump.parse(POOLS))["hikari-1"].stack.frames
    again = FAULTHANDLER.replace("line 171", "line 172")
    frames = python_dump.parse(FAULTHANDLER + again).threads[0].stack.frames
    assert [frame.line for frame in frames] == [1002, 172, 327]


@pytest.mark.parametrize("end", [0, 100, 2_000, 5_000, 9_000, len(JVM)])
def test_a_dump_that_is_cut_short_is_read_as_far_as_it_goes(end: int) -> None:
    """And is not complete before its last line."""
    cut = jvm_dump.parse(JVM[:end])
    whole = jvm_dump.parse(JVM)
    assert [thread.name for thread in cut.threads] == [thread.name for thread in whole.threads][: len(cut.threads)]
    assert jvm_dump.is_complete(JVM[:end]) is (end == len(JVM))


def test_what_differs_in_each_process_differs_in_no_group() -> None:
    """The address of a hidden class is left out of its calls, so that the same lambda is the same call in each dump."""
    names = [frame.name for thread in jvm_dump.parse(JVM).threads for frame in thread.stack.frames]
    assert "Threads$$Lambda$241.run" in names
    assert not any("/" in name for name in names)


def test_request_threads_are_those_that_the_table_names() -> None:
    """Without a name every thread that has calls may be one, but for those of the JVM itself."""
    dump = jvm_dump.parse(JVM)
    assert [thread.name for thread in request_threads(dump, r"^deadlock-\d+$")] == ["deadlock-1", "deadlock-2"]
    named = {thread.name for thread in request_threads(dump, None)}
    assert named == {"main", "deadlock-1", "deadlock-2", "socket-1", "lock-1", "accept-1", "idle-1", 'monitor "quoted" #7'}
    assert request_threads(dump, "http-") == ()


def test_where_a_dump_has_no_names_no_name_can_leave_a_thread_out() -> None:
    """Python tells none before Python 3.14; its own do count where it does."""
    assert len(request_threads(python_dump.parse(FAULTHANDLER), "http-")) == 2
    named = FAULTHANDLER.replace("Thread 0x00007f0a044f96c0", "Thread 0x00007f0a044f96c0 [http-1]")
    assert [thread.name for thread in request_threads(python_dump.parse(named), "http-")] == ["http-1"]


def test_of_a_program_that_serves_by_anyio_its_worker_threads_are_the_request_threads() -> None:
    """Nobody has to name them (C6)."""
    worker = Stack("AnyIO worker thread", (Frame("run", "/site/anyio/_backends/_asyncio.py", 1),))
    main = Stack("MainThread", (Frame("main", "/app/main.py", 1),))
    assert request_threads(ForeignDump((ForeignThread(main), ForeignThread(worker))), None) == (ForeignThread(worker),)


def test_threads_with_the_same_calls_are_a_group_and_a_monitor_is_a_lock_that_they_wait_for() -> None:
    """As of any service's: the largest first, and idle ones without their calls."""
    dump = jvm_dump.parse(JVM)
    groups = group_threads([thread for thread in dump.threads if thread.name.startswith(("deadlock", "idle", "monitor"))], TABLE)
    assert {(group.count, group.state) for group in groups} == {(1, LOCK), (1, IDLE)}
    blocked = next(group for group in groups if group.state == LOCK)
    assert blocked.waits == (GroupWait(1, "lock", "monitor", "", ""),)
    assert may_wait_for_lock(blocked)
    assert next(group for group in groups if group.state == IDLE).stack == ()
    same = group_threads([*dump.threads[11:12], *dump.threads[11:12]], TABLE)
    assert [group.count for group in same] == [2]


def test_what_the_kernel_sees_of_a_thread_is_counted_in_its_group() -> None:
    """By the number that a JVM gives of it, where the calls do not tell all."""
    socket = threads(jvm_dump.parse(JVM))["socket-1"]
    (group,) = group_threads([socket], TABLE, {socket.stack.os_id: Wait("socket", "recvfrom")})
    assert group.waits == (GroupWait(1, "socket", "recvfrom", "", ""),)


def test_rows_of_the_services_own_come_first() -> None:
    """A framework may have a pool that the testbed does not know, and a call may mean something else there."""
    accept, main = (threads(jvm_dump.parse(JVM))[name] for name in ("accept-1", "main"))
    table = table_of([StackPattern(pattern=r"ServerSocket\.accept", waits_for="pool"), StackPattern(pattern="sleep", waits_for="lock")])
    assert (state_of(accept, table), state_of(main, table)) == (CHECKOUT, LOCK)


@pytest.mark.parametrize("text", [JVM, POOLS, GO, FAULTHANDLER])
def test_the_post_mortem_reads_every_dump(text: str, tmp_path: Path) -> None:
    """It is kept as py-spy writes one, with every thread and call."""
    dump = dump_text.parse(text.encode())
    (tmp_path / "cf-1.json").write_bytes(as_py_spy(dump))
    read = postmortem_dump.read(tmp_path / "cf-1.json")
    assert [(thread.name, len(thread.calls)) for thread in read] == [(thread.name, len(thread.stack.frames)) for thread in dump.threads]
    assert [thread.stack for thread in dump_text.parse(as_py_spy(dump)).threads] == [thread.stack for thread in dump.threads]


def test_a_goroutine_is_read_with_its_state_and_calls() -> None:
    """The call that created it is none of its own."""
    waiting = threads(go_dump.parse(GO))["goroutine 5"]
    assert waiting.says == "select"
    assert [frame.name for frame in waiting.stack.frames] == ["main.main.func1", "database/sql.(*DB).Conn", "database/sql.(*DB).conn"]
    assert waiting.stack.frames[-1].line == 1341


@pytest.mark.parametrize("printed", [b"", b"no dump\n", b"[1, 2", b"[INFO] started", b"\xff\xfe\x00", json.dumps([{"a": 1}]).encode()])
def test_a_text_without_a_dump_is_refused_with_its_begin(printed: bytes) -> None:
    """And with what a dump may be."""
    with pytest.raises(DumpError, match=r"^no thread dump in it: .*; allowed: the dump of a JVM"):
        dump_text.parse(printed)
