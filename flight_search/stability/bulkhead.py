"""Bulkhead: limits how many of a caller's threads may be in the facility at once, so that the facility can never block all of them.

What needs no facility always finds a thread as long as there are fewer places than request threads. A fixed number of places
(`bulkhead_at`) says nothing of that: of twenty places and ten threads, all threads may hang. `bulkhead_spare_threads` says how many are
left, of however many there are.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from flight_search.stability.call import FacilityFailed

if TYPE_CHECKING:
    from flight_search.stability.call import Call, FacilityAnswer, SendCall


class Bulkhead:
    """Sends at most `places` calls at once; raises FacilityFailed at once for any other, because a thread that waited would hang too."""

    def __init__(self, send: SendCall, places: int) -> None:
        self._send = send
        self._size = places
        self._places = threading.BoundedSemaphore(places)

    def __call__(self, call: Call) -> FacilityAnswer:
        """Send a call if a place is free."""
        if not self._places.acquire(blocking=False):
            raise FacilityFailed(f"{call.operation}: not called, {self._size} of {self._size} places of the bulkhead are taken")
        try:
            return self._send(call)
        finally:
            self._places.release()
