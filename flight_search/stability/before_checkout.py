"""Before checkout: what is done with a connection that has rested in the pool, before it is handed out.

It is closed and replaced if it has rested for longer than `pool_max_idle_s`. Otherwise it is tried, with `pool_pre_ping`, and replaced
unless it answers within `pool_pre_ping_timeout_s`. Rest comes first, as in HikariCP: a ping of a connection that a firewall has
forgotten hangs. A connection that was opened just now has not rested.

Rest counts from the last checkin, and `pool_recycle_s` from when the connection was opened. HikariCP calls the first `idleTimeout` and the
second `maxLifetime`, and retires connections from a thread of its own, down to `minimumIdle`; SQLAlchemy's `recycle` and this do so only
when somebody asks for the connection. So a quiet pool keeps its sessions at the database, and of a connection that a firewall has
forgotten by then, the session stays: it hears nothing of the close, and counts against the database's limit.

A connection in steady use never rests, and is never replaced by this limit; by its age it is.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError

from flight_search.stability.bounded_ping import PingTimeout, ping

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

    from flight_search.settings import ServerSettings

RESTS_SINCE_S = "rests_since_s"  # the key in the pool's `info` of a connection, which is empty of one that was just opened


class RestedTooLong(DisconnectionError):  # noqa: N818 - named for what happened
    """A connection rested in the pool for longer than its limit; it need not be dead."""


class BeforeCheckout:
    """Replaces connections of a pool before they are handed out; `rested_total` and `pings_timed_out_total` count them. Thread-safe.

    Only the connection that rested too long, or did not answer in time, is replaced: one slow answer says little about the others. One
    that is dead makes the pool replace all those that were opened before, as SQLAlchemy's own pre-ping does.
    """

    def __init__(self, settings: ServerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_idle_s = settings.pool_max_idle_s
        self._pings, self._ping_timeout_s = settings.pool_pre_ping, settings.pool_pre_ping_timeout_s
        self._clock = clock
        # Each is counted by the thread that holds the connection; a count lost between two of them would be one of a monitoring figure.
        self.rested_total = self.pings_timed_out_total = 0

    @classmethod
    def of(cls, settings: ServerSettings) -> BeforeCheckout | None:
        """Return what the settings turn on; None if SQLAlchemy's own pool does all that is asked for."""
        limits = (settings.pool_max_idle_s, settings.pool_pre_ping_timeout_s if settings.pool_pre_ping else None)
        return None if limits == (None, None) else cls(settings)

    def listen(self, pool: QueuePool) -> None:
        """Be asked by a pool at every checkin and checkout."""
        event.listen(pool, "checkin", self._on_checkin)
        event.listen(pool, "checkout", self._on_checkout)

    def _on_checkin(self, _: object, entry: ConnectionPoolEntry) -> None:
        entry.info[RESTS_SINCE_S] = self._clock()

    def _on_checkout(self, driver: Any, entry: ConnectionPoolEntry, _: object) -> None:
        """Raise what makes the pool replace the connection; called by SQLAlchemy, which then asks about the new one."""
        since_s = entry.info.get(RESTS_SINCE_S)
        if since_s is None:
            return
        rested_s = self._clock() - since_s
        if self._max_idle_s is not None and rested_s > self._max_idle_s:
            self.rested_total += 1
            raise RestedTooLong(f"rested for {rested_s:.2f} s, of {self._max_idle_s:.2f} s")
        if not self._pings:
            return
        try:
            ping(driver, self._ping_timeout_s)
        except PingTimeout as error:
            self.pings_timed_out_total += 1
            raise DisconnectionError(f"no answer to the ping within {self._ping_timeout_s:.2f} s") from error
        except psycopg.OperationalError as error:
            raise InvalidatePoolError(str(error)) from error
