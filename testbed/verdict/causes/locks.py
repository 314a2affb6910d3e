"""What threads wait for in the end that wait for a lock, and what callers wait for that nobody accepts: from the evidence alone.

A thread that waits for a lock waits for whatever the thread that holds it waits for. Threads that do so in a circle are a deadlock, and so
are those whose lock is held by a thread that waits for something which only they could give back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.journal.events import GroupWait, ThreadGroup
from testbed.journal.thread_states import CHECKOUT, DATABASE, LOCK, SOCKET, may_wait_for_lock
from testbed.verdict.causes.cause import Cause, Waiting, most, unseen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from testbed.journal.evidence import Holder, LockWait, ThreadLocks
    from testbed.verdict.causes.seen import Seen

JOIN = "Thread.join"  # as the lock of a thread that waits for another's end
THREADING = "/threading.py:"
SELECTS = "/selectors.py:"
HELD_BY_WAITING = "held by a thread that waits for a lock"
OF_CIRCLE = "; "  # between the names of what waits for one another


@dataclass(slots=True)
class LockCauses:
    """Follows those who wait for a lock; `follow` returns what the threads of a group wait for, and `edges` takes who waits for whom."""

    seen: Seen
    edges: Counter[tuple[str, str, str]]
    follow: Callable[[str, ThreadGroup], Waiting]
    _under_way: list[tuple[str, int]] = field(default_factory=list)
    _waits: dict[tuple[str, ThreadGroup], list[LockWait]] = field(default_factory=dict)

    def of_group(self, service: str, group: ThreadGroup) -> Counter[Cause] | None:
        """Return what the threads of a group wait for in the end; None where it is not known that they wait for a lock.

        There may be fewer of them by the time that locks were looked at, or more: the rest are taken to wait for what most do. A group is
        counted once, however many ways lead to it.
        """
        if not may_wait_for_lock(group):
            return None
        locks, at = self.seen.locks(service), _own_call(group.stack)
        if locks is None:
            what, is_lock = f"locks of {service}", group.state == LOCK or bool(group.waits)
            if not is_lock or not self.seen.is_missing(what):
                return None
            lock = f"a lock in {service} that threads take at {at}"
            self.edges[service, lock, LOCK] += group.count
            return Counter({unseen(lock, self.seen.why_missing(what)): group.count})
        is_new = (service, group) not in self._waits
        waits = self._waits_of(service, group, [wait for wait in locks.lock_waits if wait.at == at])
        if not waits:
            return None
        left = group.count - len(waits)
        if is_new:
            self.edges.update((service, _place(service, wait), LOCK) for wait in waits)
            self.edges[service, _place(service, waits[0]), LOCK] += left
        found = Counter(self._end_of(service, locks, wait) for wait in waits)
        found[most(found)] += left
        return found

    def _waits_of(self, service: str, group: ThreadGroup, at_line: Sequence[LockWait]) -> list[LockWait]:
        """Return as many of the waits at a line as a group has threads: nothing tells which are whose, and no other group has them, too.

        Where other groups have all of them, it is any.
        """
        if (service, group) not in self._waits:
            taken = [wait for (other, _), waits in self._waits.items() if other == service for wait in waits]
            left = [wait for wait in at_line if wait not in taken] or at_line
            self._waits[service, group] = list(left[: group.count])
        return self._waits[service, group]

    def full_queue(self, service: str, error: str | None) -> Cause | None:
        """Return the listen queue of a service that answers nobody, where it is full; `error`: why its threads could not be dumped."""
        seen = self.seen.listeners(service)
        full = None if seen is None else next((each for each in seen.sockets if each.is_full), None)
        if seen is None or full is None:
            return None
        queue = f"listen queue of {service}"
        self.edges[service, queue, "not accepted"] = full.queued
        behind = "its process is stopped by a signal" if seen.is_stopped else error or self._busy_at(service)
        text = f"the {queue} at {full.address} is full: {full.queued} of {full.backlog} wait to be accepted, and nobody accepts"
        return Cause("full_queue", queue, f"{text}: {behind}" if behind else text)

    def _busy_at(self, service: str) -> str:
        """Return where the event loop of a service stood, in words; empty where it was not seen, or only waited."""
        loop = self.seen.event_loop(service)
        return "" if loop is None or not loop.stack or SELECTS in loop.stack[-1] else f"its event loop is busy at {loop.stack[-1]}"

    def _end_of(self, service: str, locks: ThreadLocks, first: LockWait) -> Cause:
        waiting = {wait.thread: wait for wait in locks.lock_waits}
        passed: list[LockWait] = []
        wait = first
        while wait not in passed:
            passed.append(wait)
            circle = next((threads for threads in locks.deadlocks if wait.thread in threads), None)
            if circle is not None:
                return self._deadlock(service, [waiting[thread] for thread in circle if thread in waiting])
            if wait.holder is None:
                return _monitor(service, wait, "and who holds it is not known")
            if wait.holder not in waiting:
                return self._through_holder(service, locks, wait)
            behind = waiting[wait.holder]
            self.edges[_place(service, wait), _place(service, behind), HELD_BY_WAITING] = 1
            wait = behind
        return _monitor(service, wait, "by threads that waited for one another when it was looked at, and not before")

    def _deadlock(self, service: str, waits: Sequence[LockWait]) -> Cause:
        """Return a circle of threads: each holds the lock that the one before it waits for. It begins with the first line by its name."""
        begin = min(range(len(waits)), key=lambda number: (waits[number].at, waits[number].thread))
        circle = [*waits[begin:], *waits[:begin]]
        for wait, behind in zip(circle, [*circle[1:], circle[0]], strict=True):
            self.edges[_place(service, wait), _place(service, behind), HELD_BY_WAITING] = 1
        names = {wait.thread: wait.name for wait in circle}
        distinct = len(set(names.values())) == len(names)
        who = {thread: name if distinct else f"{name} ({thread})" for thread, name in names.items()}
        first, last = circle[0], circle[-1]
        holds = "has not ended" if last.lock == JOIN else f"holds the lock taken at {last.held_at}"
        links = [f"waits at {wait.at} for {_wanted(wait, who)}" for wait in circle]
        text = f"a deadlock in {service}: {who[first.thread]} {holds} and {', which '.join(links)}"
        only_likely = any(wait.sure != "certain" for wait in circle)
        told = f"{text} (likely: the locks are told by their names on the same objects)" if only_likely else text
        places = dict.fromkeys(_place(service, wait) for wait in circle)
        return Cause("deadlock", OF_CIRCLE.join(places), told, only_likely)

    def _through_holder(self, service: str, locks: ThreadLocks, wait: LockWait) -> Cause:
        """Return what the holder of a lock waits for, or where it works, while it holds it."""
        holder = next((each for each in locks.holders if each.thread == wait.holder), None)
        who = f"{wait.holder_name or 'a thread'} ({wait.holder})"
        held = f"which {who} holds{f' since {wait.held_at}' if wait.held_at else ''}"
        if holder is None:
            return _monitor(service, wait, held)
        if (service, holder.thread) in self._under_way:
            text = f"a deadlock in {service}: {who} holds the lock taken at {wait.held_at} and waits at {_own_call(holder.stack)} for what"
            return Cause("deadlock", _place(service, wait), f"{text} threads have that wait for this lock at {wait.at}")
        if holder.state not in (CHECKOUT, DATABASE, SOCKET) and not (holder.kind == "socket" and holder.peer):
            return _monitor(service, wait, f"{held}, and is {_does(holder)} at {_own_call(holder.stack)}")
        self.edges[_place(service, wait), service, "held by one of its threads"] = 1
        self._under_way.append((service, holder.thread))
        found = self.follow(service, _alone(holder))
        self._under_way.pop()
        return most(found)


def _own_call(stack: Sequence[str]) -> str:
    """Return the innermost call that is not in `threading` itself."""
    return next((call for call in reversed(stack) if THREADING not in call), stack[-1] if stack else "a line that is not known")


def _place(service: str, wait: LockWait) -> str:
    """Return the name of a lock in the graph: where it was taken, or where it is waited for if that is not known; or of a thread's end."""
    if wait.lock == JOIN:
        return f"{service}, end of {wait.holder_name or 'a thread'}"
    return f"{service}, lock taken at {wait.held_at}" if wait.held_at else f"{service}, lock at {wait.at}"


def _alone(holder: Holder) -> ThreadGroup:
    """Return a thread as a group of one."""
    waits = (GroupWait(1, holder.kind, holder.call, holder.peer, holder.detail),) if holder.kind else ()
    return ThreadGroup(1, holder.state, holder.within, holder.stack, waits)


def _does(holder: Holder) -> str:
    """Return what a thread does that holds a lock and waits for nothing that leads further."""
    doing: Mapping[str, str] = {"sleep": "asleep", "lock": "waiting to be notified", "file": "waiting for a file", "process": "waiting"}
    return doing.get(holder.kind, "at work")


def _monitor(service: str, wait: LockWait, who: str) -> Cause:
    lock = f" ({wait.lock})" if wait.lock else ""
    return Cause("monitor", _place(service, wait), f"a lock in {service}{lock} that threads take at {wait.at}, {who}")


def _wanted(wait: LockWait, who: Mapping[int, str]) -> str:
    holder = who.get(wait.holder or 0, wait.holder_name)
    return f"the end of {holder}" if wait.lock == JOIN else f"the one that {holder} took at {wait.held_at}"
