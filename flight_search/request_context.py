"""Which requests are running: a mark on the thread that works on one, so that it can be told who still needs a connection."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class RequestContext:
    """A request and the thread that works on it; `running` ends with the request."""

    thread: str
    running: bool = True


_of_thread = threading.local()
_lock = threading.Lock()
_ended_total = 0


@contextmanager
def request() -> Iterator[RequestContext]:
    """Mark this thread as working on a request."""
    mark = RequestContext(threading.current_thread().name)
    _of_thread.request = mark
    try:
        yield mark
    finally:
        mark.running = False
        _of_thread.request = None
        _count()


def _count() -> None:
    global _ended_total  # noqa: PLW0603 - requests of a process are counted in the process
    with _lock:
        _ended_total += 1


def ended_total() -> int:
    """Give how many requests have ended since the process started, however they did."""
    return _ended_total


def current() -> RequestContext:
    """Give the mark of this thread; outside any request, one that runs for as long as the process."""
    mark: RequestContext | None = getattr(_of_thread, "request", None)
    return mark or RequestContext(threading.current_thread().name)
