"""The passenger that a transaction is about."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class Passenger:
    """A passenger and their flight; `date` is ISO, `origin` and `destination` are airport codes.

    `request` is the id of this one request, the same in every retry: the facility recognises a repeated booking by it.
    """

    passenger: str
    date: str
    carrier: str
    flight: int
    origin: str
    destination: str
    request: str = field(default_factory=lambda: str(uuid4()))
