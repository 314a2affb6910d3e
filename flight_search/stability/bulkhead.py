"""Bulkhead: only so many of a caller's threads may be in the facility at once, so that it can never have all of them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from flight_search.stability.call import FacilityFailed

if TYPE_CHECKING:
    from flight_search.stability.call import Answer, Call, Send


class Bulkhead:
    """Makes a call if fewer than `places` are being made, and raises FacilityFailed at once if not: a waiting one would hang too."""

    def __init__(self, send: Send, places: int) -> None:
        self._send = send
        self._size = places
        self._places = threading.BoundedSemaphore(places)

    def __call__(self, call: Call) -> Answer:
        """Make a call, or none."""
        if not self._places.acquire(blocking=False):
            raise FacilityFailed(f"{call.operation}: not called, {self._size} of {self._size} places of the bulkhead are taken")
        try:
            return self._send(call)
        finally:
            self._places.release()
