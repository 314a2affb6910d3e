"""A watchdog replaces a server whose request threads are all stuck; a governor limits how often (Nygard: Let It Crash, Governor).

The process replaces itself: it executes itself anew, with the same process id, environment and listening socket. So
whoever supervises it, or dumps its threads, has the right process, and callers who connect meanwhile wait in the
socket's queue. Calls that were under way get a reset. The stacks of all threads are written down first: they are gone
afterwards.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flight_search.stability.standstill import Standstill

# When this process was replaced, on the machine's monotonic clock, which goes on through an exec; separated by spaces.
REMEMBERED = "LET_IT_CRASH_REPLACED_AT_S"
WINDOW_S = 60.0
LOOK_EVERY_S = 0.05


@dataclass(slots=True)
class Governor:
    """Lets so many replacements happen in any minute; None is no limit. `replaced_at_s` is remembered through them."""

    per_minute: int | None
    replaced_at_s: list[float] = field(default_factory=list)

    def allows(self, now_s: float) -> bool:
        """Whether there may be one more now."""
        return self.per_minute is None or sum(now_s - at_s < WINDOW_S for at_s in self.replaced_at_s) < self.per_minute


def remembered() -> list[float]:
    """Give when this process was replaced before."""
    return [float(word) for word in os.environ.get(REMEMBERED, "").split()]


@dataclass(slots=True)
class LetItCrash:
    """The watchdog of a server, in a thread of its own. `replace` is what it does; it does not come back from there."""

    name: str
    standstill: Standstill
    limit_s: float
    governor: Governor
    replace: Callable[[], None]
    held_back: bool = False

    def start(self) -> None:
        """Begin to watch; ends with the process."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        """Replace the server when it has stood still for too long, and the governor allows it."""
        stands_s = self.standstill.look()
        if stands_s < self.limit_s:
            self.held_back = False
            return
        now_s = time.monotonic()
        told = f"{self.name}: every request thread has been stuck for {stands_s:.2f} s"
        if not self.governor.allows(now_s):
            if not self.held_back:
                sys.stderr.write(f"{told}; not replaced: the governor allows {self.governor.per_minute} in {WINDOW_S:.0f} s\n")
            self.held_back = True
            return
        sys.stderr.write(f"{told}; the server replaces itself. Its threads:\n")
        sys.stderr.flush()
        faulthandler.dump_traceback(all_threads=True)
        self.governor.replaced_at_s.append(now_s)
        os.environ[REMEMBERED] = " ".join(f"{at_s:.3f}" for at_s in self.governor.replaced_at_s)
        self.replace()


def replacing(listen_fd: int | None) -> Callable[[], None]:
    """Give what replaces an application server: itself, executed anew, with the socket that it was given."""

    def replace() -> None:
        if listen_fd is not None:
            os.set_inheritable(listen_fd, True)
        os.execv(sys.executable, [sys.executable, "-P", "-m", "flight_search"])  # noqa: S606 - itself

    return replace
