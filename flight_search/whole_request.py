"""A service call as one operation from its arrival to the last byte of its answer, for an endpoint whose answer goes on after it returned.

Its connection belongs to the request until then, and is not leaked. It has a thread only now and then, so none is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse

from flight_search import request_context

if TYPE_CHECKING:
    from fastapi import FastAPI, Request
    from prometheus_client import Counter
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from flight_search.log import Log

FIRST_REFUSED, FIRST_ERROR, FAILED = 400, 500, 503


class WholeRequest:
    """Middleware that marks the requests to a path as an operation, and counts how they ended."""

    def __init__(self, app: ASGIApp, path: str, operation: str, results: Counter) -> None:
        self._app = app
        self._path = path
        self._operation = operation
        self._results = results

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return
        result = "internal_error"

        async def told(message: Message) -> None:
            nonlocal result
            if message["type"] == "http.response.start":
                status = message["status"]
                result = (
                    "answered"
                    if status < FIRST_REFUSED
                    else "failed"
                    if status == FAILED
                    else "refused"
                    if status < FIRST_ERROR
                    else result
                )
            await send(message)

        with request_context.request_of_task(self._operation) as request:
            try:
                await self._app(scope, receive, told)
            except Exception as error:
                request.fail(error)
                result = "internal_error"
                raise
            finally:
                self._results.labels(self._operation, result).inc()


def answer_errors(app: FastAPI, errors: tuple[type[Exception], ...], log: Log) -> None:
    """Answer these errors with 503, wherever in a request they are raised, and log them."""

    async def failed(_: Request, error: Exception) -> JSONResponse:
        request, detail = request_context.current(), f"{type(error).__name__}: {str(error).strip()}"
        request.fail(error)
        log.write("error", f"{request.operation}: {detail}")
        return JSONResponse({"detail": detail}, status_code=FAILED)

    for kind in errors:
        app.add_exception_handler(kind, failed)
