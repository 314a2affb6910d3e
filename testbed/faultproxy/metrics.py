"""The traffic of the proxies as metrics in Prometheus' text format, with Toxiproxy's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from testbed.faultproxy.proxy import Proxy

CONTENT_TYPE = CONTENT_TYPE_LATEST
LABELS = ("direction", "proxy", "listener", "upstream")


class TrafficCollector:
    """Collects the bytes that each proxy has received and sent in each direction since it was made."""

    def __init__(self, proxies: Callable[[], Iterable[Proxy]]) -> None:
        self._proxies = proxies

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Yield the metrics; called by prometheus-client."""
        received = CounterMetricFamily("toxiproxy_proxy_received_bytes", "Bytes that a proxy received, by direction", labels=LABELS)
        sent = CounterMetricFamily("toxiproxy_proxy_sent_bytes", "Bytes that a proxy sent on, by direction", labels=LABELS)
        for proxy in self._proxies():
            for direction, traffic in proxy.traffic.items():
                labels = (direction, proxy.name, proxy.listen, proxy.upstream)
                received.add_metric(labels, traffic.received_bytes)
                sent.add_metric(labels, traffic.sent_bytes)
        yield received
        yield sent


def text(proxies: Callable[[], Iterable[Proxy]]) -> bytes:
    """Return the metrics of these proxies as text."""
    registry = CollectorRegistry()
    registry.register(TrafficCollector(proxies))
    return generate_latest(registry)
