"""Admission: a gate in front of every service call, which refuses calls from the event loop, before they take a request thread.

Monitoring is neither counted nor refused (C6). `OpenGate` admits everything; `shed_load` and `fail_fast` are the other gates.
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


class CallRefused(Exception):  # noqa: N818 - named for what happened
    """A gate does not admit the call; the message says why, with the numbers."""


class Gate(Protocol):
    """Admits service calls. It is asked only in the event loop, so it needs no lock; it must not wait."""

    def admit(self) -> AbstractContextManager[None]:
        """Admit a call for as long as the context lasts; raise CallRefused at once otherwise."""


class OpenGate:
    """The gate that does nothing: every call is admitted, as on that night."""

    def admit(self) -> AbstractContextManager[None]:
        """Admit the call."""
        return nullcontext()


class Admission:
    """Middleware that asks a gate before every service call, and answers 503 with `Retry-After` if the gate refuses."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] != "http" or scope["path"].startswith(MONITORING):
            await self._app(scope, receive, send)
            return
        try:
            with self._gate.admit():
                await self._app(scope, receive, send)
        except CallRefused as refusal:
            answer = JSONResponse({"detail": str(refusal)}, status_code=503, headers={"Retry-After": str(RETRY_AFTER_S)})
            await answer(scope, receive, send)
