"""Cached answers: a known answer is served again, with its age. The package `cachetools` stores and expires them."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from cachetools import TLRUCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from flight_search.stability.call import Call, FacilityAnswer, SendCall

MAX_ANSWERS = 10_000  # enough for the status of every flight of the week and every lookup of a night


class CachedAnswers:
    """Returns the cached answer to a read, with its age, for `for_s` seconds; sends the call otherwise, and every write."""

    def __init__(self, send: SendCall, for_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._now_s = now_s
        self._lock = threading.Lock()  # held for the cache alone, never during a call: a hanging call would block every cached answer
        # The age counts from when the call was sent: the data may have changed while the answer was on its way.
        self._cache: TLRUCache[Call, tuple[float, FacilityAnswer]] = TLRUCache(MAX_ANSWERS, lambda _, entry, __: entry[0] + for_s, now_s)

    def __call__(self, call: Call) -> FacilityAnswer:
        """Return the cached answer, or send the call."""
        if not call.is_read:
            return self._send(call)
        with self._lock:
            entry = self._cache.get(call)
        if entry is not None:
            sent_s, answer = entry
            return replace(answer, age_s=self._now_s() - sent_s)
        sent_s = self._now_s()
        answer = self._send(call)
        with self._lock:
            self._cache[call] = sent_s, answer
        return answer
