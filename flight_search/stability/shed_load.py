"""Only so many requests at once; what comes past it is refused at once, by the event loop, without a request thread.

uvicorn's `limit_concurrency` would be simpler, and counts the wrong thing: every open connection, and the callers keep
theirs open; and it refuses monitoring too.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, WouldBlock

from flight_search.stability.admission import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator


class ShedLoad:
    """A gate that lets so many calls in at once."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limiter = CapacityLimiter(limit)
        self.refused_total = 0

    @contextmanager
    def let_in(self) -> Iterator[None]:
        """Let a call in; see `Gate`."""
        try:
            self._limiter.acquire_nowait()
        except WouldBlock:
            self.refused_total += 1
            limit = f"{self._limiter.total_tokens:.0f} requests under way, which is its limit"
            raise Refused(f"{self._name} has {limit}; load is shed") from None
        try:
            yield
        finally:
            self._limiter.release()
