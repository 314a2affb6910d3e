"""Retry budget: all retries of a caller's process together are no more than a share of its calls, as in Finagle and Envoy.

A number of retries for each call multiplies the load just when the facility is in trouble: three retries make four calls of each. With a
budget of a tenth, all of them together make eleven of ten, whatever fails.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.core import Metric

MOST_SAVED = 10.0  # retries: what a calm day saves up must not become a storm


class RetryBudget:
    """Each call earns `share` of a retry, of which at most MOST_SAVED are saved. Thread-safe. A Prometheus collector.

    It begins with nothing, so that retries are never more than `share` of the calls made so far. Finagle grants some retries a second
    beside that, for a client which makes few calls, and Envoy some at once; here such a client has few.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._lock = threading.Lock()
        self._saved = 0.0
        self._made = self._denied = 0

    def earn(self) -> None:
        """Count a call; its retries are none."""
        with self._lock:
            self._saved = min(MOST_SAVED, self._saved + self._share)

    def spend(self) -> bool:
        """Take a retry out of the budget; return whether there was one, and count it either way."""
        with self._lock:
            # Ten tenths are a little less than one in binary.
            if self._saved < 1.0 - 1e-9:
                self._denied += 1
                return False
            self._saved = max(0.0, self._saved - 1.0)
            self._made += 1
            return True

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics; called by prometheus-client."""
        with self._lock:
            saved, made, denied = self._saved, self._made, self._denied
        retries = CounterMetricFamily("retries", "Retries that calls asked for, by whether the budget had one", labels=["result"])
        retries.add_metric(["made"], made)
        retries.add_metric(["denied"], denied)
        yield retries
        yield GaugeMetricFamily("retry_budget", "Retries that the budget has left", saved)
