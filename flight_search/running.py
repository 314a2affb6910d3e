"""Which requests are running: a mark on the thread that works on one, so that it can be told who still needs a connection."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class RunningRequest:
    """A request and the thread that works on it; `running` ends with the request."""

    thread: str
    running: bool = True


_of_thread = threading.local()


@contextmanager
def request() -> Iterator[RunningRequest]:
    """Mark this thread as working on a request."""
    mark = RunningRequest(threading.current_thread().name)
    _of_thread.request = mark
    try:
        yield mark
    finally:
        mark.running = False
        _of_thread.request = None


def current() -> RunningRequest:
    """Give the mark of this thread; outside any request, one that runs for as long as the process."""
    mark: RunningRequest | None = getattr(_of_thread, "request", None)
    return mark or RunningRequest(threading.current_thread().name)
