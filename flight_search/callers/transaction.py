"""A caller's transactions: what a passenger can ask a kiosk, the IVR or a partner to do."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from flight_search.callers.passenger import Passenger
    from flight_search.callers.remote import RemoteFlightSearch

Content = dict[str, object]  # what a passenger is answered, as JSON


def as_of(age_s: float | None) -> Content:
    """Return the field that tells a passenger the age of a cached answer, in seconds; nothing for an answer fetched just now."""
    return {} if age_s is None else {"age_s": round(age_s, 3)}


@dataclass(frozen=True, slots=True)
class CallerTransaction:
    """A unit of work that a passenger sees (S6); `needs_facility` if it calls the flight search."""

    name: str
    needs_facility: bool
    run: Callable[[RemoteFlightSearch, Passenger], Content]


def transactions_of(caller: str) -> tuple[CallerTransaction, ...]:
    """Return the transactions of a caller, from the file of its name."""
    module = importlib.import_module(f"flight_search.callers.{caller}")
    transactions: tuple[CallerTransaction, ...] = module.TRANSACTIONS
    return transactions
