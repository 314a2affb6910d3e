"""The channel partners: their systems search and book, and read their own copy of the fare rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.callers.transaction import CallerTransaction, Content, as_of

if TYPE_CHECKING:
    from flight_search.callers.passenger import Passenger
    from flight_search.callers.remote import RemoteFlightSearch

FARE_RULES = {"change": "once, against a fee", "refund": "taxes only"}


def search(flights: RemoteFlightSearch, passenger: Passenger) -> Content:
    """List the flights between the passenger's cities."""
    found = flights.lookup_by_city(passenger.origin, passenger.destination, passenger.date)
    return {"flights": [f"{flight['carrier']}{flight['flight']}" for flight in found.flights], **as_of(found.age_s)}


def book(flights: RemoteFlightSearch, passenger: Passenger) -> Content:
    """Find the flight and book it."""
    flights.lookup_by_city(passenger.origin, passenger.destination, passenger.date).flight_of(passenger)
    return {"reference": flights.book(passenger)}


def fare_rules(_: RemoteFlightSearch, __: Passenger) -> Content:
    """Read the fare rules from the partner's own copy."""
    return {"fare_rules": FARE_RULES}


TRANSACTIONS = (
    CallerTransaction("search", needs_facility=True, run=search),
    CallerTransaction("book", needs_facility=True, run=book),
    CallerTransaction("fare_rules", needs_facility=False, run=fare_rules),
)
