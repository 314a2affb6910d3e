"""asyncpg's Pool. It has no check, and a checkout waits for ever."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

QUERY = "SELECT pg_backend_pid() FROM generate_series(1, 3)"
SIZE = int(os.environ.get("POOL_SIZE", "5"))
MISTAKE = os.environ["MISTAKE"]
STATUS: dict[type[Exception], int] = {TimeoutError: 504}  # the deadline of the request
GUARDED = (Exception,) if MISTAKE == "cancelled" else ()

pools: list[asyncpg.Pool] = []


async def mistaken(hold_s: float) -> int:
    """Skip `release` when the rollback raises: anything, or what is no Exception, as a cancellation is."""
    connection = await pools[0].acquire()
    transaction = connection.transaction()
    try:
        await transaction.start()
        rows = await connection.fetch(QUERY)
        await asyncio.sleep(hold_s)
        return int(rows[0][0])
    finally:
        with suppress(*GUARDED):
            await transaction.rollback()
        await pools[0].release(connection)


async def careful(hold_s: float) -> int:
    """Leave both to the context managers."""
    async with pools[0].acquire() as connection, connection.transaction():
        rows = await connection.fetch(QUERY)
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
    return JSONResponse({"size": SIZE, "out": pools[0].get_size() - pools[0].get_idle_size(), "waiting": None})


@asynccontextmanager
async def filled(_: Starlette) -> AsyncIterator[None]:
    """Open the pool in the loop that uses it."""
    settings = {"application_name": os.environ["APPLICATION_NAME"]}
    pools.append(await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=SIZE, max_size=SIZE, server_settings=settings))
    yield


if __name__ == "__main__":
    routes = [Route("/flights", flights), Route("/pool", look), Route("/health", JSONResponse({}))]
    uvicorn.run(Starlette(routes=routes, lifespan=filled), host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
