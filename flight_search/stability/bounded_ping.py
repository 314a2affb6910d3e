"""Bounded ping: a connection is tried before it is handed out, and has only so long to answer.

SQLAlchemy's own pre-ping waits for its answer as long as a statement would: for ever, where the link has fallen silent (A7).
"""

from __future__ import annotations

import selectors
import time
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.pq import ExecStatus

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

EMPTY = b""  # a query of nothing: the server answers, and begins no transaction


class PingTimeout(Exception):  # noqa: N818 - named for what happened
    """A connection did not answer the ping within its time-out."""


def ping(driver: psycopg.Connection[Any], within_s: float | None) -> None:
    """Ask a connection that nobody else uses for an answer.

    Raises psycopg.OperationalError if it is dead, and PingTimeout if it does not answer in time; what it was asked is then still under way,
    so it is of no more use. `within_s` None: waits for ever.
    """
    deadline_s = None if within_s is None else time.monotonic() + within_s
    pgconn = driver.pgconn
    pgconn.send_query(EMPTY)
    with selectors.DefaultSelector() as selector:
        selector.register(pgconn.socket, selectors.EVENT_READ)
        while True:
            _wait_result(pgconn, selector, deadline_s)  # before each result, the last as well: libpq would wait for it without limit
            result = pgconn.get_result()
            if result is None:
                return
            if result.status == ExecStatus.FATAL_ERROR:  # what a server that is being stopped says last
                raise psycopg.OperationalError(result.get_error_message())


def _wait_result(pgconn: PGconn, selector: selectors.BaseSelector, deadline_s: float | None) -> None:
    """Wait until a result can be taken without waiting; raise PingTimeout at the deadline."""
    while (unsent := pgconn.flush()) or pgconn.is_busy():
        selector.modify(pgconn.socket, selectors.EVENT_READ | (selectors.EVENT_WRITE if unsent else 0))
        left_s = None if deadline_s is None else max(0.0, deadline_s - time.monotonic())
        if not selector.select(left_s):
            raise PingTimeout("no answer to the ping")
        pgconn.consume_input()
