"""Leak reclaim: a connection that has been out of the pool for too long is taken back.

SQLAlchemy cannot do this; Apache DBCP can, and calls it `removeAbandoned`. The connection is closed, and its place in the
pool is free for the next checkout. A request that still used it gets an error at its next statement, or at once if it waits
for one. So the limit must be longer than any healthy request takes.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from flight_search.datasource import MonitoredDataSource

CHECKS_PER_LIMIT = 10
MAX_CHECK_INTERVAL_S = 1.0


class LeakReclaim:
    """Reclaims connections of a data source from a thread of its own, and counts them."""

    def __init__(self, source: MonitoredDataSource, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._limit_s = limit_s
        self._clock = clock
        self.reclaimed_total = 0

    def start(self) -> None:
        """Start the thread; it ends with the process."""
        threading.Thread(target=self._check_for_ever, name="leak-reclaim", daemon=True).start()

    def _check_for_ever(self) -> None:
        while True:
            time.sleep(min(self._limit_s / CHECKS_PER_LIMIT, MAX_CHECK_INTERVAL_S))
            self.check()

    def check(self) -> None:
        """Reclaim every connection that has been out for longer than the limit."""
        for connection in self._source.out():
            out_s = self._clock() - connection.since_s
            if out_s > self._limit_s and self._source.reclaim(connection):
                self.reclaimed_total += 1
                state = "still running" if connection.request.running else "ended"
                sys.stderr.write(
                    f"{self._source.name}: connection {connection.number} reclaimed after {out_s:.2f} s out (limit {self._limit_s:.2f} s); "
                    f"its request, in {connection.request.thread}: {state}\n"
                )
