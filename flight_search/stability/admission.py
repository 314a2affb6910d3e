"""Admission: what stands between a service call and its request thread, and answers from the event loop what it does not let in.

Monitoring is not counted and never refused (C6). `Open` lets everything in; `shed_load` and `fail_fast` are the others.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from starlette.types import ASGIApp, Receive, Scope, Send

MONITORING = ("/health", "/metrics", "/admin/")
RETRY_AFTER_S = 1


class Refused(Exception):  # noqa: N818 - named for what it is, as `PoolTimeout`
    """A call that is not let in; the message says why, with the numbers."""


class Gate(Protocol):
    """Lets service calls in. It is asked in the event loop only, so it needs no lock; it must not wait."""

    def let_in(self) -> AbstractContextManager[None]:
        """Let a call in for as long as the context lasts; raises Refused at once."""


class Open:
    """The gate that does nothing: everything is let in, as that night."""

    def let_in(self) -> AbstractContextManager[None]:
        """Let a call in."""
        return nullcontext()


class Admission:
    """Middleware that asks a gate before every service call, and answers 503 with when to come again where it refuses."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http" or scope["path"].startswith(MONITORING):
            await self._app(scope, receive, send)
            return
        try:
            with self._gate.let_in():
                await self._app(scope, receive, send)
        except Refused as refused:
            answer = JSONResponse({"detail": str(refused)}, status_code=503, headers={"Retry-After": str(RETRY_AFTER_S)})
            await answer(scope, receive, send)
