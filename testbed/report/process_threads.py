"""Text and JSON of the threads of any process: deadlocks first, then groups of threads with the same stack and the same wait."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from testbed.errors import visible
from testbed.report.counted import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from testbed.observe.deadlocks import Deadlock, LockWait
    from testbed.observe.python_threads import Listener, OtherEnd, PythonProcess, PythonThread
    from testbed.observe.thread_waits import Descriptor, Wait

INNERMOST = 8  # calls of a stack that are printed
MOST_NAMES = 3  # threads, processes and descriptors of a group that are named


def thread_groups(process: PythonProcess) -> list[tuple[PythonThread, ...]]:
    """Return the threads of a process in groups with the same stack and the same wait, the largest group first."""
    groups: dict[tuple[tuple[str, ...], str], list[PythonThread]] = {}
    for thread in process.threads:
        groups.setdefault((_calls(thread), wait_text(thread.wait)), []).append(thread)
    return sorted((tuple(group) for group in groups.values()), key=lambda group: -len(group))


def process_text(process: PythonProcess) -> RenderableType:
    """Format a process: its deadlocks, its threads in groups, where it listens, and what could not be seen."""
    parts = [Text(_shown(f"process {process.pid} ({process.program}): {counted(len(process.threads), 'thread')}"), "bold")]
    parts += [Text(_shown(f"  {line}"), "red") for deadlock in process.locks.deadlocks for line in deadlock_lines(process, deadlock)]
    parts += [Text(_shown(f"  {line}")) for group in thread_groups(process) for line in _group_lines(process, group)]
    parts += [Text(_shown(f"  listens at {listener.address}: {_queue(listener)}")) for listener in process.listeners]
    parts += [Text(_shown(f"  not seen: {reason}")) for reason in process.unknown]
    return Group(*parts)


def _shown(line: str) -> str:
    """Return a line with names of somebody else's as it is printed: no terminal obeys a character of it, and it stays one line."""
    return visible(line).replace("\n", r"\u000a")


def deadlock_lines(process: PythonProcess, deadlock: Deadlock) -> list[str]:
    """Return a line for a deadlock, and one for each of its threads: what it waits for, where, and who holds that, where."""
    lines = [f"deadlock ({deadlock.sure}) of {counted(len(deadlock.waits), 'thread')}:"]
    return lines + [
        f"  {_name(process, wait.thread)} waits for {_lock(wait)} at {wait.at}, {_holder(process, wait)}" for wait in deadlock.waits
    ]


def wait_text(wait: Wait) -> str:
    """Return what a thread waits for, without what differs between threads that wait for the same."""
    call = f" ({wait.call}{', with a time-out' if wait.timed else ''})" if wait.call else ""
    match wait.kind:
        case "running":
            what = "running"
        case "sleep":
            what = "sleeping"
        case "process":
            what = f"waiting for the end of {wait.detail or 'a child'}"
        case "unknown":
            return f"unknown{call}: {wait.detail}"
        case "pool":
            what = f"waiting for {wait.detail}"
        case "lock":
            what = f"waiting {wait.detail}" if wait.lock is None else f"waiting for a lock {wait.lock:#x} {wait.detail}".rstrip()
        case _:
            what = f"waiting for {_descriptors(wait.descriptors)}"
    return what + call


def process_line(process: PythonProcess) -> str:
    """Return a process as a line of JSON; without the values of variables, which may be anybody's secrets."""
    return json.dumps(
        {
            "pid": process.pid,
            "program": process.program,
            "took_s": round(process.took_s, 3),
            "deadlocks": [
                {"sure": each.sure, "waits": [_lock_fields(process, wait) for wait in each.waits]} for each in process.locks.deadlocks
            ],
            "locks": [_lock_fields(process, wait) for wait in process.locks.waits],
            "groups": [_group_fields(group) for group in thread_groups(process)],
            "listeners": [{"address": each.address, "queued": each.queued, "backlog": each.backlog} for each in process.listeners],
            "unknown": list(process.unknown),
        }
    )


def _lock_fields(process: PythonProcess, wait: LockWait) -> dict[str, object]:
    return {
        "thread": wait.thread,
        "thread_name": _name(process, wait.thread),
        "lock": wait.lock,
        "address": wait.address,
        "at": wait.at,
        "holder": wait.holder,
        "held_at": wait.held_at,
        "sure": wait.sure,
        "timed": wait.timed,
        "doubt": wait.doubt,
    }


def _group_fields(group: Sequence[PythonThread]) -> dict[str, object]:
    first = group[0]
    return {
        "count": len(group),
        "threads": [{"id": thread.stack.os_id, "name": thread.stack.thread} for thread in group],
        "kind": first.wait.kind,
        "call": first.wait.call,
        "timed": first.wait.timed,
        "lock": first.wait.lock,
        "detail": first.wait.detail,
        "connections": [
            {"thread": thread.stack.os_id, "descriptor": each.number, "what": each.what, "name": each.name}
            | {"local": each.local, "peer": each.peer, "state": each.state}
            for thread in group
            for each in thread.wait.descriptors
        ],
        "other_ends": [
            {"pid": end.pid, "program": end.program, "threads": end.threads, "detail": end.detail} for end in _other_ends(group)
        ],
        "stack": list(_calls(first)),
    }


def _group_lines(process: PythonProcess, group: Sequence[PythonThread]) -> list[str]:
    first = group[0]
    names = _some(list(dict.fromkeys(thread.stack.thread for thread in group)))
    lines = [f"{counted(len(group), 'thread')} ({names}): {wait_text(first.wait)}"]
    waits = [wait for wait in process.locks.waits if wait.thread in {thread.stack.os_id for thread in group}]
    lines += [f"  {lock}" for lock in dict.fromkeys(f"{_lock(wait)}, {_holder(process, wait)}" for wait in waits)]
    lines += _end_lines(_other_ends(group))
    calls = _calls(first)
    lines += [f"    {call}" for call in reversed(calls[-INNERMOST:])]
    lines += [f"    … and {len(calls) - INNERMOST} calls further out"] if len(calls) > INNERMOST else []
    return lines


def _end_lines(ends: Iterable[OtherEnd]) -> list[str]:
    """Return a line for the other ends that are alike; each of forty connections may have a process of its own."""
    alike: dict[tuple[str, str, bool | None], list[OtherEnd]] = {}
    for end in ends:
        alike.setdefault((end.program, end.detail, None if end.threads is None else bool(end.threads)), []).append(end)
    return [f"  the other end: {_end(program, detail, same)}" for (program, detail, _), same in alike.items()]


def _end(program: str, detail: str, same: Sequence[OtherEnd]) -> str:
    if same[0].pid is None:
        return f"not known: {detail}"
    who = f"{program} (pid {_some([str(end.pid) for end in same])}){f', {detail}' if detail else ''}"
    threads = list(dict.fromkeys(name for end in same for name in end.threads or ()))
    if threads:
        return f"{who}; there waits for it: {_some(threads)}"
    return f"{who}; {'what its threads wait for is not known' if same[0].threads is None else 'no thread there waits for it'}"


def _calls(thread: PythonThread) -> tuple[str, ...]:
    return tuple(str(frame) for frame in thread.stack.frames)


def _other_ends(group: Sequence[PythonThread]) -> tuple[OtherEnd, ...]:
    return tuple(dict.fromkeys(end for thread in group for end in thread.other_ends))


def _descriptors(descriptors: Sequence[Descriptor]) -> str:
    """Return what is waited for, without this side's ports and descriptors, in which threads of a group differ."""
    told = Counter(_descriptor(each) for each in descriptors)
    parts = [what if count == 1 else f"{count} times {what}" for what, count in told.most_common(MOST_NAMES)]
    return ", ".join([*parts, *([f"{len(told) - MOST_NAMES} more"] if len(told) > MOST_NAMES else [])])


def _descriptor(descriptor: Descriptor) -> str:
    match descriptor.what:
        case "tcp" if descriptor.peer:
            return f"TCP to {descriptor.peer} ({descriptor.state})"
        case "tcp":
            return f"TCP at {descriptor.local} ({descriptor.state})"
        case "unix":
            return f"Unix socket {descriptor.name}".rstrip()
        case "unknown":
            return f"descriptor {descriptor.number}: {descriptor.name}"
        case "pipe":
            return "a pipe"
    return f"{descriptor.what} {descriptor.name}"


def _lock(wait: LockWait) -> str:
    address = "" if wait.address is None else f" ({wait.address:#x})"
    return f"`{wait.lock}`{address}"


def _holder(process: PythonProcess, wait: LockWait) -> str:
    if wait.holder is None:
        return "whose holder is not known"
    at = f" at {wait.held_at}" if wait.held_at else ""
    return f"held by {_name(process, wait.holder)}{at} ({wait.sure}{f': {wait.doubt}' if wait.doubt else ''})"


def _name(process: PythonProcess, thread: int) -> str:
    return next((f"{each.stack.thread} ({thread})" for each in process.threads if each.stack.os_id == thread), f"thread {thread}")


def _queue(listener: Listener) -> str:
    of = "" if listener.backlog is None else f" of {listener.backlog}"
    return (
        "how many connections wait there is not told"
        if listener.queued is None
        else f"{listener.queued}{of} connections wait to be accepted"
    )


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + rest
