"""Faults planted on purpose, so that it can be seen whether a long run finds them (S7). Off unless a setting turns them on."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.settings import ServerSettings

KIB = 1024


class SeededLeaks:
    """Two slow leaks, as they are found in services that run for months.

    `leak_connection_every`: each so many lookups one takes a connection out of the pool and forgets it, as an early return before the
    `close` would. `leak_memory_kib`: each lookup leaves so much behind, as a cache without a bound does.
    """

    def __init__(self, settings: ServerSettings, source: MonitoredDataSource) -> None:
        self._source = source
        self._every = settings.leak_connection_every
        self._kib = settings.leak_memory_kib
        self._lookups = itertools.count(1)
        self._kept: list[bytes] = []

    def after_lookup(self) -> None:
        """Leak what is to be leaked; raises psycopg.Error, PoolTimeout."""
        number = next(self._lookups)
        if self._every is not None and number % self._every == 0:
            self._source.get_connection()  # and nobody gives it back: the data source's own table holds it
        if self._kib:
            self._kept.append(b"\x01" * (self._kib * KIB))  # not zeros: those the system would give without memory behind them
