from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from testbed.facility.address import Address
from testbed.journal.events import BreakerSample, Counts, LogLines, PoolSample
from testbed.observe import monitoring as monitoring_module
from testbed.observe.monitoring import HttpMonitoring, parse_metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

METRICS = """\
# HELP request_threads Request threads that the service has
# TYPE request_threads gauge
request_threads 40.0
# TYPE request_threads_busy gauge
request_threads_busy 3.0
# TYPE requests_waiting_for_thread gauge
requests_waiting_for_thread 2.0
# TYPE pool_connections gauge
pool_connections{state="in"} 36.0
pool_connections{state="out"} 4.0
pool_connections{state="leaked"} 1.0
# TYPE pool_size gauge
pool_size 40.0
# TYPE pool_waiting gauge
pool_waiting 0.0
# TYPE requests_total counter
requests_total{operation="lookup_by_city",result="answered"} 5.0
requests_total{operation="lookup_by_city",result="refused"} 2.0
requests_total{operation="lookup_by_city",result="failed"} 1.0
requests_total{operation="check_in",result="internal_error"} 2.0
# TYPE internal_errors_total counter
internal_errors_total 4.0
# TYPE log_lines_total counter
log_lines_total{level="error",result="written"} 3.0
log_lines_total{level="error",result="lost"} 2.0
log_lines_total{level="mark",result="lost"} 1.0
# TYPE anything_else gauge
anything_else 1e400
"""


def test_every_number_of_a_sample_is_read_from_the_metrics() -> None:
    """A refusal is an answer; metrics that nobody asked for are passed over, whatever they say."""
    sample = parse_metrics("cf-1", METRICS, (1.5, 82_800.0), health=True, health_s=0.001)
    assert (sample.t_s, sample.night_s, sample.service, sample.health) == (1.5, 82_800.0, "cf-1", True)
    assert (sample.request_threads, sample.busy, sample.waiting) == (40, 3, 2)
    assert sample.pool == PoolSample(size=40, in_=36, out=4, waiting=0, leaked=1)
    assert sample.results == {"check_in": Counts(answered=0, failed=2), "lookup_by_city": Counts(answered=7, failed=1)}
    assert sample.internal_errors == 4
    assert sample.log == LogLines(written=3, lost=2)


def test_a_caller_has_transactions_and_no_pool_or_log() -> None:
    """What a caller counts is read the same way."""
    text = 'request_threads 40\nrequest_threads_busy 0\ntransactions_total{transaction="search",result="failed"} 2\n'
    sample = parse_metrics("partner", text, (0.0, 0.0), health=True, health_s=0.0)
    assert (sample.pool, sample.log, sample.results) == (None, None, {"search": Counts(answered=0, failed=2)})
    assert sample.breaker is None
    assert sample.internal_errors is None  # nobody counts them there, and that is not 0


BREAKER_LINES = (
    'circuit_breaker_state{state="closed"} 0.0\n',
    'circuit_breaker_state{state="half_open"} 1.0\n',
    "circuit_breaker_opened_total 2.0\n",
    'circuit_breaker_calls_total{result="let_through"} 7.0\n',
    'circuit_breaker_calls_total{result="refused"} 3.0\n',
)


def test_a_callers_circuit_breaker_is_read_from_the_metrics() -> None:
    """Its state is the one whose metric is 1."""
    sample = parse_metrics("partner", METRICS + "".join(BREAKER_LINES), (0.0, 0.0), health=True, health_s=0.0)
    assert sample.breaker == BreakerSample("half_open", opened=2, let_through=7, refused=3)


@pytest.mark.parametrize("missing", BREAKER_LINES[1:])
def test_a_circuit_breaker_that_lacks_a_number_is_not_known(missing: str) -> None:
    """What was not told is not taken for zero."""
    text = METRICS + "".join(line for line in BREAKER_LINES if line != missing)
    assert parse_metrics("partner", text, (0.0, 0.0), health=True, health_s=0.0).breaker is None


@pytest.mark.parametrize("text", ["", "Internal Server Error", "request_threads_busy NaN\n", "request_threads_busy +Inf\n", "<html>\n"])
def test_what_is_no_metrics_gives_a_sample_without_numbers(text: str) -> None:
    """It is not an error of the replay."""
    sample = parse_metrics("cf-1", text, (0.0, 0.0), health=True, health_s=0.0)
    assert (sample.request_threads, sample.busy, sample.waiting, sample.pool, sample.results) == (None, None, None, None, {})


class Monitored:
    """A service whose monitoring answers as it is told."""

    def __init__(self) -> None:
        self.health = 200
        self.metrics = 200
        self.text = METRICS
        self.answers = asyncio.Event()
        self.answers.set()

    async def answer_health(self, _: web.Request) -> web.Response:
        """Answer, when it may."""
        await self.answers.wait()
        return web.Response(status=self.health)

    async def answer_metrics(self, _: web.Request) -> web.Response:
        """Answer with what there is."""
        return web.Response(status=self.metrics, text=self.text)


@pytest.fixture
async def monitored() -> AsyncIterator[tuple[Monitored, Address]]:
    """Run the service; yield it and its address."""
    service = Monitored()
    app = web.Application()
    app.router.add_get("/health", service.answer_health)
    app.router.add_get("/metrics", service.answer_metrics)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield service, Address("127.0.0.1", runner.addresses[0][1])
    service.answers.set()
    await runner.cleanup()


def now() -> tuple[float, float]:
    """Return a time on both clocks."""
    return 3.0, 90_000.0


@pytest.mark.parametrize(
    ("health", "metrics", "green", "busy"), [(200, 200, True, 3), (503, 200, False, 3), (200, 500, True, None), (500, 404, False, None)]
)
async def test_health_and_metrics_are_looked_at_each_by_itself(
    monitored: tuple[Monitored, Address], health: int, metrics: int, *, green: bool, busy: int | None
) -> None:
    """A red health check with numbers, and a green one without, are what they are."""
    service, address = monitored
    service.health, service.metrics = health, metrics
    async with HttpMonitoring() as monitoring:
        sample = await monitoring.read("cf-1", address, now)
        assert await monitoring.health("cf-1", address) == str(health)
    assert (sample.health, sample.busy, sample.t_s, sample.night_s) == (green, busy, 3.0, 90_000.0)


async def test_a_service_that_answers_too_late_counts_as_one_that_does_not(
    monitored: tuple[Monitored, Address], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Monitoring has a time-out of its own; who waits for a service to be ready has not."""
    service, address = monitored
    service.answers.clear()
    monkeypatch.setattr(monitoring_module, "WITHIN_S", 0.05)
    async with HttpMonitoring() as monitoring:
        sample = await monitoring.read("cf-1", address, now)
        assert (sample.health, sample.busy) == (False, None)
        assert sample.health_s >= 0.05
        asked = asyncio.create_task(monitoring.health("cf-1", address))
        service.answers.set()
        assert await asked == "200"


async def test_a_health_check_that_hangs_does_not_hide_the_numbers(
    monitored: tuple[Monitored, Address], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that needs a request thread is red when there is none, and the metrics say why."""
    service, address = monitored
    service.answers.clear()
    monkeypatch.setattr(monitoring_module, "ALONE_S", 0.01)
    async with HttpMonitoring() as monitoring:
        sample = await monitoring.read("cf-1", address, now)
    assert (sample.health, sample.busy, sample.error) == (False, 3, "no answer within 2 s")
    assert sample.health_s >= monitoring_module.WITHIN_S


async def test_a_service_that_is_not_there_gives_a_sample_without_numbers() -> None:
    """Nobody listens: that by itself is no error of the replay, and the reason is told to who waits."""
    nobody = Address("127.0.0.1", 1)
    async with HttpMonitoring() as monitoring:
        sample = await monitoring.read("cf-1", nobody, now)
        assert (sample.health, sample.busy, sample.results) == (False, None, {})
        assert "127.0.0.1:1" in await monitoring.health("cf-1", nobody)
