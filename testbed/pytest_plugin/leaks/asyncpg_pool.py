"""The pool of asyncpg. Its objects take no attributes, so the methods of the class are wrapped, for all pools, and ask which it is."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TAKES = "_acquire"  # what `acquire`, awaited or as a block, and `fetch` and its like all go through
GIVES = "release"


def watch(pool: Any, taken: Callable[[object], None], given: Callable[[object], None]) -> Callable[[], None]:
    """Wrap the methods that take and give, and tell of this pool's connections."""
    kind = next(kind for kind in type(pool).__mro__ if TAKES in vars(kind))
    acquire, release = getattr(kind, TAKES), getattr(kind, GIVES)

    @wraps(acquire)
    async def take(self: object, *arguments: Any, **named: Any) -> Any:
        connection = await acquire(self, *arguments, **named)
        if self is pool:
            taken(connection)
        return connection

    @wraps(release)
    async def give(self: object, connection: object, *arguments: Any, **named: Any) -> Any:
        if self is pool:
            given(connection)
        return await release(self, connection, *arguments, **named)

    setattr(kind, TAKES, take)
    setattr(kind, GIVES, give)

    def end() -> None:
        setattr(kind, TAKES, acquire)
        setattr(kind, GIVES, release)

    return end
