"""Leaks seeded on purpose, to test whether a long run finds them (S7). Off unless a setting turns them on."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.settings import ServerSettings

KIB = 1024


class SeededLeaks:
    """Two slow leaks of the kind found in services that run for months.

    `leak_connection_every`: every n-th lookup takes a connection out of the pool and never returns it, like an early return before
    `close`. `leak_memory_kib`: every lookup leaves this much memory behind, like a cache without a bound.
    """

    def __init__(self, settings: ServerSettings, source: MonitoredDataSource) -> None:
        self._source = source
        self._every = settings.leak_connection_every
        self._kib = settings.leak_memory_kib
        self._lookups = itertools.count(1)
        self._leaked_memory: list[bytes] = []

    def after_lookup(self) -> None:
        """Leak what the settings say for one lookup; raises psycopg.Error, PoolTimeout."""
        number = next(self._lookups)
        if self._every is not None and number % self._every == 0:
            self._source.get_connection()  # never returned: the data source's table of connections out holds it
        if self._kib:
            self._leaked_memory.append(b"\x01" * (self._kib * KIB))  # not zeros: the system could map those without using memory
