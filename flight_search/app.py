"""The application server: service calls run in request threads, monitoring answers from the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from flight_search import about, http_service, pool_admin
from flight_search.call_senders import CallSenders, TellSender
from flight_search.endpoints import Endpoints, OperationWrapper
from flight_search.log import Log
from flight_search.stability.admission import Admission
from flight_search.stability.deadline_propagation import ReadDeadline
from flight_search.stability.patterns import Patterns

if TYPE_CHECKING:
    from fastapi import FastAPI

    from flight_search.datasource import MonitoredDataSource
    from flight_search.settings import ServerSettings


def create_app(settings: ServerSettings, pool: MonitoredDataSource) -> FastAPI:
    """Build the application over a pool that the caller has filled."""
    registry = CollectorRegistry()
    registry.register(pool_admin.PoolMetrics(pool))
    log = Log(settings.log_file, registry)
    threads = http_service.RequestThreads(settings.request_threads)
    patterns = Patterns.start(settings, pool, threads)
    registry.register(patterns)
    app = http_service.create(settings.name, threads, registry, patterns.not_ready, patterns.background)
    for gate in patterns.gates:
        app.add_middleware(Admission, gate=gate)
    senders = CallSenders()
    app.add_middleware(TellSender, senders=senders)
    if settings.deadline_propagation:
        app.add_middleware(ReadDeadline)
    Endpoints(settings, pool).add_to(app, OperationWrapper(registry, log))
    pool_admin.add_to(app, settings, pool, patterns, log, senders)
    about.add_to(app, settings.name, settings)
    return app
