"""A child process of the testbed: starts it, waits for it, ends it. It dies with the testbed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from testbed.concurrency import shield, wait_until
from testbed.errors import ServiceError, WaitError
from testbed.journal.shortages import last_words
from testbed.runtime.credentials import AUTHENTICATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.runtime.owner import Owner

LAUNCH = Path(__file__).with_name("launch.py")
POLL_S = 0.005
END_WITHIN_S = 10.0
LAST_LINES = 15
LAST_BYTES = 1 << 20  # of a log, in which they are looked for
# What a process of another user gets of our environment. Whoever is that user can read all of it, and root's may have passwords.
FOR_OTHERS = re.compile(r"PATH|LANG|LANGUAGE|LC_\w+|TZ|(DY)?LD_LIBRARY_PATH")


class ProcessHandle(Protocol):
    """What a `Child` needs of a process, whatever started it: `subprocess.Popen` has it."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, or minus the signal that ended it; None while it runs."""

    def send_signal(self, sig: int, /) -> None:
        """Send a signal."""


def proc_state(pid: int) -> str | None:
    """Return the letter of a process's state by Linux' /proc, such as `T` for one that is stopped; None where that is not told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]  # proc(5); the command's name may contain brackets
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class Child:
    """A process, its name, and the file that takes its lines."""

    name: str
    process: ProcessHandle
    log: Path

    @property
    def pid(self) -> int | None:
        """The process id; None when it has ended."""
        return self.process.pid if self.process.poll() is None else None

    @property
    def is_stopped(self) -> bool:
        """Whether the system says that it is stopped (SIGSTOP)."""
        pid = self.pid
        if pid is None:
            return False
        state = proc_state(pid)
        if state is None:
            state = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
        return state.startswith("T")

    @property
    def ending(self) -> str:
        """How it ended: `exit code 3`, or `SIGKILL`."""
        code = self.process.poll()
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"

    def last_lines(self, count: int = LAST_LINES) -> str:
        """Return the last lines that it wrote, or the one that says what it lacked; an empty string when it wrote none."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - LAST_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return last_words(lines, count)

    def signal(self, number: int) -> None:
        """Send a signal; does nothing when the process has ended."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def wait_exit(self, within_s: float) -> bool:
        """Wait until it has ended; return False when that takes longer than `within_s` seconds."""
        try:
            await wait_until(f"{self.name} did not end", self._running, within_s, every_s=POLL_S)
        except WaitError:
            return False
        return True

    async def _running(self) -> str | None:
        return None if self.pid is None else f"pid {self.pid} runs"

    async def wait_done(self, within_s: float) -> None:
        """Wait until it has ended by itself with exit code 0; it is killed when the wait is cancelled.

        Raises ServiceError with its last lines when it fails, or runs for longer than `within_s` seconds.
        """
        try:
            done = await self.wait_exit(within_s)
        finally:
            await shield(self.end(signal.SIGKILL, END_WITHIN_S))
        if not done:
            raise ServiceError(f"{self.name} was not done within {within_s:g} s:\n{self.last_lines()}")
        if self.process.poll() != 0:
            raise ServiceError(f"{self.name} failed with {self.ending}:\n{self.last_lines()}")

    async def end(self, orderly: int, within_s: float) -> bool:
        """Send the orderly signal, and SIGKILL when it still runs after `within_s` seconds; return whether it ended before.

        Raises ServiceError when it survives SIGKILL for as long.
        """
        self.signal(signal.SIGCONT)  # a stopped process handles no other signal but SIGKILL
        self.signal(orderly)
        if await self.wait_exit(within_s):
            return True
        self.signal(signal.SIGKILL)
        if not await self.wait_exit(within_s):
            raise ServiceError(f"{self.name} (pid {self.process.pid}) still runs {within_s:.0f} s after SIGKILL")
        return False


def spawn(
    name: str,
    command: Sequence[str],
    log: Path,
    *,
    owner: Owner | None = None,
    death_signal: int = signal.SIGKILL,
    pass_fds: tuple[int, ...] = (),
    lock_fd: int = -1,
    stdin_fd: int = subprocess.DEVNULL,
) -> Child:
    """Start a command that dies with this process, in a session of its own.

    Call it from the main thread only: the kernel sends the death signal when the *thread* that forked is gone. Its lines go to the log,
    which only this user can read, and its standard input is empty unless it is given one. Raises ServiceError when it cannot be started or
    its log cannot be written.
    """
    try:
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as lines:
            process = subprocess.Popen(
                launched(command, owner=owner, death_signal=death_signal, lock_fd=lock_fd),
                stdin=stdin_fd,
                stdout=lines,
                stderr=lines,
                env=environment(owner),
                pass_fds=(*pass_fds, lock_fd) if lock_fd != -1 else pass_fds,
                start_new_session=True,  # Ctrl-C at the terminal reaches the testbed alone, which then ends its children in order
            )
    except OSError as error:
        raise ServiceError(f"{name} cannot be started: {error}") from error
    return Child(name, process, log)


def launched(command: Sequence[str], *, owner: Owner | None, death_signal: int = signal.SIGKILL, lock_fd: int = -1) -> list[str]:
    """Return the command that prepares with launch.py and then becomes `command`."""
    uid, gid = (owner.uid, owner.gid) if owner else (-1, -1)
    preparations = (os.getpid(), int(death_signal), uid, gid, lock_fd)
    return [sys.executable, "-I", "-S", str(LAUNCH), *map(str, preparations), "--", *command]


def python(module: str, *arguments: str) -> list[str]:
    """Return the command, for `spawn`, that runs a module in the testbed's own Python."""
    return [sys.executable, "-P", "-m", module, *arguments]  # without the working directory: a random.py there is not ours


def environment(owner: Owner | None = None) -> dict[str, str]:
    """Return the environment of a child: ours, without what would change the facility; of another owner's, no more than it needs.

    Left out are web proxies, because everything is on loopback; libpq's defaults (PGHOST, PGSSLMODE, …), because the settings are complete;
    and PYTHONWARNINGS, which is for tests of our own code. Modules are found where this process finds them. A client of PostgreSQL logs in
    only where the server proves that it knows the password, whatever its connection string says (libpq from 16 on; see `sql.conninfo`).
    """
    if owner is not None:
        passed = {name: value for name, value in os.environ.items() if FOR_OTHERS.fullmatch(name)}
        return {**passed, "HOME": owner.home, "PGREQUIREAUTH": AUTHENTICATION}
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PG") and not name.lower().endswith("_proxy")}
    variables.pop("PYTHONWARNINGS", None)
    variables["PGREQUIREAUTH"] = AUTHENTICATION
    variables["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in sys.path)
    return variables
