"""The threads of any Python process of this machine, each with its stack and what it waits for: by pid, from outside (P4)."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import DumpError, TestbedError, UsageError
from testbed.observe import netlink
from testbed.observe.deadlocks import LockFindings, find_locks
from testbed.observe.proc import PROC, STOPPED, TRACED, ZOMBIE, process_state
from testbed.observe.py_spy import parse_dump, run_py_spy, wait_of
from testbed.observe.sockets import SocketTable, descriptors, inode_of, owners
from testbed.observe.thread_waits import PERMIT, Descriptor, Wait, lasting_waits, thread_waits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.observe.py_spy import Stack

NO_PYTHON = "Failed to find python version"
TCP = "tcp"
STOPPED_STATES = {STOPPED: "by a signal; to let it go on: kill -CONT", TRACED: "by a debugger; end that, or detach it from"}
NOT_PYTHONS = "that no known line of Python takes: of native code, or the interpreter's own (the GIL)"
NO_SOURCE = "that is not known: its source could not be read"
NO_CALLS = (
    "that is not known: py-spy shows no call of its own, as of native code, "
    "or of a file whose name is not UTF-8, so its source could not be read"
)
NOT_FOUND = "a process that this user may not look into, or that was not found in time"
NOT_HERE = "on another machine, in another network namespace, or gone"
MOST_CONNECTIONS = 8  # of one thread, whose other ends are looked for


@dataclass(frozen=True, slots=True)
class OtherEnd:
    """Who has the other end of a connection, and which of its threads wait for it; `detail`: what else is seen. None: not known."""

    pid: int | None
    program: str = ""
    threads: tuple[str, ...] | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket: how many connections wait to be accepted, and how many may; None where the kernel does not say."""

    address: str
    queued: int | None
    backlog: int | None


@dataclass(frozen=True, slots=True)
class PythonThread:
    """A thread with its stack and what it waits for, and the other ends of its connections."""

    stack: Stack
    wait: Wait
    other_ends: tuple[OtherEnd, ...] = ()


@dataclass(frozen=True, slots=True)
class PythonProcess:
    """A Python process: its threads, its locks, and where it listens; `unknown` says what could not be seen, and why."""

    pid: int
    program: str
    threads: tuple[PythonThread, ...]
    locks: LockFindings
    listeners: tuple[Listener, ...]
    took_s: float
    unknown: tuple[str, ...] = ()


def require_python_processes(pids: Sequence[int], proc: Path = PROC) -> None:
    """Raise UsageError for a pid that cannot be a Python process to look into, DumpError for one that cannot be looked into now."""
    if proc == PROC and sys.platform != "linux":
        raise UsageError(f"--pid needs Linux, whose /proc says what threads wait for; this is {sys.platform}")
    for pid in pids:
        state = process_state(pid, proc)
        named = f"--pid {pid} ({program(pid, proc)})"
        _require_process(pid, state, named, proc)
        if state in STOPPED_STATES:
            raise DumpError(f"{named} is stopped (state {state}) {STOPPED_STATES[state]} {pid}")


def _require_process(pid: int, state: str, named: str, proc: Path) -> None:
    """Raise UsageError for what is no process of a program, DumpError for one that may not be looked into."""
    directory = proc / str(pid)
    if not state:
        raise UsageError(f"--pid {pid}: there is no such process; allowed: the pid of a Python process that runs")
    if pid == os.getpid():
        raise UsageError(f"--pid {pid}: that is this command itself; allowed: the pid of another Python process")
    if (process := _process_of(directory)) != directory.name:  # /proc answers for the number of a thread, too
        raise UsageError(f"{named}: that is a thread of process {process}; allowed: the pid of a process")
    if state == ZOMBIE:
        raise UsageError(f"{named}: it has ended, and its parent has not asked how (a zombie); allowed: a process that runs")
    try:
        has_program = bool((directory / "maps").read_bytes())
    except PermissionError as error:
        raise DumpError(f"{named} may not be looked into; to permit it: {PERMIT}") from error
    except OSError as error:
        raise UsageError(f"{named}: it has ended just now; allowed: a process that runs") from error
    if not has_program:
        raise UsageError(f"{named}: that is a thread of the kernel; allowed: the pid of a Python process")


async def look_into(pids: Sequence[int], within_s: float | None = None) -> list[PythonProcess | TestbedError]:
    """Return the threads of each process, or why there are none; all at once, and within `within_s` for py-spy and some seconds more."""
    found = await asyncio.gather(*(_look_into(pid, within_s) for pid in pids))
    ends = await asyncio.to_thread(_OtherEnds, [each for each in found if isinstance(each, PythonProcess)])
    return [ends.joined(each) if isinstance(each, PythonProcess) else each for each in found]


def program(pid: int, proc: Path = PROC) -> str:
    """Return the name of a process's program, as the kernel has it; empty when it is gone."""
    try:
        return (proc / str(pid) / "comm").read_text(errors="replace").strip()
    except OSError:
        return ""


def _process_of(directory: Path) -> str:
    """Return the pid of the process that a number belongs to, as text."""
    with suppress(OSError):
        found = re.search(r"^Tgid:\s*(\d+)", (directory / "status").read_text(errors="replace"), re.MULTILINE)
        return found[1] if found else directory.name
    return directory.name


async def _look_into(pid: int, within_s: float | None) -> PythonProcess | TestbedError:
    name, started_s = program(pid) or "process", time.monotonic()
    try:
        stacks, waits, locks = await look_once(name, pid, within_s)
        if locks.deadlocks:  # one lasts for ever: what is not there at a second look was the moment's
            _, _, again = await look_once(name, pid, within_s)
            lasting = {frozenset(each.waits) for each in again.deadlocks}
            locks = replace(locks, deadlocks=tuple(each for each in locks.deadlocks if frozenset(each.waits) in lasting))
    except DumpError as error:
        if NO_PYTHON in str(error):
            return UsageError(f"--pid {pid} ({name}): it runs no Python that py-spy knows; allowed: the pid of a Python process")
        return error
    taking = {wait.thread for wait in locks.waits}
    threads = tuple(
        PythonThread(stack, _told(stack, waits, is_taking=stack.os_id in taking, is_blind=stack.os_id in locks.blind)) for stack in stacks
    )
    table = SocketTable(pid)
    return PythonProcess(pid, name, threads, locks, _listeners(pid, table), time.monotonic() - started_s, (*table.unread, *locks.unread))


def _told(stack: Stack, waits: Mapping[int, Wait], *, is_taking: bool, is_blind: bool) -> Wait:
    """Return what a thread waits for, with what its stack says of that; `is_blind`: its line could not be read."""
    if stack.os_id not in waits:
        return Wait("unknown", detail="no thread of the kernel has the id that py-spy tells: it has ended since")
    wait = wait_of(stack, waits[stack.os_id])
    if wait.kind == "lock" and wait.lock is not None and not is_taking:
        calls = [frame for frame in stack.frames if not frame.file.endswith("/threading.py")]
        return replace(wait, detail=NO_CALLS if not calls else NO_SOURCE if is_blind else NOT_PYTHONS)
    return wait


async def look_once(name: str, pid: int, within_s: float | None = None) -> tuple[tuple[Stack, ...], dict[int, Wait], LockFindings]:
    """Return the stacks of a process, what each thread waits for before and after, and its locks."""
    before = await asyncio.to_thread(thread_waits, pid)
    stacks = with_kernel_ids(pid, parse_dump(await run_py_spy(name, pid, "--locals", within_s=within_s)))
    waits = await asyncio.to_thread(lasting_waits, pid, before)
    return stacks, waits, await asyncio.to_thread(find_locks, pid, stacks, waits)


def with_kernel_ids(pid: int, stacks: tuple[Stack, ...], proc: Path = PROC) -> tuple[Stack, ...]:
    """Return stacks with the ids that threads have in /proc; of a process in a PID namespace of its own, py-spy tells those in there.

    A thread has one for each namespace, from that of /proc to its own (`NSpid`).
    """
    tasks: list[Path] = []
    with suppress(OSError):
        tasks = list((proc / str(pid) / "task").iterdir())
    if {stack.os_id for stack in stacks if stack.os_id} <= {int(task.name) for task in tasks}:
        return stacks
    ids: dict[int, int] = {}
    for task in tasks:
        with suppress(OSError):  # it has ended since
            found = re.search(r"^NSpid:.*?(\d+)$", (task / "status").read_text(errors="replace"), re.MULTILINE)
            ids[int(found[1] if found else task.name)] = int(task.name)
    return tuple(replace(stack, os_id=ids.get(stack.os_id, stack.os_id)) for stack in stacks)


def _listeners(pid: int, table: SocketTable) -> tuple[Listener, ...]:
    mine = {inode for _, target in descriptors(pid) if (inode := inode_of(target)) is not None}
    listening = [socket for socket in table.listeners() if socket.inode in mine]
    backlogs = netlink.backlogs(pid) if listening else {}
    return tuple(Listener(socket.local, socket.queued if socket.kind == TCP else None, backlogs.get(socket.inode)) for socket in listening)


class _OtherEnds:
    """The other ends of the connections that threads wait for, and who waits there, as far as this user may look."""

    def __init__(self, processes: Sequence[PythonProcess]) -> None:
        self._tables = {process.pid: SocketTable(process.pid) for process in processes}
        self._peers = {process.pid: netlink.unix_peers(process.pid) for process in processes}
        self._names = {(process.pid, thread.stack.os_id): thread.stack.thread for process in processes for thread in process.threads}
        self._waits: dict[int, dict[int, Wait]] = {}
        ends = {self._end(process.pid, each) for process in processes for thread in process.threads for each in _first(thread.wait)}
        self._owners = owners(inode for inode, _ in ends)

    def joined(self, process: PythonProcess) -> PythonProcess:
        """Return a process with the other ends of its threads' connections."""
        threads = (replace(thread, other_ends=tuple(self._of(process.pid, thread.wait))) for thread in process.threads)
        return replace(process, threads=tuple(threads))

    def _of(self, pid: int, wait: Wait) -> dict[OtherEnd, None]:
        found: dict[OtherEnd, None] = {}
        for descriptor in _first(wait):
            inode, detail = self._end(pid, descriptor)
            for owner in self._owners.get(inode, ()):
                if owner != pid or descriptor.what == TCP:  # both ends of a socket pair are often one process's, to wake itself
                    found[OtherEnd(owner, program(owner), self._waiting(owner, inode), detail)] = None
            if descriptor.peer and inode not in self._owners:
                unseen = NOT_FOUND if inode else NOT_HERE
                found[OtherEnd(None, detail=detail or unseen)] = None
        return found

    def _end(self, pid: int, descriptor: Descriptor) -> tuple[int, str]:
        """Return the inode of the other end, and what is to say of it; of a connection not yet accepted, that of the listener."""
        table = self._tables[pid]
        if descriptor.what == "unix":
            return self._peers[pid].get(descriptor.inode, 0), ""
        mine = table.of(descriptor.inode)
        other = table.other_end(mine) if mine else None
        if other is not None and other.inode:
            return other.inode, "" if other.state == "ESTABLISHED" else f"its end is {other.state}"
        listener = table.listener_at(descriptor.peer) if descriptor.peer else None
        if listener is None or (other is None and descriptor.state == "ESTABLISHED"):
            return 0, ""
        return listener.inode, "which listens there, and has not accepted it"

    def _waiting(self, pid: int, inode: int) -> tuple[str, ...] | None:
        """Return the threads of a process that wait for a socket; None where it is not permitted to see what they wait for."""
        if pid not in self._waits:
            self._waits[pid] = thread_waits(pid)
        if all(wait.kind == "unknown" for wait in self._waits[pid].values()):
            return None
        return tuple(
            self._names.get((pid, thread), f"{_thread_name(pid, thread)} ({thread})")
            for thread, wait in self._waits[pid].items()
            if any(descriptor.inode == inode for descriptor in wait.descriptors)
        )


def _first(wait: Wait) -> tuple[Descriptor, ...]:
    """Return the first connections of a wait; an event loop may have thousands."""
    return tuple(each for each in wait.descriptors if each.inode and (each.peer or each.what == "unix"))[:MOST_CONNECTIONS]


def _thread_name(pid: int, thread: int) -> str:
    with suppress(OSError):
        return (PROC / str(pid) / "task" / str(thread) / "comm").read_text(errors="replace").strip()
    return "thread"
