"""SQLAlchemy's AsyncAdaptedQueuePool over asyncpg. Its check: `pool_pre_ping`."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

import uvicorn
from sqlalchemy import AsyncAdaptedQueuePool, make_url, text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import create_async_engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

QUERY = "SELECT pg_backend_pid() FROM generate_series(1, 3)"
SIZE = int(os.environ.get("POOL_SIZE", "5"))
MISTAKE = os.environ["MISTAKE"]
STATUS = {TimeoutError: 504, PoolTimeout: 503}  # the deadline of the request; the pool gave none
GUARDED = (Exception,) if MISTAKE == "cancelled" else ()

engine = create_async_engine(
    make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg"),
    connect_args={"server_settings": {"application_name": os.environ["APPLICATION_NAME"]}},
    pool_size=SIZE,
    max_overflow=0,
    pool_timeout=float(os.environ.get("WAIT_S", "2")),
    pool_pre_ping=os.environ["CHECK"] == "on",
)


async def mistaken(hold_s: float) -> int:
    """Skip `close` when the rollback raises: anything, or what is no Exception, as a cancellation is."""
    connection = await engine.connect()
    try:
        rows = (await connection.execute(text(QUERY))).all()
        await asyncio.sleep(hold_s)
        return int(rows[0][0])
    finally:
        with suppress(*GUARDED):
            await connection.rollback()
        await connection.close()


async def careful(hold_s: float) -> int:
    """Leave both to the context manager."""
    async with engine.connect() as connection:
        rows = (await connection.execute(text(QUERY))).all()
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
    """Tell what the pool tells of itself, which is not how many wait."""
    pool = engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    return JSONResponse({"size": SIZE, "out": pool.checkedout(), "waiting": None})


if __name__ == "__main__":
    routes = [Route("/flights", flights), Route("/pool", look), Route("/health", JSONResponse({}))]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
