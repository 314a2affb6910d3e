"""The check-in kiosks: passengers check in, and reprint a boarding pass that the kiosk still has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.callers.transaction import CallerTransaction, Content, as_of

if TYPE_CHECKING:
    from flight_search.callers.passenger import Passenger
    from flight_search.callers.remote import RemoteFlightSearch


def check_in(flights: RemoteFlightSearch, passenger: Passenger) -> Content:
    """Find the passenger's flight and check them in."""
    found = flights.lookup_by_city(passenger.origin, passenger.destination, passenger.date)
    departure = found.flight_of(passenger)["scheduled_departure"]
    return {"departure": departure, "sequence": flights.check_in(passenger), **as_of(found.age_s)}


def reprint_boarding_pass(_: RemoteFlightSearch, passenger: Passenger) -> Content:
    """Reprint a boarding pass; needs nothing but the kiosk."""
    return {"boarding_pass": f"{passenger.carrier}{passenger.flight} {passenger.origin}-{passenger.destination} {passenger.passenger}"}


TRANSACTIONS = (
    CallerTransaction("check_in", needs_facility=True, run=check_in),
    CallerTransaction("reprint_boarding_pass", needs_facility=False, run=reprint_boarding_pass),
)
