"""The request that a thread or a task works on, so that a connection whose request has ended is recognised as leaked, and how it ended."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flight_search import calls

if TYPE_CHECKING:
    from collections.abc import Iterator

ERROR_CHARS = 200
CALLER, ATTEMPT = "X-Caller", "X-Attempt"  # headers of a call


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a call, and which attempt at it this is: 1 is the first, 0 is not known."""

    caller: str = ""
    attempt: int = 0


NOBODY = Sender()
sent_by: ContextVar[Sender] = ContextVar("sent_by", default=NOBODY)


@dataclass(eq=False, slots=True)
class RequestContext:
    """A request for an operation and the thread that works on it; `running` becomes False when the request ends.

    A request of a task of the event loop has no thread of its own: `thread` is empty, and `thread_id` 0, which is not known.
    `sender`: who sent it, where it is a call. `since_s`: when the thread took it up, on the monotonic clock, in seconds.
    `thread_id`: the operating system's number of the thread, because the threads of a pool share one name.
    `error` and `raised_at`: what it failed with, and the calls in that error's traceback, the innermost first.
    """

    thread: str
    operation: str = ""
    thread_id: int = field(default_factory=threading.get_native_id)
    running: bool = True
    error: str = ""
    raised_at: tuple[calls.Call, ...] = ()
    sender: Sender = field(default_factory=sent_by.get)
    since_s: float = field(default_factory=time.monotonic)

    def fail(self, error: BaseException) -> None:
        """Record the error with which it ends; the error itself is not kept, with all that its frames refer to."""
        self.error = error_text(error)
        self.raised_at = calls.of(error)


def error_text(error: BaseException) -> str:
    """Format an error by its class and its message, of `ERROR_CHARS` characters at most."""
    return f"{type(error).__name__}: {str(error).strip()}"[:ERROR_CHARS]


def in_use(request: RequestContext, since_s: float, taken_at: tuple[calls.Call, ...]) -> dict[str, object]:
    """Return, for a table of connections, which request has one, for how long, where it was taken, and how the request ended if it has.

    `since_s`: since when, on the monotonic clock, in seconds.
    """
    return {
        "thread": request.thread,
        "thread_id": request.thread_id,
        "operation": request.operation,
        "out_s": round(time.monotonic() - since_s, 3),
        "request_running": request.running,
        "checked_out_at": calls.formatted(taken_at),
        "error": request.error,
        "raised_at": calls.formatted(request.raised_at),
    }


# Not of the thread: a task shares its thread with others, and what it has done by another is still its request (anyio copies the context).
_current: ContextVar[RequestContext | None] = ContextVar("request", default=None)
_lock = threading.Lock()
_running: set[RequestContext] = set()
_ended_total = 0


@contextmanager
def request(operation: str = "") -> Iterator[RequestContext]:
    """Mark the current thread as working on a request for an operation, for as long as the context lasts."""
    with _marked(RequestContext(threading.current_thread().name, operation)) as context:
        yield context


@contextmanager
def request_of_task(operation: str) -> Iterator[RequestContext]:
    """Mark the current task of an event loop as working on a request for an operation, for as long as the context lasts."""
    with _marked(RequestContext("", operation, 0)) as context:
        yield context


@contextmanager
def _marked(context: RequestContext) -> Iterator[RequestContext]:
    token = _current.set(context)
    with _lock:
        _running.add(context)
    try:
        yield context
    finally:
        context.running = False
        _current.reset(token)
        _end(context)


def _end(context: RequestContext) -> None:
    global _ended_total  # noqa: PLW0603 - requests of a process are counted in the process
    with _lock:
        _ended_total += 1
        _running.discard(context)


def running() -> tuple[RequestContext, ...]:
    """Return the requests at which threads and tasks of this process are."""
    with _lock:
        return tuple(_running)


def ended_total() -> int:
    """Return how many requests have ended since the process started, with an answer or an error."""
    return _ended_total


def current() -> RequestContext:
    """Return the context of the request that is worked on here; outside any request, one that never ends."""
    return _current.get() or RequestContext(threading.current_thread().name)
