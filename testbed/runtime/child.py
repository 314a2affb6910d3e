"""One process of the facility, as the processes runtime starts, watches and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from testbed.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAUNCH = Path(__file__).with_name("launch.py")
POLL_S = 0.005
LAST_LINES = 15


@dataclass(frozen=True, slots=True)
class Owner:
    """The user that a process runs as."""

    uid: int
    gid: int


class Process(Protocol):
    """What is needed of a process, whoever started it: `subprocess.Popen` has it."""

    pid: int

    def poll(self) -> int | None:
        """Give the exit code, or minus the signal that ended it; None while it runs."""

    def send_signal(self, sig: int, /) -> None:
        """Send a signal."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process, its name, and where its lines go."""

    name: str
    process: Process
    log: Path

    @property
    def pid(self) -> int | None:
        """The process id; None when it has ended."""
        return self.process.pid if self.process.poll() is None else None

    def last_lines(self, count: int = LAST_LINES) -> str:
        """Give the last lines that it wrote; an empty text when it wrote none."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-count:])

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def wait_exit(self, within_s: float) -> bool:
        """Wait until it has ended; False when it has not within `within_s` seconds."""
        deadline = time.monotonic() + within_s
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def end(self, orderly: int, within_s: float) -> bool:
        """Send the orderly signal and, when that does not end it in time, SIGKILL; True when it ended in order."""
        self.signal(signal.SIGCONT)  # a paused process takes no other signal to heart
        self.signal(orderly)
        if await self.wait_exit(within_s):
            return True
        self.signal(signal.SIGKILL)
        if not await self.wait_exit(within_s):
            raise ServiceError(f"{self.name} (pid {self.process.pid}) is still there {within_s:.0f} s after SIGKILL")
        return False


def spawn(
    name: str,
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    owner: Owner | None = None,
    death_signal: int = signal.SIGKILL,
    pass_fds: tuple[int, ...] = (),
    lock_fd: int = -1,
) -> Child:
    """Start a command that dies with this process.

    Call it from the main thread only: the kernel sends the death signal when the *thread* that forked is gone.
    Its lines go to the log, and it reads nothing. Raises ServiceError when it cannot be started or its log cannot be written.
    """
    uid, gid = (owner.uid, owner.gid) if owner else (-1, -1)
    launch = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(death_signal)), str(uid), str(gid)]
    try:
        with log.open("ab") as lines:
            process = subprocess.Popen(
                [*launch, str(lock_fd), "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=lines,
                stderr=lines,
                env=None if environment is None else {**os.environ, **environment},
                pass_fds=(*pass_fds, lock_fd) if lock_fd != -1 else pass_fds,
                start_new_session=True,  # Ctrl-C at the terminal is for the testbed, which then ends its children in order
            )
    except OSError as error:
        raise ServiceError(f"{name} cannot be started: {error}") from error
    return Child(name, process, log)
