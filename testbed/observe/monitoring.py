"""Samples a service over HTTP: its health check and its metrics, as any monitoring would read them (C6, O8)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Self, get_args

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from testbed.journal.events import REFUSED, BreakerSample, BreakerState, Counts, LogLines, PoolSample, Sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from testbed.facility.address import Address

BREAKER = "circuit_breaker_"
BREAKER_STATES: tuple[BreakerState, ...] = get_args(BreakerState)
PLAIN = ("request_threads", "request_threads_busy", "requests_waiting_for_thread", "pool_size", "pool_waiting", "internal_errors_total")
FAILED = ("failed", "internal_error")
ALONE_S = 0.5  # a health check that hangs for longer is not waited for with the metrics
WITHIN_S = 2.0  # the monitoring's own time-out: a later answer counts as none


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an address answered, and when by the event loop's clock; or what went wrong."""

    at_s: float
    status: int = 0
    text: str = ""
    error: str = ""


class HttpMonitoring:
    """Samples services over HTTP; an async context manager, because it keeps its connections open."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._session.close()

    async def read(self, service: str, address: Address, now: Callable[[], tuple[float, float]]) -> Sample:
        """Read the health check, then the metrics; return a sample without numbers where the metrics are not read in time.

        The metrics are not kept waiting by a health check that hangs, as one in a request thread does: after ALONE_S both are asked.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        asking = loop.create_task(self._ask(f"{address.url}/health", WITHIN_S))
        try:
            await asyncio.wait({asking}, timeout=ALONE_S)
            text, error = "", ""
            if not asking.done() or not asking.result().error:
                metrics = await self._ask(f"{address.url}/metrics", WITHIN_S if asking.done() else WITHIN_S - ALONE_S)
                text, error = metrics.text, metrics.error
                if not error and metrics.status != HTTPStatus.OK:
                    text, error = "", f"the metrics answer {metrics.status}"
            health = await asking
        finally:
            asking.cancel()
        error = error or health.error
        return parse_metrics(service, text, now(), health=health.status == HTTPStatus.OK, health_s=health.at_s - started, error=error)

    async def _ask(self, url: str, within_s: float) -> _Answer:
        """Ask an address; what goes wrong is in the answer."""
        loop, text = asyncio.get_running_loop(), ""
        try:
            async with self._session.get(url, timeout=aiohttp.ClientTimeout(total=within_s)) as answer:
                text = await answer.text(errors="replace")
            return _Answer(loop.time(), answer.status, text)
        except (TimeoutError, aiohttp.ClientError) as failure:
            return _Answer(loop.time(), error=error_text(failure, WITHIN_S))

    async def health(self, service: str, address: Address) -> str:  # noqa: ARG002 - the protocol's signature
        """Return the HTTP status of the health check, or the error in words; unbounded, because the caller has a bound."""
        try:
            async with self._session.get(f"{address.url}/health", timeout=aiohttp.ClientTimeout(total=None)) as answer:
                return str(answer.status)
        except aiohttp.ClientError as error:
            return str(error)


def error_text(error: TimeoutError | aiohttp.ClientError, within_s: float) -> str:
    """Return why a request that was allowed `within_s` seconds had no answer."""
    if isinstance(error, TimeoutError):
        return f"no answer within {within_s:.0f} s"
    if isinstance(error, aiohttp.ClientConnectorError):
        return REFUSED if isinstance(error.os_error, ConnectionRefusedError) else str(error)
    return str(error) or type(error).__name__


def parse_metrics(service: str, text: str, at: tuple[float, float], *, health: bool, health_s: float, error: str = "") -> Sample:
    """Parse the metrics of a service in Prometheus' text format into a sample; `at` is the time on both clocks.

    A text that is empty or not in the format gives a sample without numbers, with `error` or what is wrong with the text as the reason.
    """
    plain: dict[str, int] = {}  # without a label
    pool: dict[str, int] = {}
    log: dict[str, int] = {}
    breaker: dict[str, int] = {}
    results: defaultdict[str, dict[str, int]] = defaultdict(lambda: {"answered": 0, "failed": 0})
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "pool_connections":
                    pool[sample.labels["state"]] = int(sample.value)
                elif sample.name in ("requests_total", "transactions_total"):
                    name = sample.labels.get("operation") or sample.labels["transaction"]
                    kind = "failed" if sample.labels["result"] in FAILED else "answered"
                    results[name][kind] += int(sample.value)
                elif sample.name == "log_lines_total" and sample.labels["level"] == "error":
                    log[sample.labels["result"]] = int(sample.value)
                elif sample.name.startswith(BREAKER):
                    breaker[" ".join([sample.name.removeprefix(BREAKER), *sample.labels.values()])] = int(sample.value)
                elif sample.name in PLAIN:
                    plain[sample.name] = int(sample.value)
    except (ValueError, KeyError, OverflowError):
        plain, pool, log, breaker = {}, {}, {}, {}
        results.clear()
    if "request_threads_busy" not in plain:
        error = error or "the metrics have no request_threads_busy"
    return Sample(
        t_s=at[0],
        night_s=at[1],
        service=service,
        health=health,
        health_s=health_s,
        request_threads=plain.get("request_threads"),
        busy=plain.get("request_threads_busy"),
        waiting=plain.get("requests_waiting_for_thread"),
        pool=_pool(plain, pool) if pool else None,
        results={name: Counts(**counts) for name, counts in sorted(results.items())},
        internal_errors=plain.get("internal_errors_total"),
        log=LogLines(log.get("written", 0), log.get("lost", 0)) if log else None,
        breaker=_breaker(breaker),
        error=error,
    )


def _pool(gauges: dict[str, int], pool: dict[str, int]) -> PoolSample:
    return PoolSample(
        size=gauges.get("pool_size", 0),
        in_=pool.get("in", 0),
        out=pool.get("out", 0),
        waiting=gauges.get("pool_waiting", 0),
        leaked=pool.get("leaked", 0),
    )


def _breaker(metrics: dict[str, int]) -> BreakerSample | None:
    """Return what the metrics tell of a circuit breaker, by name and label; None if one of its numbers, or its state, is missing."""
    try:
        opened, let_through, refused = (metrics[name] for name in ("opened_total", "calls_total let_through", "calls_total refused"))
    except KeyError:
        return None
    for state in BREAKER_STATES:
        if metrics.get(f"state {state}") == 1:
            return BreakerSample(state, opened, let_through, refused)
    return None
