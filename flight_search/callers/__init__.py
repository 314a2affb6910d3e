"""The systems that call the facility: check-in kiosks, the telephone system (IVR), channel partners (O10).

One caller, one file, one word: `kiosk.py` has what a kiosk does. Each is a service of its own, with request threads
of its own, and has transactions that need the facility and transactions that do not.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable

    from flight_search.callers.remote import RemoteFlightSearch


@dataclass(frozen=True, slots=True)
class Passenger:
    """A passenger and the flight that they are about; `date` is ISO, `origin` and `destination` are airports.

    `request` is a name for this one request of theirs, the same however often it is sent on: a booking is known by it.
    """

    passenger: str
    date: str
    carrier: str
    flight: int
    origin: str
    destination: str
    request: str = field(default_factory=lambda: str(uuid4()))


Result = dict[str, object]


def as_of(age_s: float | None) -> Result:
    """Tell a passenger how old the answer is, in seconds, when it was not asked for now; otherwise there is nothing to tell."""
    return {} if age_s is None else {"age_s": round(age_s, 3)}


@dataclass(frozen=True, slots=True)
class Transaction:
    """A unit of work that a passenger sees (S6); `needs_facility` when it calls the flight search."""

    name: str
    needs_facility: bool
    run: Callable[[RemoteFlightSearch, Passenger], Result]


def transactions_of(caller: str) -> tuple[Transaction, ...]:
    """Give what a caller can do."""
    transactions: tuple[Transaction, ...] = importlib.import_module(f"{__name__}.{caller}").TRANSACTIONS
    return transactions
