"""A burst, or connection flood: thousands of requests at once to one front door, each on a connection that stays open (W6).

    python -m testbed.load.burst LISTEN_FD [TOKEN_FILE]

It is a process of its own, so that its sockets and its work are not the testbed's. It accepts one connection at the listening
socket that it inherits, as the load generator does, and reads a line of JSON, a `BurstSpec`. It opens that many connections, at
most `CONNECTING` of them at a time, and answers with a `BurstResult`. After the next line it sends its request over every one
of them, and answers with another `BurstResult` when all have ended or `within_s` is over. When the testbed's connection ends,
it resets all of its own, so that no port stays in use, and ends.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import selectors
import socket
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.facility.burst import BurstResult, BurstSpec
from testbed.load.door import accept
from testbed.observe.probe import is_http

if TYPE_CHECKING:
    from collections.abc import Sequence

CONNECTING = 128  # under way at a time: a listen queue takes as many, and a client that finds it full retries after a second
OPEN_WITHIN_S = 30.0
HEADROOM_FILES = 20  # beside a socket for each request: its log, its libraries
POLL_S = 0.1
READ_BYTES = 1 << 16
RESET = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)  # SO_LINGER of 0 s: a close is a reset


class Sockets:
    """The connections of a burst, by their descriptors, and what each has received."""

    def __init__(self, spec: BurstSpec) -> None:
        self._spec = spec
        self._request = spec.request.encode()
        self._open: dict[int, socket.socket] = {}
        self._received: dict[int, bytes] = {}
        self._waiting = selectors.DefaultSelector()  # not poll(2), which would look at all of them for each

    def open(self) -> BurstResult:
        """Open the connections, at most `CONNECTING` at a time; raises OSError when the system has no more sockets or ports."""
        began_s, ended = time.monotonic(), Counter[str]()
        connecting: dict[int, socket.socket] = {}
        left = self._spec.requests
        while (left or connecting) and time.monotonic() - began_s < OPEN_WITHIN_S:
            while left and len(connecting) < CONNECTING:
                connection = socket.socket()
                connection.setblocking(False)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                connecting[connection.fileno()] = connection
                left -= 1
                code = connection.connect_ex((self._spec.host, self._spec.port))
                if code not in (0, errno.EINPROGRESS, errno.ECONNREFUSED):
                    raise OSError(code, os.strerror(code))
                self._waiting.register(connection, selectors.EVENT_WRITE)
            for key, _ in self._waiting.select(POLL_S):
                self._waiting.unregister(key.fileobj)
                connection = connecting.pop(key.fd)
                if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    ended["refused"] += 1
                    connection.close()
                else:
                    self._open[key.fd] = connection
        for connection in connecting.values():
            self._waiting.unregister(connection)
            connection.close()
        ended["open"], ended["unconnected"] = len(self._open), len(connecting) + left
        return BurstResult(dict(ended), time.monotonic() - began_s, len(self._open))

    def ask(self) -> BurstResult:
        """Send the request over every connection, and wait until each has ended, for `within_s` seconds at most."""
        began_s, ended = time.monotonic(), Counter[str]()
        for fd, connection in self._open.items():
            try:
                connection.sendall(self._request)  # shorter than any socket's buffer
            except OSError:
                ended["reset"] += 1
                continue
            self._received[fd] = b""
            self._waiting.register(connection, selectors.EVENT_READ)
        at_once = len(self._received) - len(self._waiting.select(0))
        last_s = began_s
        while self._received and time.monotonic() - began_s < self._spec.within_s:
            for key, _ in self._waiting.select(POLL_S):
                how = self._read(key.fd)
                if how:
                    ended[how] += 1
                    last_s = time.monotonic()
                    del self._received[key.fd]
                    self._waiting.unregister(key.fileobj)
        ended["silent"] = len(self._received)
        return BurstResult(dict(ended), (time.monotonic() if self._received else last_s) - began_s, at_once)

    def _read(self, fd: int) -> str:
        """Read what has come; return how the request has ended, or an empty text while it has not."""
        try:
            chunk = self._open[fd].recv(READ_BYTES)
        except OSError:
            return "reset"
        if not chunk:
            return "closed"
        self._received[fd] += chunk
        if not is_http(self._received[fd]):
            return ""
        return "answered" if self._received[fd].split(b" ", 2)[1] < b"400" else "failed"

    def close(self) -> None:
        """Reset every connection."""
        self._waiting.close()
        for connection in self._open.values():
            connection.close()


def _require_files(requests: int) -> None:
    """Raise the limit of open files to what the burst needs; raises OSError when the hard limit is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = requests + HEADROOM_FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise OSError(errno.EMFILE, f"the limit is {hard} open files in a process, and {needed} are needed; raise it: ulimit -n {needed}")
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def main(argv: Sequence[str]) -> None:
    """Run the process; see the module's docstring for what it reads and writes."""
    with socket.socket(fileno=int(argv[0])) as listener:
        connection = accept(listener, Path(argv[1]) if len(argv) > 1 else None)
    with connection, connection.makefile("rw", encoding="utf-8") as lines:
        spec = BurstSpec(**json.loads(lines.readline()))
        sockets = Sockets(spec)

        def write(result: BurstResult) -> None:
            lines.write(json.dumps(asdict(result)) + "\n")
            lines.flush()

        try:
            _require_files(spec.requests)
            write(sockets.open())
        except OSError as error:
            write(BurstResult(error=f"cannot open {spec.requests} sockets to {spec.host}:{spec.port}: {error.strerror}"))
            return
        if lines.readline():
            write(sockets.ask())
        lines.readline()  # the end: until then they stay open
        sockets.close()


if __name__ == "__main__":
    main(sys.argv[1:])
