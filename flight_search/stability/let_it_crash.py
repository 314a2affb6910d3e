"""A watchdog replaces a server whose request threads are all stuck; a governor limits how often (Nygard: Let It Crash, Governor).

The process replaces itself: it executes itself anew, with the same process id, environment and listening socket. So
whoever supervises it, or dumps its threads, has the right process, and callers who connect meanwhile wait in the
socket's queue. Calls that were under way get a reset. The stacks of all threads are written down first: they are gone
afterwards. A server that binds its own host and port binds them anew; until it has, who connects is refused.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flight_search.stability.stuck import StuckDetector

# How often this process was replaced, and when in the last minute, on the machine's monotonic clock, which goes on through an exec.
REMEMBERED = "LET_IT_CRASH_REPLACED"
WINDOW_S = 60.0
LOOK_EVERY_S = 0.05
CANNOT = 3  # the exit code of a service that cannot start


@dataclass(frozen=True, slots=True)
class Replacements:
    """How often a process was replaced, and when it was last: only what lies in the window, or the environment would grow for ever."""

    total: int = 0
    recent_s: tuple[float, ...] = ()

    @classmethod
    def remembered(cls, environment: Mapping[str, str]) -> Self:
        """Read what the process before this one left; none when there was none."""
        total, *recent = environment.get(REMEMBERED, "0").split()
        return cls(int(total), tuple(float(word) for word in recent))

    def and_one(self, now_s: float) -> Replacements:
        """Give them with one more."""
        return Replacements(self.total + 1, (*(at_s for at_s in self.recent_s if now_s - at_s < WINDOW_S), now_s))

    def __str__(self) -> str:
        return " ".join([str(self.total), *(f"{at_s:.3f}" for at_s in self.recent_s)])


@dataclass(frozen=True, slots=True)
class Governor:
    """Lets so many replacements happen in any minute; None is no limit."""

    per_minute: int | None

    def holds_back_s(self, replacements: Replacements, now_s: float) -> float:
        """Give for how many seconds there may be no other; 0 when there may be one now."""
        recent = [at_s for at_s in replacements.recent_s if now_s - at_s < WINDOW_S]
        if self.per_minute is None or len(recent) < self.per_minute:
            return 0.0
        return recent[-self.per_minute] + WINDOW_S - now_s


@dataclass(slots=True)
class LetItCrash:
    """The watchdog of a server. `replace` is what it does, given what the new process has to remember; it does not come back from there."""

    name: str
    detector: StuckDetector
    limit_s: float
    governor: Governor
    replacements: Replacements
    replace: Callable[[Replacements], None]
    held_back: bool = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look again and again, in the event loop, which is never stuck (C6).

        Not from a thread of its own: the kernel keeps the parent-death signal by thread, and one that executes from another than the
        main thread loses it. A server would then outlive the testbed that started it.
        """
        watch = asyncio.get_running_loop().create_task(self._watch())
        yield
        watch.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look(time.monotonic())

    def look(self, now_s: float) -> None:
        """Replace the server when it has stood still for too long, and the governor allows it."""
        stands_s = self.detector.look()
        if stands_s < self.limit_s:
            self.held_back = False
            return
        told = f"{self.name}: all {self.detector.limit} request threads stuck, no request ended for {stands_s:.2f} s"
        wait_s = self.governor.holds_back_s(self.replacements, now_s)
        if wait_s > 0:
            if not self.held_back:
                limit = f"{self.governor.per_minute} replacements in {WINDOW_S:.0f} s"
                sys.stderr.write(f"{told}; not replaced: the governor allows {limit}, the next in {wait_s:.1f} s\n")
            self.held_back = True
            return
        self.replacements = self.replacements.and_one(now_s)
        sys.stderr.write(f"{told}; the server replaces itself, for the {self.replacements.total}. time. Its threads:\n")
        sys.stderr.flush()
        faulthandler.dump_traceback(all_threads=True)
        self.replace(self.replacements)


def replacing(listen_fd: int | None) -> Callable[[Replacements], None]:
    """Give what replaces an application server: itself, executed anew, with the socket that it was given."""

    def replace(replacements: Replacements) -> None:
        os.environ[REMEMBERED] = str(replacements)
        if listen_fd is not None:
            os.set_inheritable(listen_fd, True)
        try:
            os.execv(sys.executable, [sys.executable, "-P", "-m", "flight_search"])  # noqa: S606 - itself
        except OSError as error:
            # It is of no use as it is, and whoever supervises it can tell a process that ended from one that hangs.
            sys.stderr.write(f"{sys.executable} cannot be executed: {error.strerror}; the server ends\n")
            os._exit(CANNOT)

    return replace
