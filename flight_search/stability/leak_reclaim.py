"""A connection that is out of the pool for too long is taken back. SQLAlchemy has no such thing; DBCP calls it `removeAbandoned`.

The connection is closed, and its place in the pool is for whoever waits. Who still used it gets an error at the next
word to the database, or at once when waiting for one. So the limit has to be longer than any request that is well.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from flight_search.datasource import MonitoredDataSource

LOOKS = 10  # in the time that a connection may be out
LOOK_AT_LEAST_EVERY_S = 1.0


class LeakReclaim:
    """Looks after the connections of a data source from a thread of its own, and counts those that it took back."""

    def __init__(self, source: MonitoredDataSource, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._limit_s = limit_s
        self._clock = clock
        self.reclaimed_total = 0

    def start(self) -> None:
        """Begin to look; ends with the process."""
        threading.Thread(target=self._look_after, name="leak-reclaim", daemon=True).start()

    def _look_after(self) -> None:
        while True:
            time.sleep(min(self._limit_s / LOOKS, LOOK_AT_LEAST_EVERY_S))
            self.look()

    def look(self) -> None:
        """Take back what has been out for too long."""
        for connection in self._source.out():
            out_s = self._clock() - connection.since_s
            if out_s > self._limit_s and self._source.reclaim(connection):
                self.reclaimed_total += 1
                whose = "is still running" if connection.request.running else "has ended"
                sys.stderr.write(
                    f"{self._source.name}: connection {connection.number} taken back after {out_s:.2f} s of at most {self._limit_s:.2f} s; "
                    f"its request, in {connection.request.thread}, {whose}\n"
                )
