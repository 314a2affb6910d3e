"""What the kernel and the stacks tell of a service's process from outside: its listen queues, its event loop, and its threads' locks."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from testbed.errors import DumpError, FacilityError
from testbed.journal.evidence import EventLoop, Holder, Listener, Listeners, LockWait, ThreadLocks
from testbed.observe import netlink
from testbed.observe.proc import PROC, STOPPED, process_state
from testbed.observe.py_spy import MOST_PEERS, parse_dump, wait_of
from testbed.observe.python_threads import look_once
from testbed.observe.thread_waits import RUNNING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from testbed.observe import deadlocks
    from testbed.observe.py_spy import Stack
    from testbed.observe.thread_waits import Wait

MAIN_THREAD = "MainThread"


async def listeners(service: str, pid: int) -> Listeners:
    """Return the TCP sockets on which a service listens, with their queues; raises FacilityError where the kernel does not tell."""
    return await asyncio.to_thread(_listeners, service, pid)


async def event_loop(service: str, dump: Path) -> EventLoop:
    """Return where a service's event loop stood in a dump of its threads; raises DumpError where that cannot be read."""
    return await asyncio.to_thread(_event_loop, service, dump)


async def thread_locks(service: str, pid: int, seen: Collection[str]) -> ThreadLocks:
    """Return who waits for whose lock among the threads of a service; raises DumpError.

    `seen`: the lines of an earlier dump's stacks, which is the first of two looks. A deadlock lasts for ever: where a thread of it was not
    seen at its line before, it is the moment's, and none.
    """
    _require_linux(service)
    stacks, waits, found = await look_once(service, pid)
    named = {stack.os_id: stack for stack in stacks}
    return ThreadLocks(
        service,
        tuple(_lock_wait(wait, named) for wait in found.waits),
        tuple(_holders(found.waits, named, waits)),
        tuple(
            tuple(wait.thread for wait in deadlock.waits)
            for deadlock in found.deadlocks
            if all(wait.at in seen for wait in deadlock.waits if named[wait.thread].is_request_thread)
        ),
        found.unread,
    )


def _require_linux(service: str) -> None:
    if sys.platform != "linux":
        raise DumpError(f"what {service} waits for is told by Linux' /proc only; this is {sys.platform}")


def _listeners(service: str, pid: int) -> Listeners:
    _require_linux(service)
    if not (PROC / str(pid)).exists():
        raise FacilityError(f"{service} does not run")
    found = netlink.own_listen_queues(pid)
    if not found:
        raise FacilityError(f"none is seen of process {pid}: none is there, or it may not be looked into")
    sockets = tuple(Listener(queue.address, queue.queued, queue.backlog) for queue in found)
    return Listeners(service, sockets, process_state(pid) == STOPPED)


def _event_loop(service: str, dump: Path) -> EventLoop:
    try:
        stacks = parse_dump(dump.read_bytes())
    except OSError as error:
        raise DumpError(f"{dump} cannot be read: {error.strerror}") from error
    main = next((stack for stack in stacks if stack.thread == MAIN_THREAD), None)
    if main is None:
        raise DumpError(f"{dump} shows no main thread")
    return EventLoop(service, tuple(str(frame) for frame in main.frames))


def _lock_wait(wait: deadlocks.LockWait, named: Mapping[int, Stack]) -> LockWait:
    holder = None if wait.holder is None else named.get(wait.holder)
    return LockWait(
        wait.thread,
        named[wait.thread].thread,
        wait.at,
        wait.lock,
        wait.holder,
        "" if holder is None else holder.thread,
        wait.held_at,
        wait.sure,
        wait.timed,
    )


def _holders(found: Sequence[deadlocks.LockWait], named: Mapping[int, Stack], waits: Mapping[int, Wait]) -> list[Holder]:
    """Return the threads that hold a lock for which others wait, and wait for none themselves."""
    waiting = {wait.thread for wait in found}
    holding = dict.fromkeys(wait.holder for wait in found if wait.holder is not None and wait.holder not in waiting)
    return [_holder(named[thread], waits.get(thread, RUNNING)) for thread in holding if thread in named]


def _holder(stack: Stack, seen: Wait) -> Holder:
    wait, frames = wait_of(stack, seen), tuple(str(frame) for frame in stack.frames)
    peers = ", ".join(wait.peers[:MOST_PEERS])
    return Holder(stack.os_id, stack.thread, stack.state, stack.within(), frames, wait.kind, wait.call, peers, wait.detail)
