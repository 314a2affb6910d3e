"""A connection that is out of the pool for too long is taken back. SQLAlchemy has no such thing; DBCP calls it `removeAbandoned`.

Of a request that has ended, nobody is left to use the connection: it is closed, and its place given back. Of one that
still runs, the connection's socket is shut down: whoever waits on it gets an error, and returns the connection or
leaks it, to be reclaimed at the next look. Closing it from here would be dangerous: its descriptor could be another
file's by the time the other thread reads from it.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource, PooledConnection

LOOKS = 10  # in the time that a connection may be out


class LeakReclaim:
    """Looks after the connections of a data source from a thread of its own, and counts those that it took back."""

    def __init__(self, source: MonitoredDataSource, limit_s: float) -> None:
        self._source = source
        self._limit_s = limit_s
        self.reclaimed_total = 0

    def start(self) -> None:
        """Begin to look; ends with the process."""
        threading.Thread(target=self._look_after, name="leak-reclaim", daemon=True).start()

    def _look_after(self) -> None:
        while True:
            time.sleep(self._limit_s / LOOKS)
            self.look()

    def look(self) -> None:
        """Take back what has been out for too long."""
        for connection in self._source.out():
            if time.monotonic() - connection.since_s > self._limit_s:
                self._reclaim(connection)

    def _reclaim(self, connection: PooledConnection) -> None:
        if connection.request.running:
            _shut_down(connection)
            return
        connection.driver.close()
        connection.close()
        self.reclaimed_total += 1


def _shut_down(connection: PooledConnection) -> None:
    with suppress(OSError, AssertionError):  # it was given back or closed in this moment
        number = os.dup(connection.driver.fileno())
        with socket.socket(fileno=number) as copy:
            copy.shutdown(socket.SHUT_RDWR)
