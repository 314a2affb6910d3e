"""SQLAlchemy's QueuePool over pg8000. Its check: `pool_pre_ping`."""

from __future__ import annotations

import os
import time

import uvicorn
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

QUERY = "SELECT pg_backend_pid() FROM generate_series(1, 3)"
SIZE = int(os.environ.get("POOL_SIZE", "5"))

engine = create_engine(
    make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+pg8000"),
    connect_args={"application_name": os.environ["APPLICATION_NAME"]},
    poolclass=QueuePool,
    pool_size=SIZE,
    max_overflow=0,
    pool_timeout=float(os.environ.get("WAIT_S", "2")),
    pool_pre_ping=os.environ["CHECK"] == "on",
)


def leaking(hold_s: float) -> int:
    """Skip the close when the rollback raises."""
    connection = engine.connect()
    try:
        rows = connection.execute(text(QUERY)).all()
        time.sleep(hold_s)
        return int(rows[0][0])
    finally:
        connection.rollback()
        connection.close()


def careful(hold_s: float) -> int:
    """Leave both to the context manager."""
    with engine.connect() as connection:
        rows = connection.execute(text(QUERY)).all()
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
    """Tell what the pool tells of itself, which is not how many wait."""
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    return JSONResponse({"size": SIZE, "out": pool.checkedout(), "waiting": None})


if __name__ == "__main__":
    routes = [Route("/flights", flights), Route("/pool", look), Route("/health", JSONResponse({}))]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
