"""The last stage of a link: the socket that its bytes leave by."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbed.faultproxy.activity import Traffic
    from testbed.faultproxy.stream import Chunk


class SocketSink:
    """Sends chunks, and then the end of the stream, to a socket. `done` is set when nothing more will leave.

    With `closing` set, the end of the stream also closes the other direction, by `hang_up`.
    """

    def __init__(self, target: socket.socket, traffic: Traffic, hang_up: Callable[[], None]) -> None:
        self.done = asyncio.Event()
        self.closing = False
        self._target = target
        self._traffic = traffic
        self._hang_up = hang_up
        self._is_sending = False
        self._is_abandoned = False
        self._ended = False

    async def put(self, chunk: Chunk) -> bool:
        """Send a chunk, waiting while the peer is slow to read; raises OSError when the peer is gone."""
        if self.done.is_set():
            raise ConnectionResetError("the connection is closed")
        with self.sending():
            try:
                await asyncio.get_running_loop().sock_sendall(self._target, chunk.data)
            except OSError:
                self.done.set()
                raise
        self._traffic.sent_bytes += len(chunk.data)
        return True

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Delay an end that is passed on meanwhile until the block ends: it comes after what is being sent."""
        self._is_sending = True
        try:
            yield
        finally:
            self._is_sending = False
            if self._ended:
                self.end()

    def end(self) -> None:
        """Pass the end of the stream on; if the connection is to be closed, end the other direction, too."""
        self._ended = True
        if self._is_sending or self._is_abandoned:
            return
        if self.closing or not self.done.is_set():
            with suppress(OSError):  # the peer may be gone, and then needs no end
                self._target.shutdown(socket.SHUT_RDWR if self.closing else socket.SHUT_WR)
        self.done.set()
        if self.closing:
            self._hang_up()

    def abandon(self) -> None:
        """Send nothing more, not even an end: the peer would see an end before a RST, and not the RST."""
        self._is_abandoned = True
        self.done.set()
