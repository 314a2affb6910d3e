"""The packet filter of the processes runtime: a listener whose accept queue is full, and a proxy that forgets idle connections.

The listener comes closest to a firewall that drops packets. A client cannot tell the two apart: the kernel drops each SYN silently,
and the client's kernel retries after 1 s, 3 s, 7 s and so on. What it cannot show: connections that were open before are closed
(RST or FIN), where a firewall leaves them open.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.facility.link import ToxicOn

if TYPE_CHECKING:
    from testbed.facility.address import Address
    from testbed.facility.link import Link

MOST_IN_QUEUE = 16  # Linux accepts one more than the backlog; other kernels a few more
IN_QUEUE_WITHIN_S = 0.2
IDLE_DROP = ToxicOn("idle_drop")


@dataclass(slots=True)
class ProcessPacketFilter:
    """Full accept queues at the addresses of links, and toxics on them. A proxy sees no keep-alive packet: its kernel answers it."""

    keepalives_s: float | None = None
    _sockets: dict[str, list[socket.socket]] = field(default_factory=dict)

    async def drop(self, name: str, link: Link) -> None:
        """Replace the link's proxy with a listener that never accepts; raises FacilityError when the address cannot be had."""
        await link.disable()
        opened: list[socket.socket] = []
        self._sockets[name] = opened
        try:
            await asyncio.to_thread(_fill, link.address, opened)
        except OSError as error:
            raise FacilityError(f"cannot occupy {link.address} with a listener that never accepts: {error.strerror or error}") from error

    async def accept(self, name: str, link: Link) -> None:
        """Close the listener, and enable the proxy again."""
        for opened in self._sockets.pop(name, []):
            opened.close()
        await link.enable()

    async def forget_idle(self, name: str, link: Link, idle_s: float) -> float:  # noqa: ARG002 - the protocol's signature
        """Add the toxic that is a true idle timer to the link's proxy; return its limit."""
        await link.add_toxic(IDLE_DROP.kind, {"timeout": round(idle_s * 1000)}, IDLE_DROP.stream)
        return idle_s

    async def wait_forgotten(self, name: str, link: Link, limit_s: float) -> None:
        """Return at once: the toxic counts from the last byte, also of a connection that was there before."""

    async def keep_idle(self, name: str, link: Link) -> None:  # noqa: ARG002 - the protocol's signature
        """Remove the toxic."""
        if str(IDLE_DROP) in await link.toxics():
            await link.remove_toxic(IDLE_DROP.kind, IDLE_DROP.stream)

    async def left(self) -> tuple[str, ...]:
        """Return the links whose listener still never accepts. Toxics are listed by their links."""
        return tuple(f"attempts to connect to {name} are dropped" for name in self._sockets)


def _fill(address: Address, opened: list[socket.socket]) -> None:
    """Listen with the smallest accept queue, and connect until a connection times out."""
    listener = socket.socket()
    opened.append(listener)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address.host, address.port))
    listener.listen(0)
    for _ in range(MOST_IN_QUEUE):
        client = socket.socket()
        opened.append(client)
        client.settimeout(IN_QUEUE_WITHIN_S)
        try:
            client.connect((address.host, address.port))
        except TimeoutError:
            return
    raise FacilityError(f"the accept queue at {address} took {MOST_IN_QUEUE} connections and is not full")
