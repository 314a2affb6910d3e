"""The door of a facility that is up: a Unix socket at a place that every command of the same user knows."""

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

SOCKET = "by-hand.sock"
BACKLOG = 16
NONE_UP = "no facility is up; start one with `testbed up`"


def path() -> Path:
    """Give the socket's place. TMPDIR moves it; how much memory is free does not, unlike the place of run directories."""
    return user_home.below(tempfile.gettempdir()) / SOCKET


@contextmanager
def claim() -> Iterator[socket.socket]:
    """Listen at the door, which nobody but this user may use, until the end.

    A dead one's socket is taken away. Raises FacilityError when a living one listens there, or when there can be no socket.
    """
    place = path()
    try:
        listener = _listen_at_home(place)
    except OSError as error:
        raise FacilityError(f"no socket can be made at {place}: {error.strerror or error}; set TMPDIR to another directory") from error
    try:
        yield listener
    finally:
        listener.close()
        with suppress(OSError), _locked(place.parent):
            if not _is_alive(place):  # else it is the next one's by now, who saw that nobody listened any more
                place.unlink()
                place.parent.rmdir()  # unless a run directory is in it


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    lock_fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock_fd)


def _listen_at_home(place: Path) -> socket.socket:
    while True:
        user_home.make(place.parent)
        with suppress(FileNotFoundError):  # another testbed was the last to end there, and has removed it
            return _listen(place)


def _listen(place: Path) -> socket.socket:
    """Look whether somebody listens and listen ourselves, under a lock: of two who do this at once, one sees the other."""
    with _locked(place.parent):
        if _is_alive(place):
            raise FacilityError("a facility is up already; `testbed status` shows it, and `testbed down` takes it down")
        place.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)  # so that there is no moment at which it is anybody else's
        try:
            listener.bind(str(place))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(before)
        return listener


def _is_alive(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as trial:
        try:
            trial.connect(str(place))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
    return True


def connect() -> socket.socket:
    """Connect to the facility that is up; raises FacilityError when none is."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path()))
    except OSError as error:
        connection.close()
        raise FacilityError(NONE_UP) from error
    return connection
