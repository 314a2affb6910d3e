"""psycopg2's ThreadedConnectionPool. It has no check, and no checkout ever waits."""

from __future__ import annotations

import os
import time

import uvicorn
from psycopg2.pool import PoolError, ThreadedConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

QUERY = "SELECT pg_backend_pid() FROM generate_series(1, 3)"
SIZE = int(os.environ.get("POOL_SIZE", "5"))

pool = ThreadedConnectionPool(SIZE, SIZE, os.environ["DATABASE_URL"], application_name=os.environ["APPLICATION_NAME"])


def leaking(hold_s: float) -> int:
    """Skip `putconn` when the rollback raises."""
    connection = pool.getconn()
    try:
        cursor = connection.cursor()
        cursor.execute(QUERY)
        rows = cursor.fetchall()
        time.sleep(hold_s)
        return int(rows[0][0])
    finally:
        connection.rollback()
        pool.putconn(connection)


def careful(hold_s: float) -> int:
    """Give it back under a guard of its own: the connection's context manager ends the transaction only."""
    connection = pool.getconn()
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(QUERY)
            rows = cursor.fetchall()
            time.sleep(hold_s)
            return int(rows[0][0])
    finally:
        pool.putconn(connection)


LOOKUPS = {"leaking": leaking, "careful": careful}


def flights(request: Request) -> JSONResponse:
    """Tell in which session the query ran, or why it did not."""
    try:
        return JSONResponse({"pid": LOOKUPS[os.environ["MISTAKE"]](float(request.query_params.get("hold_s", "0")))})
    except Exception as error:  # noqa: BLE001 - the border of a request
        return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 503 if isinstance(error, PoolError) else 500)


async def look(_: Request) -> JSONResponse:
    """Tell what the pool tells of itself."""
    return JSONResponse({"size": SIZE, "out": len(pool._used), "waiting": 0})  # noqa: SLF001 - it has no other


if __name__ == "__main__":
    routes = [Route("/flights", flights), Route("/pool", look), Route("/health", JSONResponse({}))]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
