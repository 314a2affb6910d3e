"""A leak seeded on purpose: a caller that loses its own HTTP connections. Off unless a setting turns it on."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from flight_search.callers.round_robin import RoundRobin


class SeededLeaks:
    """`every`: after each n-th lookup the caller asks a server how it is, for its status alone, and never reads or closes the answer.

    The answer is asked for as a stream, so it keeps its connection. Where connections are bounded (`connections.py`), that place is lost.
    None: it never asks.
    """

    def __init__(self, session: requests.Session, round_robin: RoundRobin, every: int | None) -> None:
        self._session = session
        self._round_robin = round_robin
        self._every = every
        self._lookups = itertools.count(1)

    def after_lookup(self) -> None:
        """Leak what the setting says for one lookup; raises requests.RequestException, FacilityFailed."""
        if self._every is not None and next(self._lookups) % self._every == 0:
            base = next(self._round_robin.in_turn())
            self._session.get(f"{base}/health", stream=True)  # never closed: its connection is lost to the pool
