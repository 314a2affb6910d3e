"""Statement deadline: a statement takes only so long, however many bytes of its result come; its connection is then thrown away.

The driver itself ends the wait, whatever the state of server and link. PostgreSQL's `statement_timeout` needs both: a server that has sent
its result is done with the statement, and the rest of it may be on its way for ever. As in the middle of an answer a connection is good
for nothing, it is closed, as pgx does in Go, and never handed out again. Its place in the pool is free at once, also if the code that
had it never gives it back.

The server notices that its client has gone within `CHECK_S` (`client_connection_check_interval`, since PostgreSQL 14), and ends the
statement. Without that it would work on, or wait for a lock, and each connection that was thrown away would leave a session behind.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg

from flight_search.stability import deadline, session_options

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

CHECK_S = 1.0
# What is left of a request's deadline may be nothing when its connection is checked in. So long has the pool's rollback all the same:
# a connection that works must not be thrown away because its request was late.
LEAST_S = 0.1


class StatementDeadlineExceeded(psycopg.OperationalError):
    """A statement, or the connect before it, took longer than its limit or than its request's deadline; its connection is closed."""


class BoundedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection each of whose statements ends within `limit_s` seconds, and within what is left of its request's deadline.

    `on_exceeded` is called, in the thread of the statement, when one has not and the connection is closed. psycopg looks at the time ten
    times a second at least, so a wait ends up to 0.1 s late.
    """

    limit_s: float | None = None
    on_exceeded: Callable[[], None] | None = None

    @classmethod
    def _connect_gen(cls, *args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        """Connect within the deadline of the thread.

        This is psycopg's own, and is not meant to be overridden; but `connect_timeout` knows whole seconds only, and two at least.
        """
        gen = super()._connect_gen(*args, **kwargs)
        left_s = deadline.left_s()
        return gen if left_s is None else _until(gen, left_s)

    def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
        """Wait for the end of one exchange with the server: psycopg waits nowhere else once it is connected."""
        limit_s = deadline.within(self.limit_s)
        if limit_s is None:
            return super().wait(gen, *args, **kwargs)
        try:
            return super().wait(_until(gen, max(LEAST_S, limit_s)), *args, **kwargs)
        except StatementDeadlineExceeded:
            self.close()
            if self.on_exceeded is not None:
                self.on_exceeded()
            raise


def _until(gen: Generator[Any, Any, Any], limit_s: float) -> Generator[Any, Any, Any]:
    """Do as `gen` does, which yields what it waits for and gets what is ready; raise when it is not done within the limit."""
    ends_s = time.monotonic() + limit_s
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            wanted = gen.send(ready)  # before the look at the time: what has come already is not refused
            if time.monotonic() >= ends_s:
                raise StatementDeadlineExceeded(f"the database gave no whole answer within {limit_s:.2f} s; the connection is thrown away")
    except StopIteration as end:
        return end.value


def options(own_options: str) -> dict[str, str]:
    """Return libpq's options that let the server look for its client, beside those that it is sent already."""
    return session_options.added(own_options, "client_connection_check_interval", CHECK_S)
