"""The check-in kiosks: people check in, and reprint the boarding pass that the kiosk still has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.callers import Passenger, Result, Transaction, as_of

if TYPE_CHECKING:
    from flight_search.callers.remote import RemoteFlightSearch


def check_in(flights: RemoteFlightSearch, passenger: Passenger) -> Result:
    """Find the passenger's flight and check them in."""
    found = flights.lookup_by_city(passenger.origin, passenger.destination, passenger.date)
    departure = found.own(passenger)["scheduled_departure"]
    return {"departure": departure, "sequence": flights.check_in(passenger), **as_of(found.age_s)}


def reprint_boarding_pass(_: RemoteFlightSearch, passenger: Passenger) -> Result:
    """Print again what the kiosk printed before: it needs nothing but the kiosk."""
    return {"boarding_pass": f"{passenger.carrier}{passenger.flight} {passenger.origin}-{passenger.destination} {passenger.passenger}"}


TRANSACTIONS = (
    Transaction("check_in", needs_facility=True, run=check_in),
    Transaction("reprint_boarding_pass", needs_facility=False, run=reprint_boarding_pass),
)
