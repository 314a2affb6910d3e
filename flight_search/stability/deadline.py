"""A deadline: from when on nobody waits for the answer any more, for the work of one call (gRPC, Envoy).

A time-out limits one wait, such as that for the next byte; a deadline limits all waits of a call together. Who has a deadline passes it on
as what is left of it, and never as a time of day: the clocks of two machines differ, and a wrong one would refuse everybody or nobody. So
the header of a call has the milliseconds that are left when it is sent. It is Envoy's, which says in it how long the router waits for the
answer, so that the service behind it can give up early; gRPC (`grpc-timeout`) and Connect (`Connect-Timeout-Ms`) do likewise. The time on
the way is not in it, nor that in the kernel's listen queue: the work may go on for so much longer.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = "X-Envoy-Expected-Rq-Timeout-Ms"
MOST_DIGITS = 8  # of the milliseconds, as in gRPC: a day and more

# When the work of this thread must end, on the monotonic clock in seconds; None without a deadline. anyio gives the thread that works on a
# request a copy of the context in which the event loop received it.
ends_s: ContextVar[float | None] = ContextVar("ends_s", default=None)


class DeadlineExceeded(Exception):  # noqa: N818 - gRPC's name of it
    """The deadline of the work was over before it began; the message says by how much."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Let the work of this thread end within so many seconds, for as long as the context lasts; an earlier deadline stays."""
    token = ends_s.set(time.monotonic() + (within(seconds) or 0.0))
    try:
        yield
    finally:
        ends_s.reset(token)


def left_s() -> float | None:
    """Return how many seconds are left, 0 when the deadline is over; None without a deadline."""
    at_s = ends_s.get()
    return None if at_s is None else max(0.0, at_s - time.monotonic())


def is_over() -> bool:
    """Return whether there is a deadline, and it is over."""
    return left_s() == 0.0


def within(timeout_s: float | None) -> float | None:
    """Return the shorter of a time-out and what is left of the deadline, in seconds; None without either."""
    return min((limit_s for limit_s in (timeout_s, left_s()) if limit_s is not None), default=None)


def header() -> dict[str, str]:
    """Return the header that passes on what is left; none without a deadline."""
    left = left_s()
    return {} if left is None else {HEADER: str(round(left * 1000))}


def read(value: str) -> float | None:
    """Return the seconds that the value of a header says are left; None for anything but a whole number of milliseconds."""
    return int(value) / 1000 if value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS else None


def require_left() -> None:
    """Raise DeadlineExceeded if the deadline is over: whoever asked has gone, and the work would be for nobody."""
    at_s = ends_s.get()
    if at_s is not None and (late_s := time.monotonic() - at_s) >= 0:
        raise DeadlineExceeded(f"refused before any work: the deadline of the call has been over for {late_s:.3f} s")
