"""The channel partners: their systems search and book, and read the fare rules that they hold a copy of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.callers import Passenger, Result, Transaction, as_of

if TYPE_CHECKING:
    from flight_search.callers.remote import RemoteFlightSearch

FARE_RULES = {"change": "once, against a fee", "refund": "taxes only"}


def search(flights: RemoteFlightSearch, passenger: Passenger) -> Result:
    """List the flights between the passenger's cities."""
    found = flights.lookup_by_city(passenger.origin, passenger.destination, passenger.date)
    return {"flights": [f"{flight['carrier']}{flight['flight']}" for flight in found.flights], **as_of(found.age_s)}


def book(flights: RemoteFlightSearch, passenger: Passenger) -> Result:
    """Find the flight and book it."""
    flights.lookup_by_city(passenger.origin, passenger.destination, passenger.date).own(passenger)
    return {"reference": flights.book(passenger)}


def fare_rules(_: RemoteFlightSearch, __: Passenger) -> Result:
    """Read the fare rules: the partner has its own copy."""
    return {"fare_rules": FARE_RULES}


TRANSACTIONS = (
    Transaction("search", needs_facility=True, run=search),
    Transaction("book", needs_facility=True, run=book),
    Transaction("fare_rules", needs_facility=False, run=fare_rules),
)
