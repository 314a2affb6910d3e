"""Deadline propagation: a server works only for as long as whoever asked still waits for it. `deadline.py` has the header that says so.

A request whose deadline is over when it gets a request thread is refused at once; the checkout waits at most for what is left of it, and so
does each statement (`statement_deadline.py`). A call without the header, or with one that is no number of milliseconds, has no deadline.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy.pool import QueuePool

from flight_search.stability import deadline
from flight_search.stability.admission import MONITORING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

NAME = deadline.HEADER.lower().encode()


class ReadDeadline:
    """Middleware that reads off each service call how long its sender waits for it; that counts from when it arrives here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "http" and not scope["path"].startswith(MONITORING):
            left_s = deadline.read(dict(scope["headers"]).get(NAME, b"").decode("latin-1"))
            deadline.ends_s.set(None if left_s is None else time.monotonic() + left_s)
        await self._app(scope, receive, send)


class DeadlinePool(QueuePool):
    """SQLAlchemy's pool, whose checkout waits for `timeout` seconds, and at most for what is left of the request's deadline."""

    # QueuePool reads this attribute at every checkout, and has no other way to be told for how long.
    @property  # type: ignore[override]  # None works and is documented, but is not in the type
    def _timeout(self) -> float | None:
        return deadline.within(self._own_timeout_s)

    @_timeout.setter
    def _timeout(self, timeout_s: float | None) -> None:
        self._own_timeout_s = timeout_s
