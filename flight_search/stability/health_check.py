"""What the health check of an application server asks: nothing but the process, a request thread, or the database.

Whoever acts on it, a balancer or a restarter, does what it says. The more it asks, the more often it is red of a server that would have
answered late: then slow becomes down, and of a database that all servers share, down everywhere at once.

| `health_check` | where it runs | without an answer while |
|---|---|---|
| `event_loop` | in the event loop, as all monitoring here (C6) | the process hangs as a whole |
| `request_thread` | in a request thread | every request thread is busy or stuck: it stands in the same queue |
| `pool` | in a request thread, over a connection of the pool | as that, or no connection is free, or the database does not answer |
| `database` | in a thread of its own, over a connection of its own | the database does not answer, however well the server is |

A check of `pool` takes a thread and a connection that a passenger might have had, and while it waits, keeps them.
Those that ask the database read a row of the flights, which is what a call needs of it.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
from anyio import CapacityLimiter, to_thread

from flight_search.datasource import PoolTimeout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flight_search.datasource import MonitoredDataSource
    from flight_search.settings import HealthCheckWord

QUESTION = "SELECT FROM flights LIMIT 1"


def by_word(word: HealthCheckWord, source: MonitoredDataSource) -> Callable[[], Awaitable[str | None]]:
    """Return the check of this word: it returns why the server is not well, or None, and may hang where the word says so."""
    checks: dict[HealthCheckWord, Callable[[], Awaitable[str | None]]] = {
        "event_loop": _event_loop,
        "request_thread": _request_thread,
        "pool": lambda: to_thread.run_sync(_asked, lambda: _ask_pool(source)),
        "database": _Database(source),
    }
    return checks[word]


async def _event_loop() -> None:
    """Return at once: who asks is answered by this very loop."""


async def _request_thread() -> None:
    """Take a request thread, as a call does, and give it back."""
    await to_thread.run_sync(lambda: None)


class _Database:
    """Asks the database over a connection of its own, opened for each question. Used in the event loop alone: no lock.

    One question at a time: whoever checks while it is under way gets its answer. If each check asked by itself, those whose sender has
    given up would still stand in front of the others, and a server would stay red for long after the database is well again.
    """

    def __init__(self, source: MonitoredDataSource) -> None:
        self._source = source
        self._asking: asyncio.Task[str | None] | None = None

    async def __call__(self) -> str | None:
        """Return what the database answers."""
        if self._asking is None or self._asking.done():
            question = to_thread.run_sync(_asked, self._ask, limiter=CapacityLimiter(1))  # a thread that is none of the request threads
            self._asking = asyncio.get_running_loop().create_task(question)
        return await asyncio.shield(self._asking)

    def _ask(self) -> None:
        with closing(self._source.connect()) as driver:
            driver.execute(QUESTION)


def _ask_pool(source: MonitoredDataSource) -> None:
    with closing(source.get_connection()) as connection:
        connection.driver.execute(QUESTION)


def _asked(ask: Callable[[], None]) -> str | None:
    """Ask, and return what went wrong; None if nothing did."""
    try:
        ask()
    except (psycopg.Error, PoolTimeout) as error:
        return f"the database cannot be asked: {type(error).__name__}: {str(error).strip()}"
    return None
