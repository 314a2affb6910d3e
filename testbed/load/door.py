"""Lets in who brings the token of a run, so that nobody else sends requests or takes the testbed's place at these processes."""

from __future__ import annotations

import hmac
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

WITHIN_S = 2.0  # the testbed sends it at once


def greeting(token_file: Path | None) -> bytes:
    """Return what the testbed sends first; raises OSError when the token cannot be read."""
    return b"" if token_file is None else token_file.read_bytes().strip() + b"\n"


def accept(listener: socket.socket, token_file: Path | None) -> socket.socket:
    """Return the next connection that brings the token of the file, or just the next one; others are closed."""
    while True:
        connection, _ = listener.accept()
        if token_file is None or _brings(connection, token_file):
            return connection
        connection.close()


def _brings(connection: socket.socket, token_file: Path) -> bool:
    brought = b""
    with suppress(OSError):  # a token that cannot be read lets in nobody; so does a connection that brings nothing in time
        expected = greeting(token_file)
        connection.settimeout(WITHIN_S)
        while len(brought) < len(expected) and (received := connection.recv(len(expected) - len(brought))):
            brought += received
        connection.settimeout(None)
        return len(expected) > 1 and hmac.compare_digest(brought, expected)
    return False
