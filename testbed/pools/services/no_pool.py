"""No pool: psycopg 3 connects for each request. It is the control, and what stands behind PgBouncer, which is its pool then."""

from __future__ import annotations

import os
import time

import psycopg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

QUERY = "SELECT pg_backend_pid() FROM generate_series(1, 3)"
PGBOUNCER = "query_wait_timeout"  # its refusal, which a rollback that fails after it would hide
APPLICATION_NAME = os.environ["APPLICATION_NAME"]


def leaking(hold_s: float) -> int:
    """Skip the close when the rollback raises."""
    connection = psycopg.connect(os.environ["DATABASE_URL"], application_name=APPLICATION_NAME)
    try:
        rows = connection.execute(QUERY).fetchall()
        time.sleep(hold_s)
        return int(rows[0][0])
    finally:
        connection.rollback()
        connection.close()


def careful(hold_s: float) -> int:
    """Leave both to the context manager."""
    with psycopg.connect(os.environ["DATABASE_URL"], application_name=APPLICATION_NAME) as connection:
        rows = connection.execute(QUERY).fetchall()
        time.sleep(hold_s)
        return int(rows[0][0])


LOOKUPS = {"leaking": leaking, "careful": careful}


def flights(request: Request) -> JSONResponse:
    """Tell in which session the query ran, or why it did not."""
    try:
        return JSONResponse({"pid": LOOKUPS[os.environ["MISTAKE"]](float(request.query_params.get("hold_s", "0")))})
    except Exception as error:  # noqa: BLE001 - the border of a request
        return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 503 if PGBOUNCER in f"{error} {error.__context__}" else 500)


if __name__ == "__main__":
    routes = [Route("/flights", flights), Route("/pool", JSONResponse({})), Route("/health", JSONResponse({}))]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
