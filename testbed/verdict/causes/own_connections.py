"""A caller that has used up its own HTTP connections: by whom they are lost, and that the servers behind it are idle."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from testbed.verdict.causes import loss

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from testbed.journal.events import ThreadGroup
    from testbed.journal.evidence import HttpPool

LIBRARIES = ("requests/", "urllib3/")


def called_at(stack: Sequence[str]) -> str:
    """Return the line of the service itself that called the library of HTTP: the last call on a stack before it."""
    first = next((number for number, call in enumerate(stack) if call.startswith(LIBRARIES)), len(stack))
    return stack[first - 1] if first else "a line that is not known"


def lines(groups: Iterable[ThreadGroup]) -> dict[str, int]:
    """Return the lines at which the threads of some groups ask for a connection, and how many do, most first."""
    found: Counter[str] = Counter()
    for group in groups:
        found[called_at(group.stack)] += group.count
    return dict(sorted(found.items(), key=lambda line: (-line[1], line[0])))


def are_lost(pool: HttpPool | None) -> bool:
    """Whether at least as many connections are lost, because the requests that took them have ended, as are used."""
    out = () if pool is None else pool.connections_out
    lost = sum(not row.request_running for row in out)
    return lost > 0 and 2 * lost >= len(out)


def exhausted(caller: str, waiting: Mapping[str, int], pool: HttpPool | None, free: Mapping[str, tuple[int, int]]) -> str:
    """Return what is wrong: who waits where for which connections, what became of them, and how many threads of the servers are free.

    `waiting`: the lines at which its threads ask for one, and how many do, most first.
    `free`: of each server, how many of its request threads are free, and how many it has.
    """
    own = "own HTTP connections" if pool is None else f"own {pool.size} HTTP connections"
    text = f"{caller}'s {sum(waiting.values())} request threads wait for one of its {own}, at {_at(waiting)}"
    found = loss.losses(pool.connections_out, pool.sources).most_common(1) if pool is not None else []
    text += "".join(f"; {count} of them were lost in {where}" for where, count in found)
    if not free:
        return text
    idle, threads = sum(count for count, _ in free.values()), sum(count for _, count in free.values())
    return f"{text}; {' and '.join(free)} {'have' if len(free) > 1 else 'has'} {idle} of {threads} request threads free"


def _at(waiting: Mapping[str, int]) -> str:
    return next(iter(waiting)) if len(waiting) == 1 else " and ".join(f"{at} ({count})" for at, count in waiting.items())
