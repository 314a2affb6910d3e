"""A request is refused before any work when no connection can be had now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.datasource import NoConnection

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource


def check(source: MonitoredDataSource) -> None:
    """Raise NoConnection when every connection is out. One that is given back in this moment is for the next request."""
    state = source.state()
    if source.is_exhausted(state):
        raise NoConnection(
            f"pool '{source.name}' has no connection: {state.out} of {state.size} out, {state.leaked} of them leaked; "
            "refused before any work"
        )
