from __future__ import annotations

import pytest

from testbed.observe.lock_source import LockSource

TEXT = """\
import threading
LOCK = threading.Lock()
class Pool:
    def get(self, other):
        with self.lock:
            work()
            with (
                LOCK,
                other.inner,
            ):
                work()
        with self.lock: work()
        self.lock.acquire()
        work()
        self.lock.release()
        work()
        self.lock.acquire(timeout=1)
        work()
        if ready:
            other.acquire()
            work()
        with self.locks[3], self.locks[key]:
            work()
        with make():
            def inner():
                work()
            work()
        async_lock.acquire()
    async def wait(self):
        async with self.lock:
            work()
def outer():
    lock = threading.Lock()
    def inner():
        with lock:
            work()
with LOCK:
    work()
"""
SOURCE = LockSource(TEXT, "pool.py")


@pytest.mark.parametrize(
    ("function", "line", "held", "taken"),
    [
        ("get", 5, [], ["self.lock"]),
        ("get", 6, ["self.lock"], []),
        ("get", 8, ["self.lock"], ["LOCK"]),
        ("get", 9, ["self.lock", "LOCK"], ["other.inner"]),
        ("get", 11, ["self.lock", "LOCK", "other.inner"], []),
        ("get", 12, [], ["self.lock"]),
        ("get", 13, [], ["self.lock"]),
        ("get", 14, ["self.lock"], []),
        ("get", 16, [], []),
        ("get", 18, [], []),
        ("get", 21, ["other"], []),
        ("get", 23, ["self.locks[3]", "self.locks[key]"], []),
        ("get", 26, ["make()"], []),
        ("inner", 26, [], []),
        ("inner", 36, ["lock"], []),
        ("wait", 31, [], []),
        ("<module>", 38, ["LOCK"], []),
        ("<lambda>", 6, [], []),
        ("elsewhere", 6, [], []),
        ("get", 400, [], []),
    ],
)
def test_what_a_line_holds_and_takes(function: str, line: int, held: list[str], taken: list[str]) -> None:
    """Of a thread that stands in a futex there; what another function holds is not this one's."""
    locks = SOURCE.locks_at(function, line, blocked=True)
    assert ([lock.text for lock in locks.held], [lock.text for lock in locks.taken]) == (held, taken)


def test_a_line_that_is_with_and_body_holds_where_nobody_takes() -> None:
    """Who sleeps there has the lock; who stands in a futex may be taking it."""
    assert [lock.text for lock in SOURCE.locks_at("get", 12, blocked=False).held] == ["self.lock"]


@pytest.mark.parametrize(
    ("function", "line", "root", "way", "is_global"),
    [
        ("get", 6, "self", ".lock", False),
        ("get", 11, "self", ".lock", False),
        ("<module>", 38, "LOCK", "", True),
        ("inner", 36, "lock", "", False),
    ],
)
def test_how_a_lock_is_reached(function: str, line: int, root: str, way: str, is_global: bool) -> None:  # noqa: FBT001 - a column
    """From a variable, on a fixed way: a closure's variable is no global."""
    lock = SOURCE.locks_at(function, line, blocked=True).held[0]
    assert (lock.root, lock.way, lock.is_global) == (root, way, is_global)


def test_what_is_not_reached_on_a_fixed_way_has_no_root() -> None:
    """An index that varies, or a call, may be another lock each time."""
    fixed, varying = SOURCE.locks_at("get", 23, blocked=True).held
    assert (fixed.root, fixed.way, varying.root) == ("self", ".locks[3]", "")
    assert SOURCE.locks_at("get", 27, blocked=True).held[0].root == ""


# What a thread does between taking a lock and the last line, at which it stands; and what that leaves: the lock's root, and whether a call
# may have given it back.
BETWEEN = {
    "nothing": ("lock.acquire()", "work()", ("lock", True)),
    "another is taken": ("lock.acquire()", "other.acquire()", ("lock", False)),
    "it is assigned": ("lock.acquire()", "lock = other\nother.acquire()", ("", False)),
    "it is assigned in the same line": ("lock.acquire(); lock = other", "other.acquire()", ("", False)),
    "what it is an attribute of is assigned": ("self.pool.lock.acquire()", "self.pool = other\nother.acquire()", ("", False)),
    "another attribute is assigned": ("self.lock.acquire()", "self.locked = other\nother.acquire()", ("self", False)),
    "it is a loop's variable": ("lock.acquire()", "for lock in locks:\n    other.acquire()", ("", False)),
    "it is assigned further down in a loop": ("lock.acquire()", "while ready:\n    other.acquire()\n    lock = other", ("", False)),
    "it was assigned before, in a loop": ("while ready:\n    lock = other\n    lock.acquire()", "    other.acquire()", ("lock", False)),
    "it is imported": ("lock.acquire()", "from locks import lock\nother.acquire()", ("", False)),
    "it is an error": ("lock.acquire()", "try:\n    ...\nexcept OSError as lock:\n    ...\nother.acquire()", ("", False)),
    "any function may assign it": ("SHARED.acquire()", "other.acquire()", ("", False)),
    "it is given to a call": ("lock.acquire()", "give(lock)\nother.acquire()", None),
    "it has a further name": ("lock.acquire()", "further = lock\nother.acquire()", None),
    "it is released": ("lock.acquire()", "lock.release()\nother.acquire()", None),
    "any call": ("lock.acquire()", "give()\nother.acquire()", ("lock", True)),
    "any call within a with": ("with lock:", "    give()\n    other.acquire()", ("lock", False)),
    "it is given to a call within a with": ("with lock:", "    give(lock)\n    other.acquire()", ("lock", True)),
    "it is released within a with": ("with lock:", "    lock.release()\n    other.acquire()", None),
    "it is assigned within a with": ("with lock:", "    lock = other\n    other.acquire()", ("", False)),
    "it is taken again": ("with lock:", "    with lock:\n        ...", ("lock", False)),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_what_a_lock_is_after_it_was_taken(name: str) -> None:
    """Who assigned its variable has another object there now; who handed it on may have given it back."""
    taken, since, expected = BETWEEN[name]
    text = "def work(self, lock, other):\n" + "".join(f"    {line}\n" for line in f"{taken}\n{since}".splitlines())
    place = next(n for n, line in reversed([*enumerate(text.splitlines(), 1)]) if "lock = other" not in line and "..." not in line)
    source = LockSource(f"{text}def assign():\n    global SHARED\n    SHARED = None\n", "pool.py")
    held = source.locks_at("work", place, blocked=True).held
    assert [(lock.root, lock.may_be_released) for lock in held] == ([] if expected is None else [expected])


def test_only_an_item_of_a_with_is_held_while_the_next_is_taken() -> None:
    """Of the calls of one line nobody knows which were reached."""
    source = LockSource("def work(a, b):\n    a.acquire() if ready else b.acquire()\n    with a, b:\n        ...\n", "pool.py")
    assert [[lock.is_item for lock in source.locks_at("work", line, blocked=True).taken] for line in (2, 3)] == [[False] * 2, [True] * 2]


@pytest.mark.parametrize("text", ["with :", "\0", "(" * 10_000])
def test_what_is_no_python_is_refused(text: str) -> None:
    """With the file's name."""
    with pytest.raises(ValueError, match=r"pool\.py cannot be parsed"):
        LockSource(text, "pool.py")
