"""The situations: what is done to the database, and what is under way meanwhile.

`begin` starts requests that hold connections, and waits until they do; `burst` sends as many at once as a pool has connections.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from testbed.pools.cell import Situation
    from testbed.pools.database import Database

    Begin = Callable[[], Awaitable[None]]
    SendBurst = Callable[[], None]
    Act = Callable[[Database, Begin, SendBurst], Awaitable[None]]

SILENT_S, DOWN_S = 4.0, 3.0
MIDDLE_S = 1.0
IDLE_S, IDLE_FOR_S, USED_S = 1.0, 1.5, 0.5


async def switchover_idle(database: Database, begin: Begin, burst: SendBurst) -> None:  # noqa: ARG001 - the same for each
    """Move the database while every connection rests in its pool: the night of the case."""
    await database.switch_over()


async def switchover_in_flight(database: Database, begin: Begin, burst: SendBurst) -> None:  # noqa: ARG001 - the same for each
    """Move it while requests hold connections, which have read their rows, and clean up after it."""
    await begin()
    await database.switch_over()


async def sessions_ended(database: Database, begin: Begin, burst: SendBurst) -> None:  # noqa: ARG001 - the same for each
    """End every session while requests hold some of them; new ones are served at once."""
    await begin()
    await database.end_sessions()


async def silence(database: Database, begin: Begin, burst: SendBurst) -> None:
    """Let nothing get through for four seconds, in which requests clean up, and others come; then what was held goes on."""
    await begin()
    await database.silence()
    await asyncio.sleep(MIDDLE_S)
    burst()
    await asyncio.sleep(SILENT_S - MIDDLE_S)
    await database.heal_silence()


async def idle_drop(database: Database, begin: Begin, burst: SendBurst) -> None:  # noqa: ARG001 - the same for each
    """Forget every connection that rested in its pool for too long, and tell neither side; then requests come. New ones are served.

    It is found with the first byte whether a connection was idle for too long, so the limit holds until requests have used each.
    """
    await database.forget_idle(IDLE_S)
    await asyncio.sleep(IDLE_FOR_S)
    burst()
    await asyncio.sleep(USED_S)
    await database.keep_idle()


async def down(database: Database, begin: Begin, burst: SendBurst) -> None:  # noqa: ARG001 - the same for each
    """Stop the database for three seconds, in which requests come."""
    await database.stop()
    await asyncio.sleep(MIDDLE_S)
    burst()
    await asyncio.sleep(DOWN_S - MIDDLE_S)
    await database.start()


ACTS: dict[Situation, Act] = {
    "switchover_idle": switchover_idle,
    "switchover_in_flight": switchover_in_flight,
    "sessions_ended": sessions_ended,
    "silence": silence,
    "idle_drop": idle_drop,
    "down": down,
}
