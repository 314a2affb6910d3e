"""psycopg_pool's AsyncConnectionPool over psycopg 3. Its check: `check=AsyncConnectionPool.check_connection`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

QUERY = "SELECT pg_backend_pid() FROM generate_series(1, 3)"
SIZE = int(os.environ.get("POOL_SIZE", "5"))
MISTAKE = os.environ["MISTAKE"]
STATUS = {TimeoutError: 504, PoolTimeout: 503}  # the deadline of the request; the pool gave none
GUARDED = (Exception,) if MISTAKE == "cancelled" else ()

pool = AsyncConnectionPool(
    os.environ["DATABASE_URL"],
    kwargs={"application_name": os.environ["APPLICATION_NAME"]},
    min_size=SIZE,
    timeout=float(os.environ.get("WAIT_S", "2")),
    check=AsyncConnectionPool.check_connection if os.environ["CHECK"] == "on" else None,
    open=False,
)


async def mistaken(hold_s: float) -> int:
    """Skip `putconn` when the rollback raises: anything, or what is no Exception, as a cancellation is."""
    connection = await pool.getconn()
    try:
        rows = await (await connection.execute(QUERY)).fetchall()
        await asyncio.sleep(hold_s)
        return int(rows[0][0])
    finally:
        with suppress(*GUARDED):
            await connection.rollback()
        await pool.putconn(connection)


async def careful(hold_s: float) -> int:
    """Leave both to the context manager."""
    async with pool.connection() as connection:
        rows = await (await connection.execute(QUERY)).fetchall()
        await asyncio.sleep(hold_s)
        return int(rows[0][0])


async def flights(request: Request) -> JSONResponse:
    """Tell in which session the query ran, or why it did not."""
    hold_s = float(request.query_params.get("hold_s", "0"))
    try:
        async with asyncio.timeout(hold_s + 1 if MISTAKE.startswith("cancelled") else None):
            return JSONResponse({"pid": await (careful if MISTAKE.endswith("careful") else mistaken)(hold_s)})
    except Exception as error:  # noqa: BLE001 - the border of a request
        return JSONResponse({"error": f"{type(error).__name__}: {error}"}, STATUS.get(type(error), 500))


async def look(_: Request) -> JSONResponse:
    """Tell what the pool tells of itself."""
    told = pool.get_stats()
    return JSONResponse({"size": SIZE, "out": told["pool_size"] - told["pool_available"], "waiting": told.get("requests_waiting", 0)})


@asynccontextmanager
async def filled(_: Starlette) -> AsyncIterator[None]:
    """Open the pool in the loop that uses it."""
    await pool.open()
    yield


if __name__ == "__main__":
    routes = [Route("/flights", flights), Route("/pool", look), Route("/health", JSONResponse({}))]
    uvicorn.run(Starlette(routes=routes, lifespan=filled), host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
