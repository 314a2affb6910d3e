"""The application server: flight search, status, bookings and check-ins over HTTP, from request threads; monitoring from the event loop."""

from __future__ import annotations

import time
from datetime import date as Date  # noqa: N812 - a parameter of the service is called `date`
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec
from uuid import UUID

import psycopg
from fastapi import FastAPI, Header, Query
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError

from flight_search import http_service, lookup, request_context, transactions
from flight_search.airports import airports_by_place
from flight_search.datasource import PoolTimeout
from flight_search.log import Log
from flight_search.seeded_leaks import SeededLeaks
from flight_search.sessions import Sessions
from flight_search.stability.admission import Admission
from flight_search.stability.patterns import Patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prometheus_client.core import Metric

    from flight_search.datasource import MonitoredDataSource
    from flight_search.settings import ServerSettings

Given = ParamSpec("Given")
Place = Annotated[str, Query(min_length=2, max_length=60)]
Carrier = Annotated[str, Field(pattern=r"^[A-Z0-9]{2}$")]
FlightNumber = Annotated[int, Field(ge=1, le=9999)]
IdempotencyKey = Annotated[UUID | None, Header(alias="Idempotency-Key")]
COLUMNS = (
    *("date", "carrier", "airline", "flight", "origin", "destination"),
    *("scheduled_departure", "scheduled_arrival", "distance_miles", "seats"),
)


class PassengerOnFlight(BaseModel):
    """A passenger and a flight: the body of a booking and of a check-in."""

    passenger: Annotated[str, Field(min_length=1, max_length=60)]
    date: Date
    carrier: Carrier
    flight: FlightNumber


class PoolMetrics:
    """A collector of the pool's state."""

    def __init__(self, source: MonitoredDataSource) -> None:
        self._source = source

    def collect(self) -> Iterable[Metric]:
        """Give the metrics; called by prometheus-client."""
        state = self._source.state()
        connections = GaugeMetricFamily("pool_connections", "Connections by where they are", labels=["state"])
        for where, count in (("in", state.in_pool), ("out", state.out), ("leaked", state.leaked)):
            connections.add_metric([where], count)
        yield connections
        yield GaugeMetricFamily("pool_size", "Connections that the pool may hold", state.size)
        yield GaugeMetricFamily("pool_waiting", "Threads that wait for a connection", state.waiting)
        yield GaugeMetricFamily("pool_opened", "Connections opened since the start", state.opened_total)
        yield GaugeMetricFamily("pool_invalidated", "Connections thrown away because they were dead", state.invalidated_total)


def create_app(settings: ServerSettings, pool: MonitoredDataSource) -> FastAPI:  # noqa: C901 - endpoints, one after the other
    """Make the application over a pool, which the caller has filled."""
    lookup_by_city = lookup.by_word(settings.lookup)
    places = airports_by_place()
    registry = CollectorRegistry()
    registry.register(PoolMetrics(pool))
    counter = http_service.results(registry, "requests", "operation")
    log = Log(settings.log_file, registry)
    threads = http_service.RequestThreads(settings.request_threads)
    patterns = Patterns.start(settings, pool, threads)
    registry.register(patterns)
    sessions = Sessions.start(settings, pool)
    leaks = SeededLeaks(settings, pool)
    app = http_service.create(settings.name, threads, registry, patterns.trouble, patterns.beside)
    for gate in patterns.gates:
        app.add_middleware(Admission, gate=gate)

    def operation(name: str) -> Callable[[Callable[Given, JSONResponse]], Callable[Given, JSONResponse]]:
        """Make an endpoint of a function: mark its thread, turn database errors into 503, count how it ended, log what failed."""

        def endpoint(function: Callable[Given, JSONResponse]) -> Callable[Given, JSONResponse]:
            @wraps(function)
            def answer(*args: Given.args, **kwargs: Given.kwargs) -> JSONResponse:
                with request_context.request():
                    try:
                        response = function(*args, **kwargs)
                    except (psycopg.Error, DBAPIError, PoolTimeout) as error:
                        told = f"{type(error).__name__}: {str(error).strip()}"
                        counter.labels(name, "failed").inc()  # before anything is written: the count must not hang on the log (W7)
                        log.write("error", f"{name}: {told}")
                        return JSONResponse({"detail": told}, status_code=503)
                counter.labels(name, "answered" if response.status_code < 400 else "refused").inc()  # noqa: PLR2004 - HTTP's first error
                return response

            return answer

        return endpoint

    @app.get("/flights")
    @operation("lookup_by_city")
    def flights(from_: Annotated[str, Query(alias="from", min_length=2, max_length=60)], to: Place, date: Date) -> JSONResponse:
        for field, place in (("from", from_), ("to", to)):
            if place.lower() not in places:
                return http_service.refusal(field, place, "no such place", "an airport's code, a city, or a city's code: EWR, Boston, NYC")
        rows = lookup_by_city(pool, places[from_.lower()], places[to.lower()], date.isoformat())
        sessions.write(f"{from_} to {to} on {date.isoformat()}")
        leaks.after_lookup()
        return JSONResponse({"flights": [dict(zip(COLUMNS, row, strict=True)) for row in rows]})

    @app.get("/flights/{date}/{carrier}/{flight}")
    @operation("flight_status")
    def status(date: Date, carrier: Carrier, flight: FlightNumber) -> JSONResponse:
        row = transactions.flight_status(pool, {"date": date, "carrier": carrier, "flight": flight})
        if row is None:
            return _no_flight(date, carrier, flight)
        origin, destination, departure, arrival, booked, checked_in = row
        return JSONResponse(
            {
                "date": date.isoformat(),
                "carrier": carrier,
                "flight": flight,
                "origin": origin,
                "destination": destination,
                "scheduled_departure": departure,
                "scheduled_arrival": arrival,
                "booked": booked,
                "checked_in": checked_in,
                "status": "scheduled",
            }
        )

    @app.post("/bookings")
    @operation("book")
    def bookings(booking: PassengerOnFlight, key: IdempotencyKey = None) -> JSONResponse:
        reference = transactions.book(pool, {**booking.model_dump(), "key": key})
        return _created("reference", reference) or _no_flight(booking.date, booking.carrier, booking.flight)

    @app.post("/check-ins")
    @operation("check_in")
    def check_ins(passenger: PassengerOnFlight) -> JSONResponse:
        sequence = transactions.check_in(pool, passenger.model_dump())
        return _created("sequence", sequence) or _no_flight(passenger.date, passenger.carrier, passenger.flight)

    @app.get("/admin/pool")
    async def admin_pool() -> JSONResponse:
        return JSONResponse({**_pool(settings, pool), **patterns.told()})

    @app.post("/admin/log")
    async def admin_log() -> JSONResponse:
        return JSONResponse({"lost": log.write("mark", "asked whether a line is written")})

    return app


def _created(field: str, value: int | None) -> JSONResponse | None:
    return None if value is None else JSONResponse({field: value}, status_code=201)


def _no_flight(date: Date, carrier: str, flight: int) -> JSONResponse:
    return http_service.refusal("flight", f"{carrier} {flight} on {date}", "no such flight", "a flight of 2013-10-07 to 2013-10-13")


def _pool(settings: ServerSettings, pool: MonitoredDataSource) -> dict[str, Any]:
    state = pool.state()
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
        "connections_out": [
            {
                "connection": connection.number,
                "thread": connection.request.thread,
                "out_s": round(time.monotonic() - connection.since_s, 3),
                "request_running": connection.request.running,
            }
            for connection in pool.out()
        ],
    }
