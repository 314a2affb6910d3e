"""The telephone system: people ask for a flight's status by saying its cities, and for the baggage rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.callers import Passenger, Result, Transaction, as_of

if TYPE_CHECKING:
    from flight_search.callers.remote import RemoteFlightSearch

BAGGAGE = {"cabin": "one bag of 10 kg", "hold": "one bag of 23 kg"}


def flight_status(flights: RemoteFlightSearch, passenger: Passenger) -> Result:
    """Find the flight by its cities and ask for its status."""
    flights.lookup_by_city(passenger.origin, passenger.destination, passenger.date).own(passenger)
    status = flights.flight_status(passenger)
    return {"status": status.status, "departure": status.departure, **as_of(status.age_s)}


def baggage_allowance(_: RemoteFlightSearch, __: Passenger) -> Result:
    """Read out the baggage rules: they are in the telephone system itself."""
    return {"baggage": BAGGAGE}


TRANSACTIONS = (
    Transaction("flight_status", needs_facility=True, run=flight_status),
    Transaction("baggage_allowance", needs_facility=False, run=baggage_allowance),
)
