"""The control socket of a running facility: a Unix socket at a path that every command of the same user knows, by the facility's name.

Nothing here waits for the process that holds the facility: it may be stopped, and then accepts no connection, but the kernel makes them
until `BACKLOG` wait.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import struct
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import FacilityError, UsageError
from testbed.runtime import user_home

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX = ".sock"
DEFAULT = "facility"
NAME = re.compile(r"[a-z][a-z0-9_-]{0,19}")
BACKLOG = 16
ANSWERS_WITHIN_S = 15.0  # a facility that is at work on a command says so every second
POLL_S = 0.05
NOT_RUNNING = "no facility is running; start one with `testbed up`"
PEER_CREDENTIALS = struct.Struct("3i")  # of Linux: process, user, group


def home() -> Path:
    """Return the directory of the sockets. TMPDIR moves it; how much memory is free does not, unlike that of run directories."""
    return user_home.below(tempfile.gettempdir())


def path(name: str = DEFAULT) -> Path:
    """Return the socket's path of a facility; raises UsageError for what is no name."""
    if not NAME.fullmatch(name):
        raise UsageError(f"--name: found {name[:60]!r}; allowed: up to 20 of a-z, 0-9, _ and -, beginning with a letter")
    return home() / f"{name}{SUFFIX}"


def running() -> tuple[str, ...]:
    """Return the names of this user's running facilities.

    What killed ones left is removed: processes, run directories (their arrays take memory), sockets, and the home with the last of them.
    """
    sockets = _sockets()
    living = [socket_path for socket_path in sockets if _is_alive(socket_path)]
    if len(living) < len(sockets):
        from testbed.runtime import run_directory  # noqa: PLC0415 - it takes longer to import than a command takes

        run_directory.sweep()  # before the sockets: only they tell that there is something
        sweep()
    return tuple(map(_name, living))


def sweep() -> tuple[str, ...]:
    """Remove the sockets of facilities that were killed, and the home with the last of them; return their names."""
    return tuple(_name(socket_path) for socket_path in _sockets() if not _is_alive(socket_path) and _remove_dead(socket_path))


def _sockets() -> list[Path]:
    """Return the sockets of this user's facilities, of those that were killed, too."""
    return user_home.found(home(), f"*{SUFFIX}") if user_home.is_ours(home()) else []


def _name(socket_path: Path) -> str:
    return socket_path.name.removesuffix(SUFFIX)


@contextmanager
def claim(name: str = DEFAULT) -> Iterator[socket.socket]:
    """Listen on the control socket of a name, which only this user may open, until the end of the block.

    The socket of a facility that was killed is replaced. Raises FacilityError when another facility listens there, or when the socket
    cannot be created.
    """
    socket_path = path(name)
    try:
        listener = _listen(socket_path)
    except OSError as error:
        raise FacilityError(
            f"cannot create a socket at {socket_path}: {error.strerror or error}; set TMPDIR to another directory"
        ) from error
    try:
        yield listener
    finally:
        listener.close()
        _remove_dead(socket_path)


def _remove_dead(socket_path: Path) -> bool:
    """Remove a socket at which nobody listens, and the home if that was the last in it; return whether it was removed."""
    removed = False
    with suppress(OSError), _locked(socket_path.parent):
        if not _is_alive(socket_path):  # or else the next facility has taken it over
            socket_path.unlink()
            removed = True
            socket_path.parent.rmdir()  # fails while a run directory is in it
    return removed


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    lock_fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock_fd)


def _listen(socket_path: Path) -> socket.socket:
    while True:
        user_home.make(socket_path.parent)
        with suppress(FileNotFoundError):  # another testbed, the last to use the directory, has just removed it
            return _listen_unless_taken(socket_path)


def _listen_unless_taken(socket_path: Path) -> socket.socket:
    """Check that nobody listens, then listen, both under a lock: of two that do this at once, one finds the other."""
    with _locked(socket_path.parent):
        if _is_alive(socket_path):
            raise FacilityError(
                f"a facility is already running as {_name(socket_path)}; `testbed status` shows it, `testbed down` takes it down, and "
                "`testbed up --name NAME` starts another beside it"
            )
        socket_path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)  # set before `bind`: at no moment may another user open it
        try:
            listener.bind(str(socket_path))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(before)
        return listener


def _is_alive(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as trial:
        trial.setblocking(False)
        try:
            trial.connect(str(socket_path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:  # as many as can wait already do
            return True
    return True


def connect(name: str) -> socket.socket:
    """Return a connection to a running facility of this user, on which nothing is waited for longer than `ANSWERS_WITHIN_S`.

    Raises FacilityError when none of this name is running, when it takes no more connections, or when somebody else listens there: nothing
    was sent then.
    """
    socket_path = path(name)
    if os.path.lexists(socket_path.parent) and not user_home.is_ours(socket_path.parent):
        raise FacilityError(f"{socket_path.parent} belongs to another user; nothing was sent. Set TMPDIR as for `testbed up`")
    connection = socket.socket(socket.AF_UNIX)
    try:
        _connect_within(connection, socket_path)
    except BlockingIOError as error:
        connection.close()
        raise FacilityError(
            f"the facility {name} does not answer: {BACKLOG} connections wait at {socket_path}; if its process is stopped, continue it"
        ) from error
    except OSError as error:
        connection.close()
        others = running()
        there = f"no facility is running as {name}; there are {', '.join(others)}" if others else NOT_RUNNING
        raise FacilityError(there) from error
    _, listener = _peer(connection)
    if listener not in (None, os.getuid()):
        connection.close()
        raise FacilityError(f"another user, number {listener}, listens at {socket_path}; nothing was sent")
    return connection


def _connect_within(connection: socket.socket, socket_path: Path) -> None:
    """Connect, and set the limit of what is waited for; raises OSError, a BlockingIOError when it is full until the limit."""
    connection.settimeout(ANSWERS_WITHIN_S)
    until_s = time.monotonic() + ANSWERS_WITHIN_S
    while True:
        try:
            return connection.connect(str(socket_path))
        except BlockingIOError:  # of a Unix socket it comes at once, whatever the time-out
            if time.monotonic() > until_s:
                raise
            time.sleep(POLL_S)


def silence(connection: socket.socket, name: str) -> str:
    """Return what to say of a facility that does not answer: who holds it, and what to do."""
    pid, _ = _peer(connection)
    holder = f"process {pid}, which holds it," if pid else "the process that holds it"
    advice = f"`ps -o stat= -p {pid}` says T, `kill -CONT {pid}` continues it" if pid else "it is stopped, continue it"
    return f"the facility {name} does not answer: {holder} has said nothing for {ANSWERS_WITHIN_S:.0f} s; if {advice}"


def _peer(connection: socket.socket) -> tuple[int | None, int | None]:
    """Return the process and the number of the user that listens at the other end; None where the system does not tell."""
    if sys.platform != "linux":
        return None, None
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER_CREDENTIALS.size)
    pid, user, _ = PEER_CREDENTIALS.unpack(told)
    return pid, user
