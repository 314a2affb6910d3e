"""Only so many requests at once; what comes past it is answered 503 at once, by the event loop, without a request thread.

Monitoring is not counted and never refused. uvicorn's `limit_concurrency` would be simpler, and counts the wrong thing:
every open connection, and the callers keep theirs open; and it refuses monitoring too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import CapacityLimiter, WouldBlock
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

MONITORING = ("/health", "/metrics", "/admin/")
RETRY_AFTER_S = 1


class ShedLoad:
    """Middleware that lets so many service calls in."""

    def __init__(self, app: ASGIApp, limit: int, name: str) -> None:
        self._app = app
        self._limit = limit
        self._name = name
        self._limiter: CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http" or scope["path"].startswith(MONITORING):
            await self._app(scope, receive, send)
            return
        limiter = self._limiter = self._limiter or CapacityLimiter(self._limit)  # it belongs to the event loop, which is there only now
        borrower = object()
        try:
            limiter.acquire_on_behalf_of_nowait(borrower)
        except WouldBlock:
            refusal = {"detail": f"{self._name} has {self._limit} requests under way, which is its limit; load is shed"}
            await JSONResponse(refusal, status_code=503, headers={"Retry-After": str(RETRY_AFTER_S)})(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            limiter.release_on_behalf_of(borrower)
