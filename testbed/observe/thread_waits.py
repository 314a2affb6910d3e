"""What each thread of a process waits for, read from Linux's /proc without stopping it: its system call, and what that waits for."""

from __future__ import annotations

import errno
import os
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from testbed.observe import system_calls
from testbed.observe.proc import PROC
from testbed.observe.sockets import SocketTable, inode_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Kind = Literal["running", "socket", "lock", "pool", "sleep", "process", "file", "unknown"]
MOST_POLLED = 4_096  # descriptors of one call that are read
POLLFD = struct.Struct("=ihh")  # fd, events, revents
WORD_BITS = 64
RESTART = "restart_syscall"
LOOKS, LOOK_AGAIN_S = 6, 0.02
PERMIT = "run as its owner with `sysctl kernel.yama.ptrace_scope=0`, as root, or in a container with the capability SYS_PTRACE"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a thread waits for by a descriptor: a socket with its addresses and state, a pipe, a file."""

    number: int
    what: Literal["tcp", "unix", "socket", "pipe", "file", "unknown"]
    name: str = ""
    local: str = ""
    peer: str = ""
    state: str = ""
    inode: int = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """What a thread waits for: the system call, its descriptors, and the address of a futex, by which threads at one lock are told.

    `timed`: the call ends by itself. `detail`: what else is known; of `unknown`, why it is, and how to permit it.
    """

    kind: Kind
    call: str = ""
    descriptors: tuple[Descriptor, ...] = ()
    lock: int | None = None
    timed: bool = False
    detail: str = ""

    @property
    def peers(self) -> tuple[str, ...]:
        """The other ends of its connections, each once."""
        return tuple(dict.fromkeys(descriptor.peer for descriptor in self.descriptors if descriptor.peer))


RUNNING = Wait("running")


@dataclass(frozen=True, slots=True)
class Call:
    """What /proc/PID/task/TID/syscall says: a system call with its arguments; without a name, none; with a reason, it cannot be known."""

    name: str = ""
    arguments: tuple[int, ...] = ()
    stack_pointer: int = 0  # of the thread, when it entered the kernel
    reason: str = ""


def read_calls(pid: int, proc: Path = PROC, threads: Collection[int] | None = None) -> dict[int, Call]:
    """Return the system call of each thread, or of those given, by its id; of a process that is gone, none."""
    if proc == PROC and sys.platform != "linux":
        return {}
    with suppress(FileNotFoundError, ProcessLookupError):
        tasks = {int(task.name): task for task in sorted((proc / str(pid) / "task").iterdir())}
        return {thread: _read_call(task) for thread, task in tasks.items() if threads is None or thread in threads}
    return {}


def thread_waits(
    pid: int, sockets: SocketTable | None = None, proc: Path = PROC, threads: Collection[int] | None = None
) -> dict[int, Wait]:
    """Return what each thread of a process, or each of those given, waits for at this moment, by the thread's id."""
    table = SocketTable(pid, proc) if sockets is None else sockets
    return {thread: _describe(pid, thread, call, table, proc) for thread, call in read_calls(pid, proc, threads).items()}


def lasting_waits(pid: int, before: Mapping[int, Wait], sockets: SocketTable | None = None) -> dict[int, Wait]:
    """Return what each thread waits for and has waited for at an earlier look; one that waits for something else each time is running.

    Between the looks it may have moved, as an event loop does that polls the same descriptors again and again. Whom py-spy has
    interrupted may be on the way back to its wait, so it is looked at a few times.
    """
    table = SocketTable(pid) if sockets is None else sockets
    seen = {thread: {replace(wait, timed=False)} for thread, wait in before.items()}
    lasting: dict[int, Wait] = {}
    for _ in range(LOOKS):
        now = thread_waits(pid, table)
        for thread, wait in now.items():
            earlier, here = seen.setdefault(thread, set()), replace(wait, timed=False)
            if wait.kind == "unknown" or (here in earlier and lasting.get(thread, RUNNING) == RUNNING):
                lasting[thread] = wait
            earlier.add(here)
        if all(lasting.get(thread, RUNNING) != RUNNING for thread in now):
            break
        time.sleep(LOOK_AGAIN_S)
    return {thread: lasting.get(thread, RUNNING) for thread in now}


def _read_call(task: Path) -> Call:
    path = task / "syscall"
    try:
        words = path.read_text().split()
    except PermissionError:
        return Call(reason=f"{path} may not be read; to permit it: {PERMIT}")
    except FileNotFoundError:
        if task.exists():
            return Call(reason=f"{path} is not there: this kernel was built without CONFIG_HAVE_ARCH_TRACEHOOK")
        return Call()  # the thread has ended
    except OSError as error:  # ended just now
        return Call() if isinstance(error, ProcessLookupError) else Call(reason=f"{path}: {error.strerror}")
    if not words or words[0] in ("running", "-1"):
        return Call()
    number, *arguments, stack_pointer, _ = (int(word, 0) for word in words)
    return Call(system_calls.call_name(number), tuple(arguments), stack_pointer)


def _describe(pid: int, thread: int, call: Call, table: SocketTable, proc: Path) -> Wait:
    if call.reason:
        return Wait("unknown", detail=call.reason)
    if not call.name:
        return RUNNING
    call = replace(call, name=_restarted(proc / str(pid) / "task" / str(thread))) if call.name == RESTART else call
    name, first = call.name, call.arguments[0]
    if name == "futex":
        return Wait("lock", name, lock=first, timed=call.arguments[3] != 0)
    if name in system_calls.SLEEPS:
        return Wait("sleep", name)
    if name in system_calls.CHILDREN:
        return Wait("process", name, detail=_child(first, name))
    return _described_by_descriptors(pid, call, table, proc)


def _restarted(task: Path) -> str:
    """Return the system call that goes on after an interruption, by the kernel function that the thread sleeps in."""
    with suppress(OSError):
        wchan = (task / "wchan").read_text()
        return next((name for word, name in system_calls.RESTARTED if word in wchan), RESTART)
    return RESTART


def _described_by_descriptors(pid: int, call: Call, table: SocketTable, proc: Path) -> Wait:
    try:
        numbers, timed = _descriptors_of(pid, call, proc)
    except OSError as error:
        reason = f"not permitted; to permit it: {PERMIT}" if isinstance(error, PermissionError) else str(error)
        return Wait("unknown", call.name, detail=f"the descriptors of the call cannot be read: {reason}")
    if numbers is None:
        return Wait("unknown", call.name, detail="what this system call waits for is not known to the testbed")
    found = tuple(_descriptor(pid, number, table, proc) for number in numbers)
    if not found:  # only a time-out
        return Wait("sleep", call.name, timed=timed)
    is_socket = any(each.what in ("tcp", "unix", "socket") for each in found)
    return Wait("socket" if is_socket else "file", call.name, found, timed=timed)


def _child(argument: int, call: str) -> str:
    if call == "waitid":
        return ""
    child = struct.unpack("=i", struct.pack("=I", argument & 0xFFFFFFFF))[0]
    return f"child {child}" if child > 0 else "any child"


def _descriptors_of(pid: int, call: Call, proc: Path) -> tuple[tuple[int, ...] | None, bool]:
    """Return the descriptors that a call waits for, and whether it has a time-out; None for a call that is not known."""
    first, second, third, fourth, fifth, *_ = call.arguments
    if call.name in system_calls.OF_ONE_DESCRIPTOR:
        return (first,), False
    if call.name in system_calls.POLLS:
        count = min(second, MOST_POLLED)
        polled = [number for number, _, _ in POLLFD.iter_unpack(_memory(pid, first, count * POLLFD.size, proc))] if count else []
        return tuple(number for number in polled if number >= 0), _has_timeout(third) if call.name == "poll" else third != 0
    if call.name in system_calls.SELECTS:
        words = (min(first, MOST_POLLED) + WORD_BITS - 1) // WORD_BITS
        numbers: set[int] = set()
        for place in (second, third, fourth):
            bits = int.from_bytes(_memory(pid, place, words * WORD_BITS // 8, proc), sys.byteorder) if place and words else 0
            numbers |= {number for number in range(first) if bits >> number & 1}
        return tuple(sorted(numbers)), fifth != 0
    if call.name in system_calls.EPOLLS:
        info = (proc / str(pid) / "fdinfo" / str(first)).read_text()
        watched = tuple(int(line.split()[1]) for line in info.splitlines() if line.startswith("tfd:"))
        return watched, fourth != 0 if call.name == "epoll_pwait2" else _has_timeout(fourth)
    return None, False


def _has_timeout(milliseconds: int) -> bool:
    """Whether an `int` of milliseconds, as it stands in a register, is a time-out: -1 is none."""
    return milliseconds & 0xFFFFFFFF < 1 << 31


def _memory(pid: int, address: int, size_bytes: int, proc: Path) -> bytes:
    with (proc / str(pid) / "mem").open("rb", buffering=0) as memory:
        found = os.pread(memory.fileno(), size_bytes, address)
    if len(found) < size_bytes:
        raise OSError(errno.EIO, f"its memory at {address:#x} ended after {len(found)} of {size_bytes} bytes")
    return found


def _descriptor(pid: int, number: int, table: SocketTable, proc: Path) -> Descriptor:
    try:
        target = str((proc / str(pid) / "fd" / str(number)).readlink())
    except PermissionError:
        return Descriptor(number, "unknown", f"may not be read; to permit it: {PERMIT}")
    except OSError as error:
        return Descriptor(number, "unknown", error.strerror or str(error))
    inode = inode_of(target)
    if inode is None:
        return Descriptor(number, "pipe" if target.startswith("pipe:") else "file", target)
    socket = table.of(inode)
    if socket is None:
        return Descriptor(number, "socket", "; ".join(table.unread) or "neither TCP nor Unix", inode=inode)
    name = socket.local if socket.kind == "unix" else ""
    return Descriptor(number, socket.kind, name, socket.local, socket.peer, socket.state, inode)
