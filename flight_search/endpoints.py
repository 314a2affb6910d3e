"""The service calls over HTTP: flight search, flight status, bookings and check-ins.

They are `def`, so they run in request threads; a lookup that is `async` runs in the event loop, and has a thread only where it blocks.
"""

from __future__ import annotations

import time
from datetime import date as Date  # noqa: N812 - a parameter of the service is called `date`
from functools import wraps
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeVar
from uuid import UUID

import anyio
import psycopg
from anyio import to_thread
from fastapi import FastAPI, Header, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError

from flight_search import http_service, lookup, request_context, transactions
from flight_search.airports import airports_by_place
from flight_search.client_left import unless_client_leaves
from flight_search.datasource import PoolTimeout
from flight_search.departure_board import DepartureBoard
from flight_search.fields import Carrier, FlightInPath, FlightNumber, IsoDate, Name
from flight_search.seeded_leaks import SeededLeaks
from flight_search.sessions import Sessions
from flight_search.stability import deadline
from flight_search.stability.deadline import DeadlineExceeded
from flight_search.whole_request import WholeRequest, answer_errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from prometheus_client import CollectorRegistry

    from flight_search.datasource import MonitoredDataSource, PooledConnection
    from flight_search.log import Log
    from flight_search.request_context import RequestContext
    from flight_search.settings import ServerSettings
    from flight_search.statement import Row

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer", bound=Response)
OF_DATABASE = (psycopg.Error, DBAPIError, PoolTimeout, DeadlineExceeded)
FIRST_HTTP_ERROR = 400
CLIENT_LEFT = 499  # as nginx logs it; nobody reads it
Origin = Annotated[str, Query(alias="from", min_length=2, max_length=60)]
Destination = Annotated[str, Query(min_length=2, max_length=60)]
IdempotencyKey = Annotated[UUID | None, Header(alias="Idempotency-Key")]
COLUMNS = (
    *("date", "carrier", "airline", "flight", "origin", "destination"),
    *("scheduled_departure", "scheduled_arrival", "distance_miles", "seats"),
)


class PassengerOnFlight(BaseModel):
    """A passenger and a flight: the body of a booking and of a check-in."""

    passenger: Name
    date: IsoDate
    carrier: Carrier
    flight: FlightNumber


class OperationWrapper:
    """Wraps an endpoint as a named operation: marks its thread, answers database errors with 503, counts how it ended, logs failures.

    Any other exception is a failure of this code or of the machine under it. It is counted and logged as such, and goes on.
    """

    def __init__(self, registry: CollectorRegistry, log: Log) -> None:
        self._results = http_service.results(registry, "requests", "operation")
        self._log = log

    def __call__(self, name: str, endpoint: Callable[Parameters, Response]) -> Callable[Parameters, Response]:
        """Return the endpoint, wrapped as the operation of this name."""

        @wraps(endpoint)
        def operation(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Response:
            with request_context.request(name) as request:
                try:
                    deadline.require_left()
                    response = endpoint(*args, **kwargs)
                except Exception as error:  # noqa: BLE001 - what is not of the database goes on
                    return self._failed(name, request, error)
            return self._ended(name, response)

        return operation

    def of_task(self, name: str, endpoint: Callable[Parameters, Awaitable[JSONResponse]]) -> Callable[Parameters, Awaitable[JSONResponse]]:
        """Return an endpoint of the event loop, wrapped as the operation of this name; of one that is cancelled, nothing comes out."""

        @wraps(endpoint)
        async def operation(*args: Parameters.args, **kwargs: Parameters.kwargs) -> JSONResponse:
            with request_context.request_of_task(name) as request:
                try:
                    deadline.require_left()
                    response = await endpoint(*args, **kwargs)
                except anyio.get_cancelled_exc_class() as error:
                    request.fail(error)
                    raise
                except Exception as error:  # noqa: BLE001 - what is not of the database goes on
                    return self._failed(name, request, error)
            return self._ended(name, response)

        return operation

    def whole(self, name: str, app: FastAPI, path: str) -> None:
        """Have the requests to a path counted as the operation of this name, to the last byte of their answers."""
        app.add_middleware(WholeRequest, path=path, operation=name, results=self._results)
        answer_errors(app, OF_DATABASE, self._log)

    def _failed(self, name: str, request: RequestContext, error: Exception) -> JSONResponse:
        """Answer an error of the database with 503; count and log it, and any other, which is raised again."""
        request.fail(error)
        if not isinstance(error, OF_DATABASE):
            self._results.labels(name, "internal_error").inc()
            self._log.write("error", f"{name}: internal error: {type(error).__name__}: {error}")
            raise error
        detail = f"{type(error).__name__}: {str(error).strip()}"
        self._results.labels(name, "failed").inc()  # before the log is written: the count must not depend on the disk (W7)
        self._log.write("error", f"{name}: {detail}")
        return JSONResponse({"detail": detail}, status_code=503)

    def _ended(self, name: str, response: Answer) -> Answer:
        self._results.labels(name, "answered" if response.status_code < FIRST_HTTP_ERROR else "refused").inc()
        return response


class Endpoints:
    """The service calls of an application server. What they raise, `OperationWrapper` answers."""

    def __init__(self, settings: ServerSettings, pool: MonitoredDataSource) -> None:
        self._pool = pool
        self._lookup = settings.lookup
        self._look_up = lookup.by_word(settings.lookup)
        self._airports = airports_by_place()
        self._sessions = Sessions.start(settings, pool)
        self._leaks = SeededLeaks(settings, pool)
        self._board = DepartureBoard(settings.departure_board)

    def add_to(self, app: FastAPI, operation: OperationWrapper) -> None:
        """Add the endpoints to an application."""
        if lookup.is_dependent(self._lookup):
            app.state.data_source = self._pool
            operation.whole("lookup_by_city", app, "/flights")
        app.get("/flights")(self._flights(operation))
        app.get("/flights/{date}/{carrier}/{flight}")(operation("flight_status", self.status))
        app.post("/bookings")(operation("book", self.bookings))
        app.post("/check-ins")(operation("check_in", self.check_ins))

    def _flights(self, operation: OperationWrapper) -> Callable[..., object]:
        """Return the endpoint of the lookup: in a request thread, or, where the lookup is async, in the event loop."""
        if lookup.is_dependent(self._lookup):
            return self._flights_of_dependency()
        if not lookup.is_async(self._lookup):
            return operation("lookup_by_city", self.flights)
        of_task = operation.of_task("lookup_by_city", self.flights_of_task)

        async def flights(request: Request, from_: Origin, to: Destination, date: IsoDate) -> JSONResponse:
            return await unless_client_leaves(request.receive, lambda: of_task(from_, to, date), JSONResponse({}, status_code=CLIENT_LEFT))

        return flights

    def flights(self, from_: Origin, to: Destination, date: IsoDate) -> Response:
        """Answer with the flights between two places on a date; 404 for an unknown place."""
        if (refusal := self._no_place(from_, to)) is not None:
            return refusal
        answer = self._found(self._look_up(self._pool, *self._asked(from_, to, date)), from_, to, date)
        return self._streamed(answer) if self._lookup in lookup.STREAMED else answer

    async def flights_of_task(self, from_: Origin, to: Destination, date: IsoDate) -> JSONResponse:
        """The same in the event loop."""
        if (refusal := self._no_place(from_, to)) is not None:
            return refusal
        rows = await lookup.async_by_word(self._lookup)(self._pool, *self._asked(from_, to, date))
        return await to_thread.run_sync(self._found, rows, from_, to, date)

    def _flights_of_dependency(self) -> Callable[..., object]:
        """Return the endpoint of a lookup whose connection FastAPI gives and takes back; its answer is streamed."""
        look_up, connection_of = lookup.dependent_by_word(self._lookup)

        def flights(from_: Origin, to: Destination, date: IsoDate, connection: PooledConnection) -> Response:
            if (refusal := self._no_place(from_, to)) is not None:
                return refusal
            return self._streamed(self._found(look_up(connection, *self._asked(from_, to, date)), from_, to, date))

        flights.__annotations__ |= {"connection": connection_of, "return": None}
        return flights

    def _streamed(self, answer: JSONResponse) -> StreamingResponse:
        return StreamingResponse(_pieces(bytes(answer.body), self._pool.row_work_s), media_type=answer.media_type)

    def _no_place(self, from_: str, to: str) -> JSONResponse | None:
        for field, place in (("from", from_), ("to", to)):
            if place.lower() not in self._airports:
                return http_service.refusal(field, place, "no such place", "an airport's code, a city, or a city's code: EWR, Boston, NYC")
        return None

    def _asked(self, from_: str, to: str, date: Date) -> tuple[list[str], list[str], str]:
        return self._airports[from_.lower()], self._airports[to.lower()], date.isoformat()

    def _found(self, rows: list[Row], from_: str, to: str, date: Date) -> JSONResponse:
        self._sessions.write(f"{from_} to {to} on {date.isoformat()}")
        self._leaks.after_lookup()
        return JSONResponse({"flights": [dict(zip(COLUMNS, row, strict=True)) for row in rows]})

    def status(self, date: IsoDate, carrier: Carrier, flight: FlightInPath) -> JSONResponse:
        """Answer with a flight's status; 404 for an unknown flight."""
        asked = {"date": date, "carrier": carrier, "flight": flight}
        row = self._board.status(f"{carrier} {flight} on {date}", lambda: transactions.flight_status(self._pool, asked))
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

    def bookings(self, booking: PassengerOnFlight, key: IdempotencyKey = None) -> JSONResponse:
        """Book a flight and answer with the reference; 404 for an unknown flight."""
        reference = transactions.book(self._pool, {**booking.model_dump(), "key": key})
        return _created("reference", reference) or _no_flight(booking.date, booking.carrier, booking.flight)

    def check_ins(self, passenger: PassengerOnFlight) -> JSONResponse:
        """Check a passenger in and answer with the sequence number; 404 for an unknown flight."""
        flight = f"{passenger.carrier} {passenger.flight} on {passenger.date}"
        sequence = self._board.check_in(flight, lambda: transactions.check_in(self._pool, passenger.model_dump()))
        return _created("sequence", sequence) or _no_flight(passenger.date, passenger.carrier, passenger.flight)


def _pieces(body: bytes, row_work_s: float) -> Iterator[bytes]:
    """Yield a body in two pieces, with the work on its rows between them."""
    yield body[: len(body) // 2]
    time.sleep(row_work_s)  # stands for what a service does with its rows as it sends them, or for a client that reads slowly
    yield body[len(body) // 2 :]


def _created(field: str, value: int | None) -> JSONResponse | None:
    return None if value is None else JSONResponse({field: value}, status_code=201)


def _no_flight(date: Date, carrier: str, flight: int) -> JSONResponse:
    return http_service.refusal("flight", f"{carrier} {flight} on {date}", "no such flight", "a flight of 2013-10-07 to 2013-10-13")
