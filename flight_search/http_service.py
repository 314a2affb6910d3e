"""The HTTP service that every application is: its socket, its request threads, and monitoring that needs none of them."""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import anyio.to_thread
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily
from starlette.exceptions import HTTPException as StarletteHTTPException

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from prometheus_client.core import Metric

    from flight_search.settings import ListenSettings

UNREADABLE = (RecursionError, ValueError)  # what reading JSON raises beside its own error; bytes that are no UTF-8 are a ValueError
KEEP_ALIVE_S = 3600  # the client closes a connection; if we did, it could be just as the client sends its next request


class RequestThreads:
    """The pool of request threads; a Prometheus collector of how many there are, how many are busy, and how many requests wait.

    FastAPI runs `def` endpoints in anyio's worker threads; anyio's limiter sets their number (C6).
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.limiter: anyio.CapacityLimiter | None = None

    def set_limit(self) -> None:
        """Set the number of request threads; must be called in the event loop, where the limiter lives."""
        # 40 is also anyio's default. The case's number must not depend on that, so it is set.
        self.limiter = anyio.to_thread.current_default_thread_limiter()
        self.limiter.total_tokens = self.limit

    @property
    def busy(self) -> int:
        """How many request threads are at work, or blocked."""
        return self.limiter.statistics().borrowed_tokens if self.limiter else 0

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics; called by prometheus-client."""
        waiting = self.limiter.statistics().tasks_waiting if self.limiter else 0
        yield GaugeMetricFamily("request_threads", "Request threads that the service has", self.limit)
        yield GaugeMetricFamily("request_threads_busy", "Request threads at work, or blocked", self.busy)
        yield GaugeMetricFamily("requests_waiting_for_thread", "Requests that wait for a request thread", waiting)


async def _ready() -> None:
    """Return that nothing is wrong: the process answers."""


def create(
    name: str,
    threads: RequestThreads,
    registry: CollectorRegistry,
    not_ready: Callable[[], Awaitable[str | None]] = _ready,
    background: Sequence[AbstractContextManager[object]] = (),
) -> FastAPI:
    """Build an application with these request threads and with monitoring; `background` starts and ends with it.

    Monitoring is `async` and answers from the event loop, so it answers while every request thread hangs (C6, O8). The health check is
    green unless `not_ready` returns a reason, and without an answer while that hangs. An exception that nothing handles is counted in the
    metric `internal_errors`, whoever raised it, and answered with 500 and its name; it goes on to uvicorn, which logs its traceback.
    """
    registry.register(threads)
    internal_errors = Counter("internal_errors", "Requests that ended in an exception which nothing handles", registry=registry)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        threads.set_limit()
        with ExitStack() as stack:
            for task in background:
                stack.enter_context(task)
            yield

    app = FastAPI(title=name, lifespan=lifespan, docs_url=None, redoc_url=None)

    @app.get("/health")
    async def health() -> JSONResponse:
        reason = await not_ready()
        if reason is not None:
            return JSONResponse({"status": "not ready", "service": name, "detail": reason}, status_code=503)
        return JSONResponse({"status": "ok", "service": name})

    @app.get("/metrics")
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.exception_handler(RequestValidationError)
    async def bad_input(_: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"detail": [_problem(mistake) for mistake in error.errors()]}, status_code=422)

    @app.exception_handler(StarletteHTTPException)
    async def refused(request: Request, error: StarletteHTTPException) -> Response:
        cause = error.__cause__
        if not isinstance(cause, UNREADABLE):
            return await http_exception_handler(request, error)
        problem = {"field": "body", "found": None, "problem": f"{type(cause).__name__}: {cause}"[:200], "allowed": "JSON in UTF-8"}
        return JSONResponse({"detail": [problem]}, status_code=422)

    @app.exception_handler(Exception)
    async def internal_error(_: Request, error: Exception) -> JSONResponse:
        internal_errors.inc()
        return JSONResponse({"detail": f"internal error: {type(error).__name__}: {error}"}, status_code=500)

    return app


def results(registry: CollectorRegistry, name: str, what: str) -> Counter:
    """Return a counter of results: `answered`, `refused` (bad input), `failed`, or `internal_error` (an exception nobody expected)."""
    return Counter(name, f"How many ended, by {what} and result", [what, "result"], registry=registry)


def refusal(field: str, found: object, problem: str, allowed: str) -> JSONResponse:
    """Return the answer to input that the data does not know: 404 with the field, what was found, and what is allowed."""
    return JSONResponse({"detail": [{"field": field, "found": found, "problem": problem, "allowed": allowed}]}, status_code=404)


def _problem(mistake: dict[str, object]) -> dict[str, object]:
    location = mistake["loc"]
    assert isinstance(location, tuple)
    if mistake["type"] == "json_invalid":  # of which the location is that of the first wrong character
        context = mistake.get("ctx")
        reason = context["error"] if isinstance(context, dict) else mistake["msg"]
        return {"field": "body", "found": None, "problem": f"{reason} at character {location[1]}", "allowed": "JSON"}
    return {
        "field": ".".join(str(part) for part in location[1:]) or str(location[0]),
        "found": None if mistake["type"] == "missing" else repr(mistake["input"])[:100],
        "problem": mistake["msg"],
        "allowed": mistake.get("ctx") and {key: str(value) for key, value in mistake["ctx"].items()},  # type: ignore[attr-defined]
    }


def serve(app: FastAPI, settings: ListenSettings) -> None:
    """Serve until a signal ends the process; exit with code 3 if the service cannot start."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        # A process that is asked to end must not wait for request threads that hang.
        timeout_graceful_shutdown=1,
        backlog=settings.listen_backlog,
    )
    server = uvicorn.Server(config)
    # Not uvicorn's own `fd`: it treats every socket as a Unix socket, without TCP_NODELAY, and each answer is 40 ms late.
    sockets = None if settings.listen_fd is None else [socket.socket(fileno=settings.listen_fd)]
    try:
        server.run(sockets)
    except SystemExit as error:
        sys.exit(3 if error.code else 0)
    if not server.started:
        sys.exit(3)
