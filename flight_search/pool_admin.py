"""Monitoring of the pool: its metrics, `/admin/pool`, and `/admin/log`, which shows whether the log can be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse
from prometheus_client.core import GaugeMetricFamily

from flight_search import calls, request_context

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi import FastAPI
    from prometheus_client.core import Metric

    from flight_search.call_senders import CallSenders
    from flight_search.datasource import MonitoredDataSource, PooledConnection
    from flight_search.log import Log
    from flight_search.settings import ServerSettings
    from flight_search.stability.patterns import Patterns


class PoolMetrics:
    """A Prometheus collector of the pool's state."""

    def __init__(self, source: MonitoredDataSource) -> None:
        self._source = source

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics; called by prometheus-client."""
        state = self._source.state()
        connections = GaugeMetricFamily("pool_connections", "Connections by where they are", labels=["state"])
        for label, count in (("in", state.in_pool), ("out", state.out), ("leaked", state.leaked)):
            connections.add_metric([label], count)
        yield connections
        yield GaugeMetricFamily("pool_size", "Connections that the pool may hold", state.size)
        yield GaugeMetricFamily("pool_waiting", "Threads that wait for a connection", state.waiting)
        yield GaugeMetricFamily("pool_opened", "Connections opened since the start", state.opened_total)
        yield GaugeMetricFamily("pool_invalidated", "Connections thrown away because they were dead", state.invalidated_total)
        if (looks := self._source.before_checkout) is not None:
            yield GaugeMetricFamily("pool_rested", "Connections replaced because they had rested for too long", looks.rested_total)
            yield GaugeMetricFamily("pool_pings_timed_out", "Connections that did not answer in time", looks.pings_timed_out_total)


def add_to(app: FastAPI, settings: ServerSettings, pool: MonitoredDataSource, patterns: Patterns, log: Log, senders: CallSenders) -> None:
    """Add the endpoints to an application. They are `async`, so they answer from the event loop even if every request thread hangs (C6)."""

    @app.get("/admin/pool")
    async def admin_pool() -> JSONResponse:
        return JSONResponse({**_state(settings, pool), "calls": senders.shown(), **patterns.totals()})

    @app.post("/admin/log")
    async def admin_log() -> JSONResponse:
        return JSONResponse({"lost": log.write("mark", "asked whether a line is written")})


def _state(settings: ServerSettings, pool: MonitoredDataSource) -> dict[str, object]:
    state, out = pool.state(), pool.out()
    return {
        "service": settings.name,
        "size": state.size,
        "max_overflow": settings.pool_max_overflow,
        "checkout_timeout_s": settings.pool_checkout_timeout_s,
        "in_pool": state.in_pool,
        "out": state.out,
        "waiting": state.waiting,
        "leaked": state.leaked,
        "opened_total": state.opened_total,
        "invalidated_total": state.invalidated_total,
        "connects_failed": state.connects_failed,
        "connect_error": state.connect_error,
        "connections_out": [_row(connection) for connection in out],
        "sources": calls.sources(connection.checked_out_at[0] for connection in out if connection.checked_out_at),
    }


def _row(connection: PooledConnection) -> dict[str, object]:
    """Return a connection that is out, with the process of the database server that serves it, and who has it."""
    who = request_context.in_use(connection.request, connection.since_s, connection.checked_out_at)
    return {"connection": connection.number, "backend_pid": connection.backend_pid, **who}
