"""A client's connection and the one to the upstream, with a link each way."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from testbed.faultproxy.activity import Activity, Traffic
from testbed.faultproxy.toxic_link import ConnectionControl, ToxicLink

if TYPE_CHECKING:
    from testbed.faultproxy.stage import NamedToxic

NO_LINGER = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # on, zero seconds: close sends RST
KEEPALIVE_S = 15  # as Toxiproxy's, which is Go's: a peer that vanished without a word is noticed within minutes
UPSTREAM = "upstream"
DOWNSTREAM = "downstream"


class Connection:
    """Two sockets and the two links between them. Its maker closes the sockets. `traffic` is by stream, `keepalive_s` as in `Proxy`."""

    def __init__(self, client: socket.socket, upstream: socket.socket, traffic: dict[str, Traffic], keepalive_s: int = KEEPALIVE_S) -> None:
        self._ends = (client, upstream)
        now_s = asyncio.get_running_loop().time()
        activity = Activity(now_s, now_s)
        control = ConnectionControl(self.abort, self.reset, self._hang_up)
        self.links = {
            UPSTREAM: ToxicLink(client, upstream, activity, traffic[UPSTREAM], control),
            DOWNSTREAM: ToxicLink(upstream, client, activity, traffic[DOWNSTREAM], control),
        }
        for end in self._ends:
            _set_options(end, options(keepalive_s))

    async def run(self, toxics: list[NamedToxic]) -> None:
        """Pass bytes both ways until both directions have ended, which may be one long after the other."""
        for toxic in toxics:
            self.link_of(toxic).add(toxic)
        try:
            async with asyncio.TaskGroup() as group:
                readers = [group.create_task(link.run()) for link in self.links.values()]
                for link in self.links.values():
                    await link.wait_done()
                for reader in readers:
                    reader.cancel()
        finally:
            for link in self.links.values():
                await link.stop()

    def link_of(self, toxic: NamedToxic) -> ToxicLink:
        """Return the direction that a toxic is for."""
        return self.links[toxic.stream.lower()]

    def abort(self) -> None:
        """Close both sides at once. What a peer has not read by then may be lost to it."""
        self._abandon()
        for end in self._ends:
            send_end(end)

    def reset(self) -> None:
        """Reset both sides: unsent data is thrown away and the peers get RST."""
        self._abandon()
        for end in self._ends:
            _set_options(end, (NO_LINGER,))

    def _abandon(self) -> None:
        for link in self.links.values():
            link.abandon()

    def _hang_up(self, closed: ToxicLink) -> None:
        for link in self.links.values():
            if link is not closed:
                link.hang_up()


def options(keepalive_s: int) -> tuple[tuple[int, int, int], ...]:
    """Return the options of both sockets of a connection."""
    names = [name for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL") if hasattr(socket, name)]  # not every system has them
    return (
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *((socket.IPPROTO_TCP, getattr(socket, name), keepalive_s) for name in names),
    )


def send_end(end: socket.socket) -> None:
    """Send the end of a stream before a socket is closed: closing alone sends RST where something is still unread."""
    with suppress(OSError):  # the peer may be gone already
        end.shutdown(socket.SHUT_WR)


def _set_options(end: socket.socket, values: tuple[tuple[int, int, int | bytes], ...]) -> None:
    with suppress(OSError):  # the peer may be gone already
        for option in values:
            end.setsockopt(*option)
