"""Who holds the lock that a thread waits for, and deadlocks among the threads of a process, from stacks, source and memory.

A thread waits for a lock where its innermost line takes one and the kernel has it in a futex. It holds those that the lines of its stack
are within. What is one lock is told, in this order, by:

1. its address: the futex, the lock object that the futex is of, and the owner that an RLock itself names (`certain`);
2. the same attribute of the same object, or the same global of the same file (`likely`).

The same expression on objects that are not known to be the same is no evidence, and nothing is said of it. Nor is a lock that two threads
seem to hold, a wait that has a time-out, and `Condition.wait`, for which anybody may notify.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from testbed.observe import lock_memory
from testbed.observe.lock_source import LockExpression, LockSource
from testbed.observe.proc import PROC, started_at_s
from testbed.observe.py_spy import wait_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from testbed.observe.py_spy import Frame, Stack
    from testbed.observe.thread_waits import Wait

Sureness = Literal["certain", "likely"]
MOST_SOURCE_BYTES = 4 << 20
CLOCK_STEP_S = 1.0  # the kernel tells when it booted in whole seconds
MOST_SOUGHT = 32  # locks whose objects are searched in memory
GIVEN_BACK = "a call since then may have given it back"
Key = tuple[str, int | str, str]  # an object's address or a file, and the way from there to the lock


@dataclass(frozen=True, slots=True)
class LockWait:
    """A thread that waits for a lock, or for the end of another thread: where, and who holds it, where, and how sure that is.

    `lock`: the expression, empty where the source does not tell. `holder`: the kernel's id of the thread; None: not known. `doubt`: why it
    may hold the lock no more, empty where nothing that its lines did since speaks for that.
    """

    thread: int
    lock: str
    address: int | None
    at: str
    holder: int | None = None
    held_at: str = ""
    sure: Sureness | None = None
    timed: bool = False
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Deadlock:
    """Threads of which each waits for what the next holds, and the last for what the first does; as sure as its least sure part."""

    waits: tuple[LockWait, ...]

    @property
    def sure(self) -> Sureness:
        """How sure it is that there is one."""
        return "certain" if all(wait.sure == "certain" for wait in self.waits) else "likely"


@dataclass(frozen=True, slots=True)
class LockFindings:
    """The locks that threads wait for, and the deadlocks; `unread`: which sources could not be used, and why.

    `blind`: the threads in a futex of whose innermost call there is no source that could be used.
    """

    waits: tuple[LockWait, ...] = ()
    deadlocks: tuple[Deadlock, ...] = ()
    unread: tuple[str, ...] = ()
    blind: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class _Use:
    """A lock that a thread holds or takes: the expression, where, and what is known of its identity; and see `LockExpression`."""

    text: str
    at: str
    key: Key | None
    is_item: bool
    may_be_released: bool


@dataclass(frozen=True, slots=True)
class _Taker:
    """A thread that stands in a futex at a line that takes one of these locks."""

    thread: int
    futex: int
    at: str
    uses: tuple[_Use, ...]
    timed: bool


def find_locks(pid: int, stacks: Sequence[Stack], waits: Mapping[int, Wait], proc: Path = PROC) -> LockFindings:
    """Return who waits for which lock, who holds it, and the deadlocks.

    1. Read from stacks and sources what each thread holds, and what it may be taking.
    2. Search the memory for the lock objects of the futexes.
    3. Learn from those who wait which expression is which lock; find the holder of each.
    4. Follow who waits for whom; a circle is a deadlock.
    """
    sources = _Sources(pid, proc)
    takers: list[_Taker] = []
    found: list[LockWait] = []
    blind: set[int] = set()
    for stack in stacks:
        wait = waits.get(stack.os_id)
        if wait is None or not stack.frames or (wait := wait_of(stack, wait)).kind != "lock" or wait.lock is None:
            continue
        if (joined := _joined(stack, stacks)) is not None:
            frame, target = joined
            found.append(LockWait(stack.os_id, "Thread.join", None, str(frame), target.os_id, "its end", "certain", wait.timed))
        elif uses := _taken(stack, sources):
            takers.append(_Taker(stack.os_id, wait.lock, str(_own_frame(stack)), uses, wait.timed))
        elif sources.of(_own_frame(stack).file) is None:
            blind.add(stack.os_id)
    held = {stack.os_id: tuple(_held(stack, waits.get(stack.os_id), sources)) for stack in stacks if takers}
    found += _with_holders(pid, takers, held, {stack.ident: stack.os_id for stack in stacks}, proc)
    return LockFindings(tuple(found), tuple(_circles(found)), tuple(sources.unread), frozenset(blind))


def _with_holders(
    pid: int, takers: Sequence[_Taker], held: dict[int, tuple[_Use, ...]], threads: Mapping[int, int], proc: Path
) -> Iterator[LockWait]:
    """Yield who waits for which lock and who holds it, the threads by the kernel's ids; `threads` has these by Python's."""
    version = lock_memory.python_version(pid, proc)
    first, last = lock_memory.ONE_FUTEX_A_LOCK
    by_address = version is not None and first <= version <= last
    futexes = list(dict.fromkeys(taker.futex for taker in takers))
    objects = lock_memory.find_lock_objects(pid, futexes[:MOST_SOUGHT], proc) if by_address else {}
    known = _Identities({futex: lock.address for futex, lock in objects.items()}, by_address=by_address)
    for taker in takers:
        known.learn(taker)
    for taker in takers:  # `with first, second:` holds the first while it takes the second
        if (second := known.meant(taker)) is not None:
            held[taker.thread] += tuple(use for use in taker.uses[: taker.uses.index(second)] if use.is_item)
    for taker in takers:
        use, holders = known.meant(taker), known.holders(taker, held)
        text = use.text if use else " or ".join(dict.fromkeys(each.text for each in taker.uses))
        wait = LockWait(taker.thread, text, taker.futex if by_address else None, taker.at, timed=taker.timed)
        owner = objects[taker.futex].owner if taker.futex in objects else None
        if owner is not None:
            if owner in threads:
                held_at = next((seen.at for thread, seen, _ in holders if thread == threads[owner]), "")
                wait = replace(wait, holder=threads[owner], held_at=held_at, sure="certain")
        elif len({thread for thread, _, _ in holders}) == 1:
            thread, seen, sure = holders[0]
            wait = replace(wait, holder=thread, held_at=seen.at, sure=sure, doubt=GIVEN_BACK if seen.may_be_released else "")
        yield wait


class _Identities:
    """Which expressions are which futex, as learnt from the threads that wait: a key that is more than one is nobody's."""

    def __init__(self, objects: Mapping[int, int], *, by_address: bool) -> None:
        self._by_address = by_address
        self._of_object: dict[Key, int] = {_of_object(address): futex for futex, address in objects.items()}
        self._of_key: dict[Key, set[int]] = {}

    def learn(self, taker: _Taker) -> None:
        if len(taker.uses) == 1 and taker.uses[0].key is not None:
            self._of_key.setdefault(taker.uses[0].key, set()).add(taker.futex)

    def futex(self, key: Key | None) -> tuple[int, Sureness] | None:
        """Return the futex of a lock, and how sure that is; None where it is not known."""
        if key is None:
            return None
        if key in self._of_object:
            return self._of_object[key], "certain"
        learnt = self._of_key.get(key, set())
        return (next(iter(learnt)), "likely") if len(learnt) == 1 else None

    def meant(self, taker: _Taker) -> _Use | None:
        """Return which of the locks that its line takes a thread waits for; None where that is not known."""
        if len(taker.uses) == 1:
            return taker.uses[0]
        return next((use for use in taker.uses if (known := self.futex(use.key)) is not None and known[0] == taker.futex), None)

    def holders(self, taker: _Taker, held: Mapping[int, tuple[_Use, ...]]) -> list[tuple[int, _Use, Sureness]]:
        """Return the threads that seem to hold what a thread waits for, with where and how sure; innermost first."""
        meant = self.meant(taker)
        found: list[tuple[int, _Use, Sureness]] = []
        for thread, uses in held.items():
            for use in reversed(uses):
                known = self.futex(use.key)
                if self._by_address and known is not None and known[0] == taker.futex:
                    found.append((thread, use, "likely" if use.may_be_released else known[1]))
                elif not self._by_address and meant is not None and use.key is not None and use.key == meant.key:
                    found.append((thread, use, "likely"))
        return found


class _Sources:
    """The sources of a process's files; a file that changed after the process started tells nothing of what it runs."""

    def __init__(self, pid: int, proc: Path) -> None:
        self._root = proc / str(pid) / "root"
        self._started_s = started_at_s(pid, proc)
        self._read: dict[str, LockSource | None] = {}
        self.unread: list[str] = []

    def of(self, file: str) -> LockSource | None:
        if file not in self._read:
            try:
                self._read[file] = LockSource(self._text(file), file)
            except (OSError, ValueError) as error:
                self._read[file] = None
                if not file.startswith("<"):  # no file, as of `python -c`
                    self.unread.append(f"{file}: {error.strerror if isinstance(error, OSError) else error}")
        return self._read[file]

    def _text(self, file: str) -> str:
        if not file.startswith("/"):
            raise ValueError("not a path from the root, so it is not known which file that is")
        path = self._root / file.lstrip("/")
        status = path.stat()
        if not path.is_file() or status.st_size > MOST_SOURCE_BYTES:
            raise ValueError(f"not a file of at most {MOST_SOURCE_BYTES >> 20} MiB")
        if self._started_s is None or status.st_mtime > self._started_s + CLOCK_STEP_S:
            raise ValueError("changed after the process had started, so its lines may be others now")
        return path.read_text(encoding="utf-8")


def _own_frame(stack: Stack) -> Frame:
    """Return the innermost call that is not in `threading` itself: Condition, for one, takes its lock in Python."""
    return next((frame for frame in reversed(stack.frames) if not frame.file.endswith("/threading.py")), stack.frames[-1])


def _taken(stack: Stack, sources: _Sources) -> tuple[_Use, ...]:
    frame = _own_frame(stack)
    source = sources.of(frame.file)
    return () if source is None else tuple(_use(lock, frame) for lock in source.locks_at(frame.function, frame.line, blocked=True).taken)


def _held(stack: Stack, wait: Wait | None, sources: _Sources) -> list[_Use]:
    innermost = _own_frame(stack) if stack.frames else None
    has_released = _is_in_condition(stack)
    uses: list[_Use] = []
    for frame in stack.frames:
        source = None if frame.file.endswith("/threading.py") else sources.of(frame.file)
        if source is not None and not (has_released and frame is innermost):
            blocked = frame is innermost and wait is not None and wait.kind == "lock"
            uses += [_use(lock, frame) for lock in source.locks_at(frame.function, frame.line, blocked=blocked).held]
    return uses


def _is_in_condition(stack: Stack) -> bool:
    """Whether its own code has called a condition's `wait`, which gives back the lock that the lines around it took."""
    inner = list(itertools.takewhile(lambda frame: frame.file.endswith("/threading.py"), reversed(stack.frames)))
    is_wait = bool(inner) and inner[-1].function in {"wait", "wait_for"}  # as an event has one, too, which gives back nothing
    return is_wait and any(local.name == "self" and local.text.startswith("<Condition ") for local in inner[-1].locals)


def _use(lock: LockExpression, frame: Frame) -> _Use:
    key: Key | None = None
    address = next((local.address for local in frame.locals if local.name == lock.root), None)
    if address is not None:
        key = ("object", address, lock.way)
    elif lock.root and lock.is_global:
        key = ("global", frame.file, lock.root + lock.way)
    return _Use(lock.text, f"{'/'.join(Path(frame.file).parts[-2:])}:{lock.line}", key, lock.is_item, lock.may_be_released)


def _of_object(address: int) -> Key:
    return ("object", address, "")


def _joined(stack: Stack, stacks: Sequence[Stack]) -> tuple[Frame, Stack] | None:
    """Return the call that waits for the end of another thread, and that thread; None where it does not."""
    inner = list(itertools.takewhile(lambda frame: frame.file.endswith("/threading.py"), reversed(stack.frames)))
    join = next((frame for frame in inner if frame.function == "join"), None)
    thread = None if join is None else _self(join)
    if thread is None:
        return None
    target = next(
        (other for other in stacks if other.frames and other.frames[0].function == "_bootstrap" and _self(other.frames[0]) == thread), None
    )
    return None if target is None else (_own_frame(stack), target)


def _self(frame: Frame) -> int | None:
    return next((local.address for local in frame.locals if local.name == "self"), None)


def _circles(waits: Sequence[LockWait]) -> list[Deadlock]:
    """Return each circle of who waits for whom: every thread waits for at most one."""
    following = {wait.thread: wait for wait in waits if wait.holder is not None and not wait.timed}
    done: set[int] = set()
    circles: list[Deadlock] = []
    for start in following:
        path: list[int] = []
        thread: int | None = start
        while thread in following and thread not in done:
            done.add(thread)
            path.append(thread)
            thread = following[thread].holder
        if thread in path:
            circles.append(Deadlock(tuple(following[member] for member in path[path.index(thread) :])))
    return circles
