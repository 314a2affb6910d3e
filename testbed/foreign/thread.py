"""The threads of a dump in any form: names, calls, what the program itself says of their state and locks, and deadlocks that it found."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.events import GroupWait, ThreadGroup
from testbed.journal.thread_states import IDLE, LOCK
from testbed.observe.py_spy import MOST_PEERS, TOLD, wait_of
from testbed.observe.stack_waits import STATES, StackRow, StackTable, own_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from testbed.observe.py_spy import Stack
    from testbed.observe.thread_waits import Wait
    from testbed.plan.service import StackPattern

MONITOR = "monitor"  # the call of a thread that waits for a monitor of Java's: no system call shows whose
# Threads that every JVM has. They have calls of Java, and no request is ever theirs.
OF_THE_JVM = re.compile(
    r"Reference Handler|Finalizer|Signal Dispatcher|Common-Cleaner|Cleaner-\d+|Attach Listener|Service Thread|Notification Thread|"
    r"DestroyJavaVM|Monitor Deflation Thread|process reaper.*|JMX server connection timeout.*|RMI .*"
)


@dataclass(frozen=True, slots=True)
class Lock:
    """An object that threads wait for or hold, by the address that the dump gives it, and its class."""

    address: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind} {self.address}"


@dataclass(frozen=True, slots=True)
class ForeignThread:
    """A thread of a dump, its calls the outermost first.

    `says`: its state in the program's own word, such as `BLOCKED`; empty where the dump has none. `wants`: the lock that it waits for;
    `holds`: those that it has taken. `is_named`: the dump tells its name; otherwise `stack.thread` is made of its number.
    """

    stack: Stack
    says: str = ""
    wants: Lock | None = None
    holds: tuple[Lock, ...] = ()
    is_named: bool = True

    @property
    def name(self) -> str:
        """Its name."""
        return self.stack.thread

    @property
    def is_blocked(self) -> bool:
        """Whether it waits for a monitor of Java's, which the stack alone does not show."""
        return self.says == "BLOCKED"


@dataclass(frozen=True, slots=True)
class ForeignDump:
    """The threads of a dump; `deadlocks`: the names of the threads in each that the program itself found."""

    threads: tuple[ForeignThread, ...]
    deadlocks: tuple[tuple[str, ...], ...] = ()


def table_of(patterns: Iterable[StackPattern]) -> StackTable:
    """Return the rows of a service, and the testbed's own behind them."""
    rows = tuple(StackRow("the service's own", (re.compile(row.pattern),), row.waits_for) for row in patterns)
    return StackTable((*rows, *own_table().rows))


def state_of(thread: ForeignThread, table: StackTable) -> str:
    """Return what a thread does, in the words of the journal: what the service's own rows say, a monitor, and then the testbed's rows.

    Rows that fit show what a blocked thread is about, but not that it waits: a pool may be asked for within a monitor that is held.
    """
    return STATES["lock"] if thread.is_blocked else table.state(tuple(frame.full for frame in thread.stack.frames))


def request_threads(dump: ForeignDump, pattern: str | None) -> tuple[ForeignThread, ...]:
    """Return the threads that requests are served in: those of whose name `pattern` is found in some part.

    Without a pattern, or where the dump tells no names (`faulthandler` before Python 3.14), they are anyio's worker threads (C6), if there
    are any; otherwise every thread that has calls may be one, but for those that every JVM has.
    """
    with_calls = tuple(thread for thread in dump.threads if thread.stack.frames)
    if pattern is not None and any(thread.is_named for thread in with_calls):
        return tuple(thread for thread in with_calls if re.search(pattern, thread.name))
    if any(thread.stack.is_request_thread for thread in with_calls):
        return tuple(thread for thread in with_calls if thread.stack.is_request_thread)
    return tuple(thread for thread in with_calls if not OF_THE_JVM.fullmatch(thread.name))


def group_threads(threads: Iterable[ForeignThread], table: StackTable, waits: Mapping[int, Wait] | None = None) -> tuple[ThreadGroup, ...]:
    """Group threads by their calls, the largest group first; idle ones are one group.

    `waits`, by the kernel's id of a thread, are counted within each group, and so are monitors.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[ForeignThread]] = {}
    for thread in threads:
        state = state_of(thread, table)
        calls = () if state == IDLE else tuple(str(frame) for frame in thread.stack.frames)
        groups.setdefault((state, calls), []).append(thread)
    return tuple(
        ThreadGroup(count=len(alike), state=state, within="", stack=calls, waits=_counted(alike, state, waits or {}))
        for (state, calls), alike in sorted(groups.items(), key=lambda group: -len(group[1]))
    )


def _counted(alike: Iterable[ForeignThread], state: str, waits: Mapping[int, Wait]) -> tuple[GroupWait, ...]:
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for thread in alike:
        if thread.is_blocked:
            counts["lock", MONITOR, "", ""] += 1
        elif state not in (*TOLD, LOCK) and thread.stack.os_id in waits:
            wait = wait_of(thread.stack, waits[thread.stack.os_id])
            counts[wait.kind, wait.call, ", ".join(wait.peers[:MOST_PEERS]), wait.detail] += 1
    return tuple(GroupWait(count, *what) for what, count in counts.most_common())


def as_py_spy(dump: ForeignDump) -> bytes:
    """Return a dump as `py-spy dump --json` would have printed it, which is what every reader of a dump beside a journal knows."""
    return json.dumps(
        [
            {
                "thread_name": thread.name,
                "thread_id": thread.stack.ident,
                "os_thread_id": thread.stack.os_id or None,
                "frames": [{"name": frame.name, "filename": frame.file, "line": frame.line} for frame in reversed(thread.stack.frames)],
            }
            for thread in dump.threads
        ],
        indent=1,
    ).encode()
