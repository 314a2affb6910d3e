"""Samples of a service's monitoring: its health check and its metrics, read over HTTP as any monitoring would (C6, O8)."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from testbed.events import PoolSample

if TYPE_CHECKING:
    from testbed.runtime import Address

WITHIN_S = 2.0  # a monitoring's own time-out: an answer later than this counts as none


@dataclass(frozen=True, slots=True)
class Counts:
    """How operations or transactions of one name ended so far."""

    answered: int
    failed: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at a service's monitoring gave; numbers are None where it did not answer.

    `health_s`: how long the health check took, in seconds. `busy` and `waiting`: request threads at work, and requests that wait for
    one. `results`: operations (or transactions) that ended, by name, since the service started.
    """

    service: str
    health: bool
    health_s: float
    request_threads: int | None = None
    busy: int | None = None
    waiting: int | None = None
    pool: PoolSample | None = None
    results: tuple[tuple[str, Counts], ...] = ()

    @property
    def is_full(self) -> bool:
        """Whether every request thread is at work."""
        return self.busy is not None and self.request_threads is not None and self.busy >= self.request_threads


async def read(session: aiohttp.ClientSession, service: str, address: Address) -> Reading:
    """Look at a service once; a service that does not answer gives a reading with `health` false."""
    started = time.monotonic()
    health, text = False, ""
    try:
        timeout = aiohttp.ClientTimeout(total=WITHIN_S)
        async with session.get(f"{address.url}/health", timeout=timeout) as answer:
            health = answer.status == 200  # noqa: PLR2004 - HTTP's OK
        health_s = time.monotonic() - started
        async with session.get(f"{address.url}/metrics", timeout=timeout) as answer:
            text = await answer.text()
    except (aiohttp.ClientError, TimeoutError):
        return Reading(service, health, time.monotonic() - started)
    return parse(service, text, health=health, health_s=health_s)


def parse(service: str, text: str, *, health: bool, health_s: float) -> Reading:
    """Read the metrics of a service in Prometheus' text format."""
    gauges: dict[str, int] = {}
    pool: dict[str, int] = {}
    results: defaultdict[str, dict[str, int]] = defaultdict(lambda: {"answered": 0, "failed": 0})
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "pool_connections":
                pool[sample.labels["state"]] = int(sample.value)
            elif sample.name in ("requests_total", "transactions_total"):
                name = sample.labels.get("operation") or sample.labels["transaction"]
                kind = "failed" if sample.labels["result"] == "failed" else "answered"
                results[name][kind] += int(sample.value)
            elif not sample.labels:
                gauges[sample.name] = int(sample.value)
    return Reading(
        service,
        health,
        health_s,
        request_threads=gauges.get("request_threads"),
        busy=gauges.get("request_threads_busy"),
        waiting=gauges.get("requests_waiting_for_thread"),
        pool=_pool(gauges, pool) if pool else None,
        results=tuple((name, Counts(**counts)) for name, counts in sorted(results.items())),
    )


def _pool(gauges: dict[str, int], pool: dict[str, int]) -> PoolSample:
    return PoolSample(
        size=gauges.get("pool_size", 0),
        in_=pool.get("in", 0),
        out=pool.get("out", 0),
        waiting=gauges.get("pool_waiting", 0),
        leaked=pool.get("leaked", 0),
    )
