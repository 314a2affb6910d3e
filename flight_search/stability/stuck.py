"""Whether a server stands still: every request thread at work, and for some time not one request that ended.

No pattern by itself: what `handshaking` tells of and `let_it_crash` acts on.
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
    """What was seen at the looks so far. Thread-safe; `clock` is for tests.

    `shed_load_at`: where no more requests than that are let in, they are all that can be at work.
    """

    threads: RequestThreads
    shed_load_at: int | None = None
    clock: Callable[[], float] = time.monotonic
    _since_s: float | None = None
    _ended: int = -1
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def limit(self) -> int:
        """How many request threads can be at work."""
        return min(self.threads.limit, self.shed_load_at or self.threads.limit)

    def look(self) -> float:
        """Look, and give for how many seconds everything has stood still by now; 0 when it does not.

        Full request threads alone are load: a busy server ends requests all the time.
        """
        with self._lock:
            ended, now_s = request_context.ended_total(), self.clock()
            if self.threads.busy < self.limit:
                self._since_s = None
            elif self._since_s is None or ended != self._ended:
                self._since_s = now_s
            self._ended = ended
            return 0.0 if self._since_s is None else now_s - self._since_s
