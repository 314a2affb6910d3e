"""The control socket of a running facility: a Unix socket at a path that every command of the same user knows."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.runtime import user_home

if TYPE_CHECKING:
    from collections.abc import Iterator

SOCKET = "control.sock"
BACKLOG = 16
NOT_RUNNING = "no facility is running; start one with `testbed up`"


def path() -> Path:
    """Return the socket's path. TMPDIR moves it; how much memory is free does not, unlike the path of run directories."""
    return user_home.below(tempfile.gettempdir()) / SOCKET


@contextmanager
def claim() -> Iterator[socket.socket]:
    """Listen on the control socket, which only this user may open, until the end of the block.

    The socket of a facility that was killed is replaced. Raises FacilityError when another facility listens there, or when the socket
    cannot be created.
    """
    socket_path = path()
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
        with suppress(OSError), _locked(socket_path.parent):
            if not _is_alive(socket_path):  # or else the next facility has taken it over: nobody listened there any more
                socket_path.unlink()
                socket_path.parent.rmdir()  # fails while a run directory is in it


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
            raise FacilityError("a facility is already running; `testbed status` shows it, and `testbed down` takes it down")
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
        try:
            trial.connect(str(socket_path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def connect() -> socket.socket:
    """Return a connection to the running facility; raises FacilityError when none is running."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path()))
    except OSError as error:
        connection.close()
        raise FacilityError(NOT_RUNNING) from error
    return connection
