"""psycopg_pool's ConnectionPool over psycopg 3. Its check: `check=ConnectionPool.check_connection`."""

from __future__ import annotations

import os
import time

import uvicorn
from psycopg_pool import ConnectionPool, PoolTimeout
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

QUERY = "SELECT pg_backend_pid() FROM generate_series(1, 3)"
SIZE = int(os.environ.get("POOL_SIZE", "5"))

pool = ConnectionPool(
    os.environ["DATABASE_URL"],
    kwargs={"application_name": os.environ["APPLICATION_NAME"]},
    min_size=SIZE,
    timeout=float(os.environ.get("WAIT_S", "2")),
    check=ConnectionPool.check_connection if os.environ["CHECK"] == "on" else None,
    open=True,
)


def leaking(hold_s: float) -> int:
    """Skip `putconn` when the rollback raises."""
    connection = pool.getconn()
    try:
        rows = connection.execute(QUERY).fetchall()
        time.sleep(hold_s)
        return int(rows[0][0])
    finally:
        connection.rollback()
        pool.putconn(connection)


def careful(hold_s: float) -> int:
    """Leave both to the context manager."""
    with pool.connection() as connection:
        rows = connection.execute(QUERY).fetchall()
        time.sleep(hold_s)
        return int(rows[0][0])


LOOKUPS = {"leaking": leaking, "careful": careful}


def flights(request: Request) -> JSONResponse:
    """Tell in which session the query ran, or why it did not."""
    try:
        return JSONResponse({"pid": LOOKUPS[os.environ["MISTAKE"]](float(request.query_params.get("hold_s", "0")))})
    except Exception as error:  # noqa: BLE001 - the border of a request
        return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 503 if isinstance(error, PoolTimeout) else 500)


async def look(_: Request) -> JSONResponse:
    """Tell what the pool tells of itself."""
    told = pool.get_stats()
    return JSONResponse({"size": SIZE, "out": told["pool_size"] - told["pool_available"], "waiting": told.get("requests_waiting", 0)})


if __name__ == "__main__":
    routes = [Route("/flights", flights), Route("/pool", look), Route("/health", JSONResponse({}))]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
