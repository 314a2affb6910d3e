"""A crowd: thousands of requests at once to one front door, each on a connection of its own that stays open (W6).

    python -m testbed.load.burst LISTEN_FD

It is a process of its own, so that its sockets and its work are not the testbed's. It takes one connection at the listening
socket that it is handed. Over that comes a line of JSON, an `Order`; it opens that many connections, at most `CONNECTING`
of them at a time, and answers with what came of it (`Told`); after the next line it sends its request over every one of
them, and answers with how each has ended when all have or `within_s` is over. Its connections stay open until the
end of that connection, which is its own, too: it resets them all, so that no port stays behind.
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
from typing import TYPE_CHECKING

from testbed.facility.burst import BurstResult, BurstSpec
from testbed.observe.probe import is_http

if TYPE_CHECKING:
    from collections.abc import Sequence


CONNECTING = 128  # under way at a time: a listen queue takes as many, and who finds it full waits a second


OPEN_WITHIN_S = 30.0


SPARE_FILES = 20  # beside a socket for each request: its log, its libraries


POLL_S = 0.1


READ_BYTES = 1 << 16


RESET = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)  # SO_LINGER, for no time at all: a close is a reset


class Sockets:
    """The connections of a crowd, by their descriptors, and what is known of each."""

    def __init__(self, order: BurstSpec) -> None:
        self._order = order
        self._request = order.request.encode()
        self._open: dict[int, socket.socket] = {}
        self._received: dict[int, bytes] = {}
        self._waiting = selectors.DefaultSelector()  # not poll(2), which would look at all of them for each

    def open(self) -> BurstResult:
        """Open them, some at a time; raises OSError when the system has no more sockets or ports."""
        began_s, ended = time.monotonic(), Counter[str]()
        connecting: dict[int, socket.socket] = {}
        left = self._order.requests
        while (left or connecting) and time.monotonic() - began_s < OPEN_WITHIN_S:
            while left and len(connecting) < CONNECTING:
                one = socket.socket()
                one.setblocking(False)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                connecting[one.fileno()] = one
                left -= 1
                code = one.connect_ex((self._order.host, self._order.port))
                if code not in (0, errno.EINPROGRESS, errno.ECONNREFUSED):
                    raise OSError(code, os.strerror(code))
                self._waiting.register(one, selectors.EVENT_WRITE)
            for key, _ in self._waiting.select(POLL_S):
                self._waiting.unregister(key.fileobj)
                one = connecting.pop(key.fd)
                if one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    ended["refused"] += 1
                    one.close()
                else:
                    self._open[key.fd] = one
        for one in connecting.values():
            self._waiting.unregister(one)
            one.close()
        ended["open"], ended["unconnected"] = len(self._open), len(connecting) + left
        return BurstResult(dict(ended), time.monotonic() - began_s, len(self._open))

    def ask(self) -> BurstResult:
        """Send over every one of them, and wait for every answer."""
        began_s, ended = time.monotonic(), Counter[str]()
        for fd, one in self._open.items():
            try:
                one.sendall(self._request)  # shorter than any socket's buffer
            except OSError:
                ended["reset"] += 1
                continue
            self._received[fd] = b""
            self._waiting.register(one, selectors.EVENT_READ)
        at_once = len(self._received) - len(self._waiting.select(0))
        last_s = began_s
        while self._received and time.monotonic() - began_s < self._order.within_s:
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
        """Read what is there; gives how the request has ended, or an empty text."""
        try:
            some = self._open[fd].recv(READ_BYTES)
        except OSError:
            return "reset"
        if not some:
            return "closed"
        self._received[fd] += some
        if not is_http(self._received[fd]):
            return ""
        return "answered" if self._received[fd].split(b" ", 2)[1] < b"400" else "failed"

    def close(self) -> None:
        """Reset them all."""
        self._waiting.close()
        for one in self._open.values():
            one.close()


def _require_files(requests: int) -> None:
    """Ask for as many open files as may be had; raises OSError when these are too few."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = requests + SPARE_FILES
    if most != resource.RLIM_INFINITY and most < needed:
        raise OSError(errno.EMFILE, f"the limit is {most} open files in a process, and {needed} are needed; raise it: ulimit -n {needed}")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))


def main(argv: Sequence[str]) -> None:
    """Run the process; see the module's docstring for what it reads and writes."""
    with socket.socket(fileno=int(argv[0])) as listener:
        connection, _ = listener.accept()
    with connection, connection.makefile("rw", encoding="utf-8") as lines:
        order = BurstSpec(**json.loads(lines.readline()))
        sockets = Sockets(order)

        def tell(told: BurstResult) -> None:
            lines.write(json.dumps(asdict(told)) + "\n")
            lines.flush()

        try:
            _require_files(order.requests)
            tell(sockets.open())
        except OSError as error:
            tell(BurstResult(error=f"{order.requests} sockets to {order.host}:{order.port} cannot be had: {error.strerror}"))
            return
        if lines.readline():
            tell(sockets.ask())
        lines.readline()  # the end: until then they stay open
        sockets.close()


if __name__ == "__main__":
    main(sys.argv[1:])
