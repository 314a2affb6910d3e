"""A caller that has used up its own HTTP connections: by whom they are lost, and that the servers behind it are idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.verdict.causes import loss

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.journal.evidence import HttpPool

LIBRARIES = ("requests/", "urllib3/")


def called_at(stack: Sequence[str]) -> str:
    """Return the line of the service itself that called the library of HTTP: the last call on a stack before it."""
    first = next((number for number, call in enumerate(stack) if call.startswith(LIBRARIES)), len(stack))
    return stack[first - 1] if first else "a line that is not known"


def are_lost(pool: HttpPool | None) -> bool:
    """Whether at least as many connections are lost, because the requests that took them have ended, as are used."""
    out = () if pool is None else pool.connections_out
    lost = sum(not row.request_running for row in out)
    return lost > 0 and 2 * lost >= len(out)


def exhausted(caller: str, at: str, waiting: int, pool: HttpPool | None, free: Mapping[str, tuple[int, int]]) -> str:
    """Return what is wrong: who waits where for which connections, what became of them, and how many threads of the servers are free.

    `free`: of each server, how many of its request threads are free, and how many it has.
    """
    own = "own HTTP connections" if pool is None else f"own {pool.size} HTTP connections"
    text = f"{caller}'s {waiting} request threads wait at {at} for one of its {own}"
    found = loss.losses(pool.connections_out, pool.sources).most_common(1) if pool is not None else []
    text += "".join(f"; {count} of them were lost in {where}" for where, count in found)
    if not free:
        return text
    idle, threads = sum(count for count, _ in free.values()), sum(count for _, count in free.values())
    return f"{text}; {' and '.join(free)} {'have' if len(free) > 1 else 'has'} {idle} of {threads} request threads free"
