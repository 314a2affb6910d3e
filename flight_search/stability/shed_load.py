"""Load shedding: limits how many requests are under way at once; the event loop refuses any other, without a request thread.

uvicorn's `limit_concurrency` would be simpler, but counts the wrong thing: every open connection, and the callers keep
theirs open; and it refuses monitoring too.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, WouldBlock

from flight_search.stability.admission import CallRefused

if TYPE_CHECKING:
    from collections.abc import Iterator


class ShedLoad:
    """A gate that admits at most `limit` calls at once."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limiter = CapacityLimiter(limit)
        self.refused_total = 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Admit a call; see `Gate`."""
        try:
            self._limiter.acquire_nowait()
        except WouldBlock:
            self.refused_total += 1
            limit = f"{self._limiter.total_tokens:.0f} requests under way, which is its limit"
            raise CallRefused(f"{self._name} has {limit}; load is shed") from None
        try:
            yield
        finally:
            self._limiter.release()
