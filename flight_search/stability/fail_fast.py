"""A request is refused before any work when no connection can be had now.

A look at the pool alone would not do: those who looked at the same moment would all see the one connection that is
left, and all but one would wait for it for ever. So each request that is let in has a connection promised to it, and
there are as many promises as connections that are not leaked. Who is let in never waits in the pool for another's; a
request that leaks its connection takes its promise with it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from flight_search.stability.admission import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flight_search.datasource import MonitoredDataSource


class FailFast:
    """A gate that lets in as many calls at once as there are connections for."""

    def __init__(self, source: MonitoredDataSource) -> None:
        self._source = source
        self._promised = 0
        self.refused_total = 0

    @contextmanager
    def let_in(self) -> Iterator[None]:
        """Let a call in; see `Gate`."""
        capacity, state = self._source.capacity, self._source.state()
        if capacity is not None and self._promised + state.leaked >= capacity:
            self.refused_total += 1
            raise Refused(
                f"pool '{self._source.name}' has no connection to give: of {capacity}, {state.leaked} leaked and "
                f"{self._promised} for requests under way; refused before any work"
            )
        self._promised += 1
        try:
            yield
        finally:
            self._promised -= 1
