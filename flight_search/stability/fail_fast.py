"""Fail fast: a request is refused before any work if no connection can be had now.

Checking the pool when a request arrives is not enough: concurrent requests would all see the last free connection, and all
but one would wait for it for ever. So each admitted request has a connection reserved, and there are as many reservations
as connections that are not leaked. An admitted request never waits in the pool for another's connection; a request that
leaks its connection also uses up its reservation.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from flight_search.stability.admission import CallRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flight_search.datasource import MonitoredDataSource


class FailFast:
    """A gate that admits as many calls at once as the pool has connections for."""

    def __init__(self, source: MonitoredDataSource) -> None:
        self._source = source
        self._reserved = 0
        self.refused_total = 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Admit a call; see `Gate`."""
        capacity, state = self._source.capacity, self._source.state()
        if capacity is not None and self._reserved + state.leaked >= capacity:
            self.refused_total += 1
            raise CallRefused(
                f"pool '{self._source.name}' has no connection to give: of {capacity}, {state.leaked} leaked and "
                f"{self._reserved} reserved for requests under way; refused before any work"
            )
        self._reserved += 1
        try:
            yield
        finally:
            self._reserved -= 1
