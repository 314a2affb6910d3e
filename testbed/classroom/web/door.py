"""The door: what a connection may do before and beside its orders, whoever has made it and whatever comes over it.

Whoever connects and says nothing, sends headers or control frames without end, or takes nothing of what is sent, is closed; one machine
has a part of all connections, and never all. What is in bounds goes on to uvicorn as it is.
"""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent
    from websockets.frames import Frame

MOST_CONNECTIONS = 500  # of all machines; half of them of one, which may stand for a class behind one address
PART_OF_ONE = 2
PART_OF_FILES = 2  # half of what this process may open is the facility's
LONGEST_REQUEST_S = 60.0  # from a connection to its end, unless it has become a WebSocket: a page's files take no longer
CHECK_EVERY_S = 10.0
A_SECOND, AT_ONCE = 10, 40  # messages of one browser: how many it may send for long, and how many at once
SLICE = 4_096  # bytes: what is taken in at a time, so that nobody waits for a chunk of forty thousand empty frames
LONGEST_FAREWELL = 1_024  # bytes: a reply to a close frame is shorter, and what is longer is not read any more


@dataclass(slots=True)
class Allowance:
    """How many messages somebody may still send before they have to wait; seconds of the event loop's clock."""

    a_second: float = A_SECOND
    at_once: float = AT_ONCE
    left: float = field(init=False)
    at_s: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    def __post_init__(self) -> None:
        self.left = self.at_once

    def count(self) -> float:
        """Count one more, and return for how many seconds it has to wait."""
        now_s = asyncio.get_running_loop().time()
        self.left = min(self.at_once, self.left + (now_s - self.at_s) * self.a_second) - 1.0
        self.at_s = now_s
        return max(0.0, -self.left / self.a_second)

    async def wait(self) -> None:
        """Wait until one more may be sent, and count it."""
        if (wait_s := self.count()) > 0.0:
            await asyncio.sleep(wait_s)


def most_connections() -> int:
    """Return how many connections there may be at a time, by how many files this process may open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if files == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, files // PART_OF_FILES)


class HttpDoor(H11Protocol):
    """A connection that speaks HTTP: its headers have a bound, which h11 keeps, and so has its life."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Serve it, unless there are too many, or too many of its machine."""
        super().connection_made(transport)
        host, most = _host(self), most_connections()
        if len(self.connections) > most or sum(_host(each) == host for each in self.connections) > most // PART_OF_ONE:
            transport.abort()
        else:
            self._late = self.loop.call_later(LONGEST_REQUEST_S, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def _end(self) -> None:
        if self in self.connections:  # it has not become a WebSocket
            self.transport.abort()


def _host(connection: object) -> str:
    """Return the address of the machine that a connection comes from."""
    client = getattr(connection, "client", None)
    return client[0] if client else ""


class SocketDoor(WebSocketsSansIOProtocol):
    """A WebSocket: nothing of it is taken in faster than the application takes it, and control frames are counted as messages are."""

    _rest = b""
    _was_closing = False
    _check_again: asyncio.TimerHandle | None = None
    _controls: Allowance

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve it, and look from time to time whether it can still be closed."""
        super().connection_made(transport)
        self._controls = Allowance()
        self._check()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        if self._check_again is not None:
            self._check_again.cancel()
        super().connection_lost(exc)

    def _check(self) -> None:
        """End it where it was to be closed and its browser takes nothing of what is left to be sent: it would stay for ever."""
        if self._was_closing:
            self.transport.abort()
            return
        self._was_closing = self.transport.is_closing()
        self._check_again = self.loop.call_later(CHECK_EVERY_S, self._check)

    def data_received(self, data: bytes) -> None:
        """Take in what has come, in slices; what is too long for a farewell is not looked at any more once it was closed."""
        if not (self.close_sent and len(data) > LONGEST_FAREWELL):
            self._rest += data
            self._take_in()

    def _take_in(self) -> None:
        while self._rest and not self.read_paused and not self.transport.is_closing():
            part, self._rest = self._rest[:SLICE], self._rest[SLICE:]
            super().data_received(part)

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next message, and take in more once there is none left."""
        message = await super().receive()
        self._take_in()
        return message

    def keepalive_timeout(self) -> None:
        """End it where no pong has come; unless that may stand behind orders that are not taken in yet, and its browser takes ours."""
        if self.ping_timeout is not None and (self._rest or self.read_paused) and self.writable.is_set():
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
        else:
            super().keepalive_timeout()

    def handle_ping(self) -> None:
        """Answer a ping, if there are not too many."""
        if self._may_go_on():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Note a pong, if there are not too many."""
        if self._may_go_on():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        """Take in a part of a message, if there are not too many."""
        if self._may_go_on():
            super().handle_cont(event)

    def _may_go_on(self) -> bool:
        if self._controls.count() > 0.0:
            self.transport.abort()
        return not self.transport.is_closing()
