"""Samples of a service's monitoring: its health check and its metrics, read over HTTP as any monitoring would (C6, O8)."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from testbed.events import Counts, PoolSample, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.runtime import Address

WITHIN_S = 2.0  # a monitoring's own time-out: an answer later than this counts as none


async def read(session: aiohttp.ClientSession, service: str, address: Address, now: Callable[[], tuple[float, float]]) -> Sample:
    """Look at a service once; `now` gives the time on both clocks. One that does not answer gives a sample without numbers."""
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
        t_s, night_s = now()
        return Sample(t_s=t_s, night_s=night_s, service=service, health=health, health_s=time.monotonic() - started)
    return parse(service, text, now(), health=health, health_s=health_s)


def parse(service: str, text: str, at: tuple[float, float], *, health: bool, health_s: float) -> Sample:
    """Read the metrics of a service in Prometheus' text format; `at` is the time on both clocks."""
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
    return Sample(
        t_s=at[0],
        night_s=at[1],
        service=service,
        health=health,
        health_s=health_s,
        request_threads=gauges.get("request_threads"),
        busy=gauges.get("request_threads_busy"),
        waiting=gauges.get("requests_waiting_for_thread"),
        pool=_pool(gauges, pool) if pool else None,
        results={name: Counts(**counts) for name, counts in sorted(results.items())},
    )


def _pool(gauges: dict[str, int], pool: dict[str, int]) -> PoolSample:
    return PoolSample(
        size=gauges.get("pool_size", 0),
        in_=pool.get("in", 0),
        out=pool.get("out", 0),
        waiting=gauges.get("pool_waiting", 0),
        leaked=pool.get("leaked", 0),
    )
