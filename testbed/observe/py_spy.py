"""Thread dumps from outside, by process id, with `py-spy` (P4), and what their stacks say (P3, O5 to O7)."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.errors import DumpError
from testbed.journal.events import GroupWait, ThreadGroup
from testbed.journal.thread_states import CHECKOUT, DATABASE, HTTP_CONNECTION, IDLE, LOCK, SOCKET
from testbed.observe.proc import STOPPED, process_state
from testbed.observe.stack_waits import own_state
from testbed.observe.thread_waits import RUNNING as RUNNING_NOW
from testbed.observe.thread_waits import thread_waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from testbed.observe.thread_waits import Wait

    Look = Callable[[Iterable["Stack"]], Mapping[int, Wait]]

WITHIN_S = 20.0
RESUMED_WITHIN_S, LOOK_EVERY_S = 0.3, 0.01
BACK_WITHIN_S, LOOK_AGAIN_S = 0.5, 0.02
MOST_PEERS = 3  # of the connections that one thread waits for
WAITS = (SOCKET, LOCK)  # a thread with such a stack is within a system call, or on the way there
TOLD = (IDLE, CHECKOUT, HTTP_CONNECTION, DATABASE)  # the stack itself tells what such a thread waits for
OPERATIONS = ("lookup_by_city", "flight_status", "check_in", "book")


@dataclass(frozen=True, slots=True)
class Local:
    """A local variable: its name, the address of the object, and what py-spy makes of it, such as `<_thread.lock at 0x7f…>`."""

    name: str
    address: int
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One call on a stack: the function (with its class, where the interpreter tells), the file, the line; its locals, if asked for."""

    name: str
    file: str
    line: int
    locals: tuple[Local, ...] = ()

    def __str__(self) -> str:
        return f"{'/'.join(Path(self.file).parts[-2:])}:{self.line} {self.name}"

    @property
    def full(self) -> str:
        """The call with the whole path of its file, as `stack_waits.toml` reads it."""
        return f"{self.file}:{self.line} {self.name}"

    @property
    def function(self) -> str:
        """The function's bare name."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Stack:
    """A thread and its calls, the outermost first; its ids for the kernel and for Python (`threading.get_ident`), 0 where not told."""

    thread: str
    frames: tuple[Frame, ...]
    os_id: int = 0
    ident: int = 0

    @property
    def is_request_thread(self) -> bool:
        """Whether it belongs to the pool of request threads: FastAPI runs `def` endpoints in anyio's worker threads (C6)."""
        return any(frame.function == "run" and "/anyio/_backends/" in frame.file for frame in self.frames)

    @property
    def state(self) -> str:
        """What the thread does, from its calls: `stack_waits.toml` has a row for each kind of wait."""
        return own_state(tuple(frame.full for frame in self.frames))

    @property
    def waits_for_notification(self) -> bool:
        """Whether it is in `Condition.wait`, as also for an event, a semaphore, a barrier or a queue: no lock that somebody holds."""
        innermost = itertools.takewhile(lambda frame: frame.file.endswith("/threading.py"), reversed(self.frames))
        return any(frame.function in {"wait", "wait_for"} for frame in innermost)

    def within(self, operations: Iterable[str] = OPERATIONS) -> str:
        """Return the innermost call that is one of the service's operations; empty when there is none."""
        return next((frame.function for frame in reversed(self.frames) if frame.function in operations), "")


def parse_dump(text: bytes) -> tuple[Stack, ...]:
    """Parse the output of `py-spy dump --json`; raises DumpError when it is something else."""
    try:
        return tuple(
            Stack(
                thread["thread_name"] or f"thread {thread['thread_id']}",
                tuple(
                    Frame(frame["name"], frame["filename"], frame["line"], _locals(frame.get("locals") or ()))
                    for frame in reversed(thread["frames"])
                ),
                thread.get("os_thread_id") or 0,
                thread["thread_id"],
            )
            for thread in json.loads(text)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DumpError(f"py-spy printed no dump: {text[:80]!r}") from error


def _locals(variables: Iterable[dict[str, Any]]) -> tuple[Local, ...]:
    return tuple(Local(variable["name"], variable["addr"], variable["repr"] or "") for variable in variables)


def group_stacks(stacks: Iterable[Stack], waits: Mapping[int, Wait] | None = None) -> tuple[ThreadGroup, ...]:
    """Group request threads by their stacks, the largest group first; idle ones are one group.

    `waits`, by the kernel's id of a thread, are counted within each group.
    """
    groups: dict[tuple[str, str, tuple[str, ...]], list[Stack]] = {}
    for stack in stacks:
        if stack.is_request_thread:
            frames = () if stack.state == IDLE else tuple(str(frame) for frame in stack.frames)
            groups.setdefault((stack.state, stack.within(), frames), []).append(stack)
    return tuple(
        ThreadGroup(count=len(alike), state=state, within=within, stack=frames, waits=_counted(alike, waits or {}))
        for (state, within, frames), alike in sorted(groups.items(), key=lambda group: -len(group[1]))
    )


def _counted(alike: Iterable[Stack], waits: Mapping[int, Wait]) -> tuple[GroupWait, ...]:
    seen = (wait_of(stack, waits[stack.os_id]) for stack in alike if stack.os_id in waits and stack.state not in TOLD)
    counts = Counter((wait.kind, wait.call, ", ".join(wait.peers[:MOST_PEERS]), wait.detail) for wait in seen)
    return tuple(GroupWait(count, *what) for what, count in counts.most_common())


def wait_of(stack: Stack, wait: Wait) -> Wait:
    """Return what a thread waits for as its stack completes it: a pool of connections, or to be notified, where the kernel sees a futex.

    Who waits to be notified has a futex of its own, which is nobody's lock.
    """
    if wait.kind != "lock":
        return wait
    if stack.state == CHECKOUT:
        return replace(wait, kind="pool", lock=None, detail="a connection from the pool")
    if stack.waits_for_notification:
        return replace(wait, lock=None, detail="to be notified")
    if stack.frames and stack.frames[-1].file.endswith("/threading.py") and stack.frames[-1].function == "_shutdown":
        return replace(wait, lock=None, detail="for the end of its other threads")
    return wait


async def dump_with_py_spy(service: str, pid: int, file: Path) -> tuple[ThreadGroup, ...]:
    """Dump the threads of a process by its id, from outside, whatever it is doing (P4), with what they wait for; see `Dump`."""
    printed = await run_py_spy(service, pid)
    return await asyncio.to_thread(keep_dump, service, printed, file, partial(_other_ends, pid))


def _other_ends(pid: int, stacks: Iterable[Stack]) -> dict[int, Wait]:
    """Return what the request threads wait for of which the stack does not tell whom they wait for: one look, and only at them.

    Every look costs milliseconds of the process that also samples the facility, and of a machine that has none to spare. But whom py-spy
    has stopped waits for nothing until it has had a processor again, and was back in its call: a thread whose stack is that of a wait, and
    which runs, is looked at again, for `BACK_WITHIN_S` at most.
    """
    states = {stack.os_id: stack.state for stack in stacks if stack.is_request_thread and stack.state not in TOLD}
    found: dict[int, Wait] = {}
    left = set(states)
    until_s = time.monotonic() + BACK_WITHIN_S
    while left:
        found |= thread_waits(pid, threads=left)
        left = {thread for thread in left if states[thread] in WAITS and found.get(thread) == RUNNING_NOW}
        if time.monotonic() > until_s:
            break
        if left:
            time.sleep(LOOK_AGAIN_S)
    return found


async def run_py_spy(service: str, pid: int, *options: str, within_s: float | None = None) -> bytes:
    """Return what `py-spy dump --json` prints of a process; raises DumpError, after `within_s` at the latest (by default `WITHIN_S`).

    py-spy pauses the process while it reads the stacks. Was it killed meanwhile, the process goes on all the same.
    """
    within_s = WITHIN_S if within_s is None else within_s
    program = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if program is None:
        raise DumpError(f"the threads of {service} cannot be dumped: py-spy is not installed; pip install py-spy")
    was_stopped = process_state(pid) == STOPPED
    try:
        process = await asyncio.create_subprocess_exec(
            *(program, "dump", "--json", "--pid", str(pid), *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise DumpError(f"the threads of {service} cannot be dumped: {program}: {error.strerror}") from error
    try:
        async with asyncio.timeout(within_s):
            out, err = await process.communicate()
    except TimeoutError as error:
        raise DumpError(f"the threads of {service} (pid {pid}) cannot be dumped: py-spy did not end within {within_s:.0f} s") from error
    finally:
        if process.returncode is None:  # too slow, or the replay was given up
            was_stopped = was_stopped or process_state(pid) == STOPPED  # by somebody else: py-spy would trace it
            process.kill()
            await process.communicate()  # and not wait(): with a full buffer nobody reads the end of the pipe, for which it waits for ever
        if (process.returncode or 0) < 0 and not was_stopped:
            resume(pid)
    if process.returncode and process.returncode < 0:
        raise DumpError(f"the threads of {service} (pid {pid}) cannot be dumped: py-spy was killed by signal {-process.returncode}")
    if process.returncode:
        raise DumpError(f"the threads of {service} (pid {pid}) cannot be dumped: {_reason(err.decode(errors='replace'))}")
    return out


def resume(pid: int) -> None:
    """Resume a process that a killed py-spy has left stopped.

    The kernel frees what a dead debugger held, but the SIGSTOP that attached it may still be under way, and then stops the process.
    """
    until_s = time.monotonic() + RESUMED_WITHIN_S
    while time.monotonic() < until_s:
        if process_state(pid) == STOPPED:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGCONT)
        time.sleep(LOOK_EVERY_S)


def keep_dump(service: str, printed: bytes, file: Path, look: Look | None = None) -> tuple[ThreadGroup, ...]:
    """Write the output of `py-spy dump --json` to `file`, and return the request threads in groups; raises DumpError when either fails.

    `look`: returns what threads wait for, by the kernel's id, where that can be seen.
    """
    stacks = parse_dump(printed)
    waits = {} if look is None else look(stacks)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), "wb") as dump:  # as of a journal
            dump.write(printed)
    except OSError as error:
        raise DumpError(f"the dump of {service} cannot be written to {file}: {error.strerror}") from error
    return group_stacks(stacks, waits)


def lacks_permission(printed: str) -> bool:
    """Return whether py-spy failed because it lacks the permission to read the process."""
    return "ermission" in printed or "not permitted" in printed or "root" in printed


def _reason(printed: str) -> str:
    first = next((line for line in printed.splitlines() if line.strip()), "py-spy failed and said nothing")
    if not lacks_permission(printed):
        return first
    permit = {
        "linux": "run as root, or `sysctl kernel.yama.ptrace_scope=0`, or in a container add the capability SYS_PTRACE",
        "darwin": "run with sudo: macOS lets only root look into another process",
    }
    return f"{first}; to permit it: {permit.get(sys.platform, 'run as the owner of the process or as root')}"
