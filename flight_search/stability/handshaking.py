"""The health check tells the balancer whether a call would be served now, so that it can send calls elsewhere (Nygard: Handshaking).

Without it, `/health` says that the process is alive, which it is: monitoring answers from elsewhere than calls (C6, O8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flight_search.datasource import MonitoredDataSource
    from flight_search.stability.stuck import StuckDetector

STANDS_S = 0.5  # full request threads and nothing that ends for so long is no load any more


@dataclass(frozen=True, slots=True)
class Handshaking:
    """Knows the pool and the request threads."""

    source: MonitoredDataSource
    detector: StuckDetector

    def trouble(self) -> str | None:
        """Tell why a call would not be served; None when it would."""
        stands_s = self.detector.look()
        if stands_s > STANDS_S:
            return f"all {self.detector.limit} request threads at work, and no request ended for {stands_s:.1f} s"
        capacity, leaked = self.source.capacity, self.source.state().leaked
        if capacity is not None and leaked >= capacity:
            return f"all {leaked} connections of the pool are leaked"
        return None
