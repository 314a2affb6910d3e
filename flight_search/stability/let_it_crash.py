"""Let it crash: a watchdog replaces a server whose request threads are all stuck; a governor limits how often (Nygard).

The process replaces itself by exec, with the same process id, environment and listening socket. So its supervisor, and anyone
who dumps its threads, still has the right process, and callers who connect meanwhile wait in the socket's queue. Calls under
way get a reset. The stacks of all threads are written to standard error first: they are lost afterwards. A server that binds its own
host and port binds them again; until then, connections to it are refused.
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
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The variable that hands Replacements to the next process; its times are on the machine's monotonic clock, which an exec does not reset.
VARIABLE = "LET_IT_CRASH_REPLACED"
WINDOW_S = 60.0
CHECK_EVERY_S = 0.05
CANNOT_START = 3  # the exit code of a service that cannot start


class Detector(Protocol):
    """Tells for how long a server has been of no use."""

    def sample(self) -> float:
        """Return for how many seconds it has been so, 0 if it is not."""

    def reason(self, stuck_s: float) -> str:
        """Return in words why the server is replaced."""


@dataclass(frozen=True, slots=True)
class Replacements:
    """How often a process was replaced, and when: only the times within the window, or the environment would grow without bound."""

    total: int = 0
    recent_s: tuple[float, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read what the process before this one left; no replacements if there was none."""
        total, *recent = environment.get(VARIABLE, "0").split()
        return cls(int(total), tuple(float(word) for word in recent))

    def plus_one(self, now_s: float) -> Replacements:
        """Return these and one more."""
        return Replacements(self.total + 1, (*(at_s for at_s in self.recent_s if now_s - at_s < WINDOW_S), now_s))

    def __str__(self) -> str:
        return " ".join([str(self.total), *(f"{at_s:.3f}" for at_s in self.recent_s)])


@dataclass(frozen=True, slots=True)
class Governor:
    """Allows `per_minute` replacements in any minute; None is no limit."""

    per_minute: int | None

    def delay_s(self, replacements: Replacements, now_s: float) -> float:
        """Return in how many seconds the next replacement is allowed; 0 if it is allowed now."""
        recent = [at_s for at_s in replacements.recent_s if now_s - at_s < WINDOW_S]
        if self.per_minute is None or len(recent) < self.per_minute:
            return 0.0
        return recent[-self.per_minute] + WINDOW_S - now_s


@dataclass(slots=True)
class LetItCrash:
    """The watchdog of a server. `replace` replaces the process; it is given what the next process must know, and does not return."""

    name: str
    detector: Detector
    limit_s: float
    governor: Governor
    replacements: Replacements
    replace: Callable[[Replacements], None]
    held_back: bool = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Check the server until the context ends, from the event loop, which is never stuck (C6).

        Not from a thread of its own: the kernel keeps the parent-death signal by thread, and a process whose exec is made by another
        than the main thread loses it. The server would then outlive the testbed that started it.
        """
        watch = asyncio.get_running_loop().create_task(self._check_for_ever())
        try:
            yield
        finally:
            watch.cancel()

    async def _check_for_ever(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            self.check(time.monotonic())

    def check(self, now_s: float) -> None:
        """Replace the server if it has been stuck for the limit and the governor allows it."""
        stuck_s = self.detector.sample()
        if stuck_s < self.limit_s:
            self.held_back = False
            return
        reason = f"{self.name}: {self.detector.reason(stuck_s)}"
        delay_s = self.governor.delay_s(self.replacements, now_s)
        if delay_s > 0:
            if not self.held_back:
                limit = f"{self.governor.per_minute} replacements in {WINDOW_S:.0f} s"
                sys.stderr.write(f"{reason}; not replaced: the governor allows {limit}, the next in {delay_s:.1f} s\n")
            self.held_back = True
            return
        self.replacements = self.replacements.plus_one(now_s)
        sys.stderr.write(f"{reason}; the server replaces itself (replacement {self.replacements.total}). Its threads:\n")
        sys.stderr.flush()
        faulthandler.dump_traceback(all_threads=True)
        self.replace(self.replacements)


def replacing(listen_fd: int | None) -> Callable[[Replacements], None]:
    """Return a function that replaces an application server by itself, through exec, with the listening socket it was given."""

    def replace(replacements: Replacements) -> None:
        os.environ[VARIABLE] = str(replacements)
        if listen_fd is not None:
            os.set_inheritable(listen_fd, True)
        try:
            os.execv(sys.executable, [sys.executable, "-P", "-m", "flight_search"])  # noqa: S606 - this program itself
        except OSError as error:
            # A stuck server is of no use, and a supervisor notices a process that ended, not one that hangs.
            sys.stderr.write(f"cannot execute {sys.executable}: {error.strerror}; the server ends\n")
            os._exit(CANNOT_START)

    return replace
