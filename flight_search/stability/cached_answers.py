"""Cached answers: what was known is served, with its age. The package `cachetools` keeps it, and forgets it in time."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from cachetools import TLRUCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from flight_search.stability.call import Answer, Call, Send

KEPT = 10_000  # answers: the status of every flight of the week, and all that is looked up in a night


class CachedAnswers:
    """Gives the answer to a read again, for `for_s` seconds and with its age; makes the call otherwise, and always when it writes."""

    def __init__(self, send: Send, for_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._now_s = now_s
        self._lock = threading.Lock()  # around the table alone, never around a call: one that hangs would block all who know the answer
        # Counted from when it was asked for: what it says may have changed while it was on its way.
        self._kept: TLRUCache[Call, tuple[float, Answer]] = TLRUCache(KEPT, lambda _, kept, __: kept[0] + for_s, now_s)

    def __call__(self, call: Call) -> Answer:
        """Give the answer that is known, or make the call."""
        if not call.is_read:
            return self._send(call)
        with self._lock:
            known = self._kept.get(call)
        if known is not None:
            asked_s, answer = known
            return replace(answer, age_s=self._now_s() - asked_s)
        asked_s = self._now_s()
        answer = self._send(call)
        with self._lock:
            self._kept[call] = asked_s, answer
        return answer
