"""Returns memory to the system after many connections: glibc keeps what was freed, for good, below whatever is still in use."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from dataclasses import dataclass

EVERY = 500  # connections that have ended
AFTER_S = 0.5  # so that one return serves all that end together
REST_WITHIN_S = 10.0  # what ends so soon after a return was of the same many, and is returned, too, however few


@dataclass(slots=True)
class MemoryReturn:
    """Counts connections that have ended, and returns memory after every `EVERY` of them; does nothing without glibc."""

    ended: int = 0
    _many_s: float = float("-inf")
    _due: threading.Timer | None = None

    def note_end(self) -> None:
        """Count one."""
        self.ended += 1
        now_s = time.monotonic()
        many = self.ended >= EVERY
        if (many or now_s - self._many_s < REST_WITHIN_S) and (self._due is None or not self._due.is_alive()):
            if many:
                self.ended, self._many_s = 0, now_s
            self._due = threading.Timer(AFTER_S, trim)  # a thread of its own: with 100 MB to return it takes 10 ms
            self._due.daemon = True
            self._due.start()


def trim() -> bool:
    """Return what memory can be returned; return whether there was any."""
    if not sys.platform.startswith("linux"):
        return False
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    return bool(malloc_trim(0)) if malloc_trim else False
