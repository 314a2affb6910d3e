"""The telephone system (interactive voice response): passengers ask for a flight's status by its cities, and for the baggage rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.callers.transaction import CallerTransaction, Content, as_of

if TYPE_CHECKING:
    from flight_search.callers.passenger import Passenger
    from flight_search.callers.remote import RemoteFlightSearch

BAGGAGE = {"cabin": "one bag of 10 kg", "hold": "one bag of 23 kg"}


def flight_status(flights: RemoteFlightSearch, passenger: Passenger) -> Content:
    """Find the flight by its cities and ask for its status."""
    flights.lookup_by_city(passenger.origin, passenger.destination, passenger.date).flight_of(passenger)
    status = flights.flight_status(passenger)
    return {"status": status.status, "departure": status.departure, **as_of(status.age_s)}


def baggage_allowance(_: RemoteFlightSearch, __: Passenger) -> Content:
    """Read out the baggage rules; they are stored in the telephone system itself."""
    return {"baggage": BAGGAGE}


TRANSACTIONS = (
    CallerTransaction("flight_status", needs_facility=True, run=flight_status),
    CallerTransaction("baggage_allowance", needs_facility=False, run=baggage_allowance),
)
