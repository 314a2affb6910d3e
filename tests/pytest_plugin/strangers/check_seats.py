import asyncio
import contextlib

import pytest
from seats import TABLE, careless, line

asyncpg = pytest.importorskip("asyncpg")


def test_seats_are_told_after_a_switchover(facility, no_leaks):
    async def main():
        async with asyncpg.create_pool(facility.dsn, min_size=2, max_size=2) as pool:
            await pool.execute(TABLE)
            with no_leaks(pool):
                assert await line(pool) == 12
                await facility.asyncio.switchover()
                for _ in range(3):
                    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                        await line(pool)
                assert await line(pool) == 12

    asyncio.run(main())


def test_careless_seats(facility, no_leaks):
    async def main():
        pool = await asyncpg.create_pool(facility.dsn, min_size=1, max_size=1)
        await pool.execute(TABLE)
        no_leaks(pool)
        with pytest.raises(asyncpg.DivisionByZeroError):
            await careless(pool)

    asyncio.run(main())
