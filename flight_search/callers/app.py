"""A caller as a service: its transactions over HTTP, from its request threads; monitoring from the event loop."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from flight_search import about, http_service, request_context
from flight_search.callers import declared
from flight_search.callers.passenger import Passenger
from flight_search.callers.remote import RemoteFlightSearch
from flight_search.callers.transaction import CallerTransaction, Content, transactions_of
from flight_search.fields import Airport, Carrier, FlightNumber, IsoDate, Name
from flight_search.stability.call import FacilityFailed, FacilityTimedOut, NoSuchFlight
from flight_search.stability.decoupled import Decoupled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from prometheus_client import Counter

    from flight_search.settings import CallerSettings


class PassengerBody(BaseModel):
    """The body that a passenger sends with every transaction."""

    passenger: Name
    date: IsoDate
    carrier: Carrier
    flight: FlightNumber
    origin: Airport
    destination: Airport


@dataclass(frozen=True, slots=True)
class TransactionReply:
    """How a transaction ended: the `result` that is counted, the HTTP status, and the content sent to the passenger."""

    result: str
    status: int
    content: Content


def create_app(settings: CallerSettings) -> FastAPI:
    """Build the application of the caller that the settings name."""
    transactions = transactions_of(settings.name)
    if settings.declared_requests is not None:
        transactions = declared.transactions(transactions, settings.declared_requests)
    registry = CollectorRegistry()
    counter = http_service.results(registry, "transactions", "transaction")
    flights = RemoteFlightSearch(settings)
    decoupled = _decoupled(settings, transactions, flights) if settings.decoupled else None
    background = (flights.round_robin,) if decoupled is None else (flights.round_robin, decoupled)
    threads = http_service.RequestThreads(settings.request_threads)
    app = http_service.create(settings.name, threads, registry, background=background)
    connections = flights.connections
    about.add_to(app, settings.name, settings, dict if connections is None else lambda: {"connections": connections.shown()})
    if flights.circuit_breaker is not None:
        registry.register(flights.circuit_breaker)
    if flights.retry_budget is not None:
        registry.register(flights.retry_budget)

    @app.get("/transactions")
    async def listing() -> JSONResponse:
        return JSONResponse(
            [{"transaction": transaction.name, "needs_facility": transaction.needs_facility} for transaction in transactions]
        )

    for transaction in transactions:
        if decoupled is not None and transaction.needs_facility:
            endpoint: Callable[[PassengerBody], object] = _waiting_endpoint(transaction, decoupled, counter)
        else:
            endpoint = _endpoint(transaction, flights, counter)
        app.post(f"/transactions/{transaction.name}")(endpoint)
    if decoupled is not None:
        registry.register(decoupled)
    return app


def _endpoint(transaction: CallerTransaction, flights: RemoteFlightSearch, counter: Counter) -> Callable[[PassengerBody], JSONResponse]:
    """Return an endpoint for a transaction. It is `def`, so it runs in a request thread, whether or not it calls the facility."""

    def answer(body: PassengerBody) -> JSONResponse:
        with _counted(transaction, counter):
            return _response(transaction, _run(transaction, flights, _passenger(body)), counter)

    return answer


def _waiting_endpoint(
    transaction: CallerTransaction, decoupled: Decoupled, counter: Counter
) -> Callable[[PassengerBody], Awaitable[JSONResponse]]:
    """Return an endpoint for a transaction that a dispatcher runs. It is `async`, so a request holds no thread while it waits."""

    async def answer(body: PassengerBody) -> JSONResponse:
        with _counted(transaction, counter):
            try:
                reply = await decoupled.ask({"transaction": transaction.name, "passenger": asdict(_passenger(body))})
            except FacilityFailed as error:
                return _response(transaction, _failed(error), counter)
            return _response(transaction, TransactionReply(**reply), counter)

    return answer


@contextmanager
def _counted(transaction: CallerTransaction, counter: Counter) -> Iterator[None]:
    """Count an exception that nobody expected, as the result that it is; it goes on."""
    try:
        yield
    except Exception:
        counter.labels(transaction.name, "internal_error").inc()
        raise


def _decoupled(settings: CallerSettings, transactions: tuple[CallerTransaction, ...], flights: RemoteFlightSearch) -> Decoupled:
    by_name = {transaction.name: transaction for transaction in transactions}

    def work(request: dict[str, Any]) -> dict[str, Any]:
        return asdict(_run(by_name[request["transaction"]], flights, Passenger(**request["passenger"])))

    return Decoupled(settings.name, settings.decoupled_broker, work)


def _passenger(body: PassengerBody) -> Passenger:
    return Passenger(**{**body.model_dump(), "date": body.date.isoformat()})


def _run(transaction: CallerTransaction, flights: RemoteFlightSearch, passenger: Passenger) -> TransactionReply:
    """Run a transaction in the calling thread, whichever that is."""
    with request_context.request(transaction.name):
        try:
            return TransactionReply("answered", 200, transaction.run(flights, passenger))
        except NoSuchFlight as error:
            return TransactionReply("refused", 404, {"detail": str(error)})
        except FacilityFailed as error:
            return _failed(error)


def _failed(error: FacilityFailed) -> TransactionReply:
    return TransactionReply("failed", 504 if isinstance(error, FacilityTimedOut) else 502, {"detail": str(error)})


def _response(transaction: CallerTransaction, reply: TransactionReply, counter: Counter) -> JSONResponse:
    counter.labels(transaction.name, reply.result).inc()
    return JSONResponse({"transaction": transaction.name, **reply.content}, status_code=reply.status)
