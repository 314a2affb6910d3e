"""Transactions at a service that is not this one: each sends the one request that was declared for it.

What is declared is in the caller's settings (`declared_requests.py`). The calls go through the same stub and the same stability patterns.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flight_search.callers.declared_call import call_of
from flight_search.callers.transaction import CallerTransaction, as_of

if TYPE_CHECKING:
    from flight_search.callers.passenger import Passenger
    from flight_search.callers.remote import RemoteFlightSearch
    from flight_search.callers.transaction import Content
    from flight_search.declared_requests import Declared, DeclaredRequest


def transactions(own: tuple[CallerTransaction, ...], declared: Declared) -> tuple[CallerTransaction, ...]:
    """Return a caller's transactions, where each that needs the facility and has a declared request sends that; the others stay."""
    return tuple(
        CallerTransaction(transaction.name, needs_facility=True, run=partial(_run, transaction.name, declared.requests[transaction.name]))
        if transaction.needs_facility and transaction.name in declared.requests
        else transaction
        for transaction in own
    )


def _run(name: str, declared: DeclaredRequest, flights: RemoteFlightSearch, passenger: Passenger) -> Content:
    answer = flights.ask(call_of(name, declared, passenger))
    return {"answered": True, **as_of(answer.age_s)}
