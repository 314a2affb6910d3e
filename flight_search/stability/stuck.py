"""Detects a stuck server: every request thread is busy, and no request has ended for some time.

Not a pattern by itself: `handshaking` reports it, and `let_it_crash` acts on it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flight_search import request_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from flight_search.http_service import RequestThreads


@dataclass(slots=True)
class StuckDetector:
    """Compares each sample of the request threads with those before. Thread-safe; `clock` is for tests.

    `shed_load_at`: if fewer requests than request threads are admitted, only so many threads can be busy.
    """

    threads: RequestThreads
    shed_load_at: int | None = None
    clock: Callable[[], float] = time.monotonic
    _since_s: float | None = None
    _ended: int = -1
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def limit(self) -> int:
        """How many request threads can be busy at once."""
        return min(self.threads.limit, self.shed_load_at or self.threads.limit)

    def reason(self, stuck_s: float) -> str:
        """Return in words why the server is replaced."""
        return f"all {self.limit} request threads stuck, no request ended for {stuck_s:.2f} s"

    def sample(self) -> float:
        """Sample the request threads; return for how many seconds the server has been stuck, 0 if it is not.

        Busy request threads alone are load: under load, requests keep ending.
        """
        with self._lock:
            ended, now_s = request_context.ended_total(), self.clock()
            if self.threads.busy < self.limit:
                self._since_s = None
            elif self._since_s is None or ended != self._ended:
                self._since_s = now_s
            self._ended = ended
            return 0.0 if self._since_s is None else now_s - self._since_s
