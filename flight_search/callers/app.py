"""A caller as a service: its transactions over HTTP, from its request threads; monitoring from the event loop."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date as Date  # noqa: N812 - a passenger's field is called `date`
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, Field

from flight_search import http_service
from flight_search.callers import Passenger, Result, Transaction, transactions_of
from flight_search.callers.remote import RemoteFlightSearch
from flight_search.stability.call import FacilityFailed, FacilityTimedOut, NoSuchFlight
from flight_search.stability.decoupled import Decoupled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from prometheus_client import Counter

    from flight_search.settings import CallerSettings

Airport = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class PassengerBody(BaseModel):
    """What a passenger sends with every transaction."""

    passenger: Annotated[str, Field(min_length=1, max_length=60)]
    date: Date
    carrier: Annotated[str, Field(pattern=r"^[A-Z0-9]{2}$")]
    flight: Annotated[int, Field(ge=1, le=9999)]
    origin: Airport
    destination: Airport


@dataclass(frozen=True, slots=True)
class Told:
    """How a transaction ended: the `result` as it is counted, HTTP's status, and what the passenger is told."""

    result: str
    status: int
    content: Result


def create_app(settings: CallerSettings) -> FastAPI:
    """Make the application of the caller that the settings name."""
    transactions = transactions_of(settings.name)
    registry = CollectorRegistry()
    counter = http_service.results(registry, "transactions", "transaction")
    flights = RemoteFlightSearch(settings)
    decoupled = _decoupled(settings, transactions, flights) if settings.decoupled else None
    beside = (flights.round_robin,) if decoupled is None else (flights.round_robin, decoupled)
    app = http_service.create(settings.name, http_service.RequestThreads(settings.request_threads), registry, beside=beside)

    @app.get("/transactions")
    async def listing() -> JSONResponse:
        return JSONResponse([{"transaction": one.name, "needs_facility": one.needs_facility} for one in transactions])

    for transaction in transactions:
        if decoupled is not None and transaction.needs_facility:
            endpoint: Callable[[PassengerBody], object] = _waiting_endpoint(transaction, decoupled, counter)
        else:
            endpoint = _endpoint(transaction, flights, counter)
        app.post(f"/transactions/{transaction.name}")(endpoint)
    if decoupled is not None:
        registry.register(decoupled)
    return app


def _endpoint(transaction: Transaction, flights: RemoteFlightSearch, counter: Counter) -> Callable[[PassengerBody], JSONResponse]:
    """Make an endpoint of a transaction. It is `def`, so it runs in a request thread, whether or not it calls the facility."""

    def answer(body: PassengerBody) -> JSONResponse:
        return _response(transaction, _do(transaction, flights, _passenger(body)), counter)

    return answer


def _waiting_endpoint(
    transaction: Transaction, decoupled: Decoupled, counter: Counter
) -> Callable[[PassengerBody], Awaitable[JSONResponse]]:
    """Make an endpoint of a transaction that is done elsewhere. It is `async`, so a request that waits for its reply has no thread."""

    async def answer(body: PassengerBody) -> JSONResponse:
        try:
            reply = await decoupled.ask({"transaction": transaction.name, "passenger": asdict(_passenger(body))})
        except FacilityFailed as error:
            return _response(transaction, _failed(error), counter)
        return _response(transaction, Told(**reply), counter)

    return answer


def _decoupled(settings: CallerSettings, transactions: tuple[Transaction, ...], flights: RemoteFlightSearch) -> Decoupled:
    by_name = {one.name: one for one in transactions}

    def work(request: dict[str, Any]) -> dict[str, Any]:
        return asdict(_do(by_name[request["transaction"]], flights, Passenger(**request["passenger"])))

    return Decoupled(settings.name, settings.decoupled_broker, work)


def _passenger(body: PassengerBody) -> Passenger:
    return Passenger(**{**body.model_dump(), "date": body.date.isoformat()})


def _do(transaction: Transaction, flights: RemoteFlightSearch, passenger: Passenger) -> Told:
    """Do a transaction, in whichever thread this is."""
    try:
        return Told("answered", 200, transaction.run(flights, passenger))
    except NoSuchFlight as error:
        return Told("refused", 404, {"detail": str(error)})
    except FacilityFailed as error:
        return _failed(error)


def _failed(error: FacilityFailed) -> Told:
    return Told("failed", 504 if isinstance(error, FacilityTimedOut) else 502, {"detail": str(error)})


def _response(transaction: Transaction, told: Told, counter: Counter) -> JSONResponse:
    counter.labels(transaction.name, told.result).inc()
    return JSONResponse({"transaction": transaction.name, **told.content}, status_code=told.status)
