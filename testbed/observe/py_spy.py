"""Thread dumps from outside, by process id, with `py-spy` (P4), and what their stacks say (P3, O5 to O7)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import DumpError
from testbed.journal.events import ThreadGroup
from testbed.journal.thread_states import CHECKOUT, DATABASE, IDLE, LOCK, RUNNING, SOCKET

if TYPE_CHECKING:
    from collections.abc import Iterable

WITHIN_S = 20.0
OPERATIONS = ("lookup_by_city", "flight_status", "check_in", "book")


@dataclass(frozen=True, slots=True)
class Frame:
    """One call on a stack: the function (with its class, where the interpreter tells), the file, the line."""

    name: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{'/'.join(Path(self.file).parts[-2:])}:{self.line} {self.name}"

    @property
    def function(self) -> str:
        """The function's bare name."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Stack:
    """A thread and its calls, the outermost first."""

    thread: str
    frames: tuple[Frame, ...]

    @property
    def is_request_thread(self) -> bool:
        """Whether it belongs to the pool of request threads: FastAPI runs `def` endpoints in anyio's worker threads (C6)."""
        return any(frame.function == "run" and "/anyio/_backends/" in frame.file for frame in self.frames)

    @property
    def state(self) -> str:
        """What the thread does, from its innermost calls."""
        if not self.frames:
            return RUNNING
        innermost = self.frames[-1]
        if self._calls("_do_get") and any(frame.file.endswith("/sqlalchemy/util/queue.py") for frame in self.frames):
            return CHECKOUT
        if innermost.file.endswith(("/socket.py", "/ssl.py")):
            return SOCKET
        if "/psycopg/" in innermost.file:
            return DATABASE
        if any(frame.file.endswith("/queue.py") and frame.function == "get" for frame in self.frames[-2:]):
            return IDLE  # in the queue of work itself, or in the lock beneath it
        return LOCK if innermost.file.endswith("/threading.py") else RUNNING

    def within(self, operations: Iterable[str] = OPERATIONS) -> str:
        """Return the innermost call that is one of the service's operations; empty when there is none."""
        return next((frame.function for frame in reversed(self.frames) if frame.function in operations), "")

    def _calls(self, function: str) -> bool:
        return any(frame.function == function for frame in self.frames)


def parse_dump(text: bytes) -> tuple[Stack, ...]:
    """Parse the output of `py-spy dump --json`; raises DumpError when it is something else."""
    try:
        return tuple(
            Stack(
                thread["thread_name"] or f"thread {thread['thread_id']}",
                tuple(Frame(frame["name"], frame["filename"], frame["line"]) for frame in reversed(thread["frames"])),
            )
            for thread in json.loads(text)
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DumpError(f"py-spy printed no dump: {text[:80]!r}") from error


def group_stacks(stacks: Iterable[Stack]) -> tuple[ThreadGroup, ...]:
    """Group request threads by their stacks, the largest group first; idle ones are one group."""
    counts: Counter[tuple[str, str, tuple[str, ...]]] = Counter()
    for stack in stacks:
        if stack.is_request_thread:
            frames = () if stack.state == IDLE else tuple(str(frame) for frame in stack.frames)
            counts[stack.state, stack.within(), frames] += 1
    return tuple(
        ThreadGroup(count=count, state=state, within=within, stack=frames) for (state, within, frames), count in counts.most_common()
    )


async def dump_with_py_spy(service: str, pid: int, file: Path) -> tuple[ThreadGroup, ...]:
    """Dump the threads of a process by its id, from outside, whatever it is doing (P4); see `Dump`."""
    program = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if program is None:
        raise DumpError(f"the threads of {service} cannot be dumped: py-spy is not installed; pip install py-spy")
    try:
        process = await asyncio.create_subprocess_exec(
            *(program, "dump", "--json", "--pid", str(pid)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise DumpError(f"the threads of {service} cannot be dumped: {program}: {error.strerror}") from error
    try:
        async with asyncio.timeout(WITHIN_S):
            out, err = await process.communicate()
    except TimeoutError as error:
        raise DumpError(f"the threads of {service} cannot be dumped: py-spy did not end within {WITHIN_S:.0f} s") from error
    finally:
        if process.returncode is None:  # too slow, or the replay was given up
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise DumpError(f"the threads of {service} (pid {pid}) cannot be dumped: {_reason(err.decode(errors='replace'))}")
    return keep_dump(service, out, file)


def keep_dump(service: str, printed: bytes, file: Path) -> tuple[ThreadGroup, ...]:
    """Write the output of `py-spy dump --json` to `file`, and return the request threads in groups; raises DumpError when either fails."""
    stacks = parse_dump(printed)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), "wb") as dump:  # as of a journal
            dump.write(printed)
    except OSError as error:
        raise DumpError(f"the dump of {service} cannot be written to {file}: {error.strerror}") from error
    return group_stacks(stacks)


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
