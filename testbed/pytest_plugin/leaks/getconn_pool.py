"""Pools with `getconn` and `putconn`: those of psycopg_pool, blocking and for asyncio, and of psycopg2. Their blocks call both."""

from __future__ import annotations

from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def watch(pool: Any, taken: Callable[[object], None], given: Callable[[object], None]) -> Callable[[], None]:
    """Wrap both methods of this one pool."""
    get, put = pool.getconn, pool.putconn

    @wraps(put)
    def give(connection: object, *arguments: Any, **named: Any) -> Any:
        given(connection)  # first: as soon as it is back, another thread may take it
        return put(connection, *arguments, **named)

    if iscoroutinefunction(get):

        @wraps(get)
        async def take_async(*arguments: Any, **named: Any) -> Any:
            connection = await get(*arguments, **named)
            taken(connection)
            return connection

        pool.getconn = take_async
    else:

        @wraps(get)
        def take(*arguments: Any, **named: Any) -> Any:
            connection = get(*arguments, **named)
            taken(connection)
            return connection

        pool.getconn = take
    pool.putconn = give

    def end() -> None:
        pool.getconn, pool.putconn = get, put

    return end
