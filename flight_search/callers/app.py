"""A caller as a service: its transactions over HTTP, from its request threads; monitoring from the event loop."""

from __future__ import annotations

from datetime import date as Date  # noqa: N812 - a passenger's field is called `date`
from typing import TYPE_CHECKING, Annotated

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, Field

from flight_search import serving
from flight_search.callers import Passenger, Transaction, transactions_of
from flight_search.callers.call import FacilityFailed, FacilityTimedOut, NoSuchFlight
from flight_search.callers.remote import RemoteFlightSearch

if TYPE_CHECKING:
    from collections.abc import Callable

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


def create_app(settings: CallerSettings) -> FastAPI:
    """Make the application of the caller that the settings name."""
    transactions = transactions_of(settings.name)
    registry = CollectorRegistry()
    counter = serving.results(registry, "transactions", "transaction")
    flights = RemoteFlightSearch(settings)
    app = serving.create(settings.name, settings.request_threads, registry, flights.rotation)

    @app.get("/transactions")
    async def listing() -> JSONResponse:
        return JSONResponse([{"transaction": one.name, "needs_facility": one.needs_facility} for one in transactions])

    for transaction in transactions:
        app.post(f"/transactions/{transaction.name}")(_endpoint(transaction, flights, counter))
    return app


def _endpoint(transaction: Transaction, flights: RemoteFlightSearch, counter: Counter) -> Callable[[PassengerBody], JSONResponse]:
    """Make an endpoint of a transaction. It is `def`, so it runs in a request thread, whether or not it calls the facility."""

    def answer(body: PassengerBody) -> JSONResponse:
        passenger = Passenger(**{**body.model_dump(), "date": body.date.isoformat()})
        result, status = "answered", 200
        try:
            told = transaction.run(flights, passenger)
        except NoSuchFlight as error:
            result, status, told = "refused", 404, {"detail": str(error)}
        except FacilityTimedOut as error:
            result, status, told = "failed", 504, {"detail": str(error)}
        except FacilityFailed as error:
            result, status, told = "failed", 502, {"detail": str(error)}
        counter.labels(transaction.name, result).inc()
        return JSONResponse({"transaction": transaction.name, **told}, status_code=status)

    return answer
