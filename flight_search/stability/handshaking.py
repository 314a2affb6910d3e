"""Handshaking: the health check tells the balancer whether a call would be served now, so that it can route calls elsewhere (Nygard).

Without it, `/health` says only that the process is alive, which it is: monitoring does not need a request thread (C6, O8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.stability.stuck import StuckDetector

STUCK_S = 0.5  # a server stuck for longer than this is not just under load


@dataclass(frozen=True, slots=True)
class Handshaking:
    """Checks the pool and the request threads."""

    source: MonitoredDataSource
    detector: StuckDetector

    def not_ready(self) -> str | None:
        """Return why a call would not be served; None if it would."""
        stuck_s = self.detector.sample()
        if stuck_s > STUCK_S:
            return f"all {self.detector.limit} request threads busy, and no request ended for {stuck_s:.1f} s"
        capacity, leaked = self.source.capacity, self.source.state().leaked
        if capacity is not None and leaked >= capacity:
            return f"all {leaked} connections of the pool are leaked"
        return None
