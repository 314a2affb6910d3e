"""Call deadline: a call takes only so long as a whole, however many bytes of its answer come. `requests` has no such limit.

The read time-out of `requests` starts anew with each byte, so an answer of which a byte comes every second is waited for to its end. Here
each wait of a call, for a free connection, for the connect, for each write and each read, is as long as what is left of the deadline, if
its own time-out is not shorter. A retry begins no attempt after it, but its last wait for one may pass it, by `retry_wait_s` at most.
The look-up of a host's name is the system's, and has no time-out.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection

from flight_search.stability import deadline
from flight_search.stability.call import CallDeadlineExceeded, FacilityFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests.adapters import HTTPAdapter
    from urllib3.connectionpool import HTTPConnectionPool

    from flight_search.stability.call import Call, FacilityAnswer, SendCall


class CallDeadline:
    """Gives each call `limit_s` seconds as a whole; raises CallDeadlineExceeded for one that failed and has used them up."""

    def __init__(self, send: SendCall, limit_s: float) -> None:
        self._send = send
        self._limit_s = limit_s

    def __call__(self, call: Call) -> FacilityAnswer:
        """Send a call, and wait until its deadline at the longest."""
        with deadline.limited(self._limit_s):
            try:
                return self._send(call)
            except FacilityFailed as error:
                if not deadline.is_over():
                    raise
                raise CallDeadlineExceeded(f"{call.operation}: no whole answer within {self._limit_s:.2f} s; the last: {error}") from error


def bind(adapter: HTTPAdapter) -> None:
    """Let the connections that an adapter opens from now on wait no longer than the deadline of the call that uses them."""
    make = adapter.poolmanager.pool_classes_by_scheme["http"]

    def pool(*args: Any, **kwargs: Any) -> HTTPConnectionPool:
        made: HTTPConnectionPool = make(*args, **kwargs)
        made.ConnectionCls = _DeadlineConnection
        return made

    adapter.poolmanager.pool_classes_by_scheme = {"http": pool}


class _DeadlineConnection(HTTPConnection):
    """A connection whose connect, writes and reads end at the deadline."""

    def connect(self) -> None:
        self.timeout = deadline.within(self.timeout)
        super().connect()
        plain = self.sock
        timeout_s = plain.gettimeout()
        self.sock = _DeadlineSocket(plain.family, plain.type, plain.proto, plain.detach())
        self.sock.settimeout(timeout_s)  # at once: until then the kernel's socket does not wait, and Python's does


class _DeadlineSocket(socket.socket):
    """A socket whose every read and write ends at the deadline of the call that makes it; without one, at its own time-out."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        with self._limited():
            return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        with self._limited():
            super().sendall(*args, **kwargs)

    @contextmanager
    def _limited(self) -> Iterator[None]:
        own_s = self.gettimeout()
        limit_s = deadline.within(own_s)
        if limit_s == own_s:
            yield
            return
        if not limit_s:  # a time-out of 0 would mean not to wait, and raise another error
            raise TimeoutError("the deadline of the call is over")
        self.settimeout(limit_s)
        try:
            yield
        finally:
            self.settimeout(own_s)
