"""Lets in who brings the token of a run, so that nobody else sends requests or takes the testbed's place at these processes.

Whoever can connect can stand at the door. They are looked at side by side, so that one who says nothing holds up nobody, and at most
`AT_THE_DOOR` of them: the one who has stood there for longest goes when another comes. The testbed sends its token as soon as it is
connected, long before so many others have come; on a machine with a load of 24 it was seen to take more than two seconds.
"""

from __future__ import annotations

import hmac
import selectors
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

WITHIN_S = 10.0
AT_THE_DOOR = 256


def greeting(token_file: Path | None) -> bytes:
    """Return what the testbed sends first; raises OSError when the token cannot be read."""
    return b"" if token_file is None else token_file.read_bytes().strip() + b"\n"


def accept(listener: socket.socket, token_file: Path | None) -> socket.socket:
    """Return the next connection that brings the token of the file, or just the next one; others are closed."""
    if token_file is None:
        return listener.accept()[0]
    with selectors.DefaultSelector() as looking:
        door = Door(listener, token_file, looking)
        try:
            return door.let_in()
        finally:
            door.close()


@dataclass(eq=False, slots=True)
class Visitor:
    """A connection that has not brought the token yet; `since_s` is of the monotonic clock."""

    connection: socket.socket
    since_s: float = field(default_factory=time.monotonic)
    brought: bytes = b""

    def has_said(self, length: int) -> bool:
        """Read what has come, up to a length; return whether it is all there, or nothing more will come."""
        try:
            received = self.connection.recv(length - len(self.brought))
        except BlockingIOError:
            return False
        except OSError:
            return True
        self.brought += received
        return not received or len(self.brought) == length


@dataclass(slots=True)
class Door:
    """Those who stand at the door, in the order in which they came."""

    listener: socket.socket
    token_file: Path
    looking: selectors.BaseSelector
    standing: dict[int, Visitor] = field(default_factory=dict)  # by descriptor

    def let_in(self) -> socket.socket:
        """Wait for the one who brings the token, and return the connection. Raises OSError when the listening socket is closed."""
        self.listener.setblocking(False)  # who has gone away again is not waited for
        self.looking.register(self.listener, selectors.EVENT_READ)
        while True:
            for key, _ in self.looking.select(self._patience_s()):
                visitor = self.standing.get(key.fd)
                if key.fileobj is self.listener:
                    self._come()
                elif visitor is not None and self._is_ours(visitor):
                    self._forget(visitor)
                    visitor.connection.setblocking(True)
                    return visitor.connection
            for visitor in [visitor for visitor in self.standing.values() if visitor.since_s + WITHIN_S <= time.monotonic()]:
                self._send_away(visitor)

    def _patience_s(self) -> float | None:
        """Return for how long the one who came first may still say nothing."""
        first = next(iter(self.standing.values()), None)
        return None if first is None else max(0.0, first.since_s + WITHIN_S - time.monotonic())

    def _come(self) -> None:
        with suppress(BlockingIOError, ConnectionError):
            connection, _ = self.listener.accept()
            connection.setblocking(False)
            if len(self.standing) == AT_THE_DOOR:
                self._send_away(next(iter(self.standing.values())))
            self.standing[connection.fileno()] = Visitor(connection)
            self.looking.register(connection, selectors.EVENT_READ)

    def _is_ours(self, visitor: Visitor) -> bool:
        """Read what a visitor says; one who has said something else is sent away."""
        try:
            expected = greeting(self.token_file)
        except OSError:  # a token that cannot be read lets in nobody
            expected = b""
        if len(expected) > 1 and not visitor.has_said(len(expected)):
            return False
        if len(expected) > 1 and hmac.compare_digest(visitor.brought, expected):
            return True
        self._send_away(visitor)
        return False

    def _send_away(self, visitor: Visitor) -> None:
        self._forget(visitor)
        visitor.connection.close()

    def _forget(self, visitor: Visitor) -> None:
        self.looking.unregister(visitor.connection)
        del self.standing[visitor.connection.fileno()]

    def close(self) -> None:
        """Send away all who still stand there."""
        for visitor in list(self.standing.values()):
            self._send_away(visitor)
        with suppress(OSError):  # it is closed
            self.listener.setblocking(True)
