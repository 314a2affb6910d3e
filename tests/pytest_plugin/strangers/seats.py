"""Seats: asyncpg's pool, for asyncio. `careless` does not give its connection back when it fails."""

from __future__ import annotations

from typing import Any

TABLE = "CREATE TABLE IF NOT EXISTS seats AS SELECT 12 AS line"
LINE = "SELECT line FROM seats"


async def line(pool: Any) -> int:
    """Return the line."""
    async with pool.acquire() as connection:
        return int(await connection.fetchval(LINE))


async def careless(pool: Any) -> int:
    """Return a line that nobody has."""
    connection = await pool.acquire()
    found = int(await connection.fetchval("SELECT line / 0 FROM seats"))
    await pool.release(connection)
    return found
