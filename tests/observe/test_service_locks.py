from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from testbed.errors import DumpError, FacilityError
from testbed.journal.evidence import Listener
from testbed.journal.thread_states import RUNNING
from testbed.observe import service_locks
from tests.observe.programs import CROSSED, HELD_BY_A_THIRD, running

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux' /proc says what threads wait for")


async def test_a_deadlock_between_threads_is_told_with_its_lines(tmp_path: Path) -> None:
    """Each waits at a line for what the other took at another; nobody else holds anything."""
    with running(tmp_path, CROSSED.replace("LOCK", "threading.Lock")) as started:
        found = await service_locks.thread_locks("cf-1", started.pid, ())
    waits = {wait.name: wait for wait in found.lock_waits}
    there, back = waits["there"], waits["back"]
    assert (there.holder, there.holder_name, back.holder_name) == (back.thread, "back", "there")
    assert (there.lock, there.timed) == ("target.lock", False)
    assert int(there.at.partition(":")[2].split()[0]) > int(there.held_at.partition(":")[2])
    assert [sorted(threads) for threads in found.deadlocks] == [sorted((there.thread, back.thread))]
    assert found.holders == ()


async def test_the_holder_of_a_lock_is_told_with_what_it_does(tmp_path: Path) -> None:
    """It sleeps: two wait for it, and there is no deadlock."""
    with running(tmp_path, HELD_BY_A_THIRD.replace("LOCK", "threading.RLock")) as started:
        found = await service_locks.thread_locks("cf-1", started.pid, ())
    (holder,) = found.holders
    assert (holder.name, holder.kind, holder.state) == ("hold", "sleep", RUNNING)
    assert {(wait.name, wait.holder) for wait in found.lock_waits} == {("there", holder.thread), ("back", holder.thread)}
    assert found.deadlocks == ()


async def test_a_deadlock_of_request_threads_that_no_earlier_dump_shows_is_none(tmp_path: Path) -> None:
    """It would have been there: a deadlock lasts for ever."""
    run = tmp_path / "anyio" / "_backends"
    run.mkdir(parents=True)
    (run / "worker.py").write_text("def run(work, *arguments):\n    work(*arguments)\n")
    begin, _, calls = CROSSED.replace("LOCK", "threading.Lock").rpartition("\nstart(move, first, second")
    text = f"import sys\nsys.path.insert(0, {str(run)!r})\nfrom worker import run\n{begin}\nstart(run, move, first, second{calls}".replace(
        "start(move, second", "start(run, move, second"
    )
    with running(tmp_path, text) as started:
        first = await service_locks.thread_locks("cf-1", started.pid, ())
        lines = tuple(wait.at for wait in first.lock_waits)
        again = await service_locks.thread_locks("cf-1", started.pid, lines)
    assert (len(first.deadlocks), len(again.deadlocks)) == (0, 1)


@pytest.mark.fact("A4")
async def test_a_full_listen_queue_is_told_with_its_length_and_its_limit(tmp_path: Path) -> None:
    """One more than the backlog is in it."""
    text = """
import socket
listener = socket.create_server(("127.0.0.1", 0), backlog=1)
print(listener.getsockname()[1], file=open("port", "w"), flush=True)
waiting = [socket.create_connection(listener.getsockname()) for _ in range(COUNT)]
"""
    for count, is_full in ((1, False), (2, True)):
        with running(tmp_path, f"import os\nos.chdir({str(tmp_path)!r})\nCOUNT = {count}\n{text}") as started:
            found = await service_locks.listeners("cf-1", started.pid)
        port = int((tmp_path / "port").read_text())
        assert found.sockets == (Listener(f"127.0.0.1:{port}", count, 1),)
        assert (found.sockets[0].is_full, found.is_stopped) == (is_full, False)


async def test_a_process_that_is_stopped_says_so_of_its_listeners(tmp_path: Path) -> None:
    """The kernel goes on to queue, and nobody accepts."""
    with running(tmp_path, 'import socket\nlistener = socket.create_server(("127.0.0.1", 0))') as started:
        started.send_signal(signal.SIGSTOP)
        await asyncio.to_thread(os.waitid, os.P_PID, started.pid, os.WSTOPPED | os.WNOWAIT)
        assert (await service_locks.listeners("cf-1", started.pid)).is_stopped


async def test_a_process_that_does_not_listen_or_is_gone_says_so(tmp_path: Path) -> None:
    """Nothing is told of it, and nothing is left out in silence."""
    with running(tmp_path, "") as started, pytest.raises(FacilityError, match=f"none is seen of process {started.pid}"):
        await service_locks.listeners("cf-1", started.pid)
    with pytest.raises(FacilityError, match="cf-1 does not run"):
        await service_locks.listeners("cf-1", started.pid)
    with pytest.raises(DumpError, match="cf-1"):
        await service_locks.thread_locks("cf-1", started.pid, ())


async def test_the_event_loop_is_the_main_thread_of_a_dump(tmp_path: Path) -> None:
    """Outermost call first; a dump that cannot be read says why."""
    dump = tmp_path / "cf-1.json"
    frames = '[{"name": "select", "filename": "/lib/selectors.py", "line": 9}, {"name": "main", "filename": "/a/b.py", "line": 1}]'
    dump.write_text(f'[{{"thread_name": "MainThread", "thread_id": 1, "os_thread_id": 1, "frames": {frames}}}]')
    assert (await service_locks.event_loop("cf-1", dump)).stack == ("a/b.py:1 main", "lib/selectors.py:9 select")
    with pytest.raises(DumpError, match="cannot be read: No such file"):
        await service_locks.event_loop("cf-1", tmp_path / "none.json")
    dump.write_text("[]")
    with pytest.raises(DumpError, match="no main thread"):
        await service_locks.event_loop("cf-1", dump)


def test_this_process_has_a_listener_while_it_listens() -> None:
    """The kernel is asked about the process, not about an address."""
    with socket.create_server(("127.0.0.1", 0), backlog=3) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert Listener(address, 0, 3) in service_locks._listeners("cf-1", os.getpid()).sockets  # noqa: SLF001 - without its thread
