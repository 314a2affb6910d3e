"""The packet filter of the processes runtime: a listener whose accept queue is full, and a proxy that forgets idle connections.

The listener comes closest to a firewall that drops packets. A client cannot tell the two apart: the kernel drops each SYN silently,
and the client's kernel retries after 1 s, 3 s, 7 s and so on. What it cannot show: connections that were open before are closed
(RST or FIN), where a firewall leaves them open.

A pulled cable comes closest to a proxy that passes nothing on and accepts nobody. Open connections stay open, nobody is told, and attempts
to connect are dropped. What it cannot show: the kernels of both ends get an answer from the proxy's, so none of them ever gives up.
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
SILENCE = (ToxicOn("silence", "upstream"), ToxicOn("silence"))
SLOW_ACCEPT = ToxicOn("slow_accept")
REFUSE_FIRST = ToxicOn("refuse_first")
FOR_EVER_MS = 24 * 3_600_000  # longer than any night


@dataclass(slots=True)
class ProcessPacketFilter:
    """Full accept queues at the addresses of links, and toxics on them. A proxy sees no keep-alive packet: its kernel answers it."""

    keepalives_s: float | None = None
    _sockets: dict[str, list[socket.socket]] = field(default_factory=dict)
    _queued: dict[str, list[socket.socket]] = field(default_factory=dict)  # that fill the queues of links whose cable is pulled

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

    async def pull(self, name: str, link: Link) -> None:
        """Let the proxy pass nothing on and accept nobody, and fill its queue; raises FacilityError when that cannot be done."""
        opened = self._queued[name] = list[socket.socket]()
        for toxic in SILENCE:
            await link.add_toxic(toxic.kind, {}, toxic.stream)
        await link.add_toxic(SLOW_ACCEPT.kind, {"interval": FOR_EVER_MS, "queue": 0}, SLOW_ACCEPT.stream)
        await asyncio.to_thread(_fill_queue, link.address, opened)

    async def plug(self, name: str, link: Link) -> None:
        """Close what fills the queue, and remove the toxics."""
        for opened in self._queued.pop(name, []):
            opened.close()
        await _remove(link, SLOW_ACCEPT, *SILENCE)

    async def lose(self, name: str, link: Link, percent: int) -> None:  # noqa: ARG002 - the protocol's signature
        """Raise FacilityError: a proxy has bytes, and no packets."""
        raise FacilityError(
            f"packets to {name} cannot be lost here: a link of processes is a TCP proxy, which sees bytes and no packets; "
            "give --runtime containers, where the kernel's firewall drops them"
        )

    async def lost(self, name: str, link: Link) -> int:  # noqa: ARG002 - the protocol's signature
        """Return none."""
        return 0

    async def lose_none(self, name: str, link: Link) -> None:
        """Do nothing: none are lost."""

    async def refuse_first(self, name: str, link: Link, attempts: int) -> None:  # noqa: ARG002 - the protocol's signature
        """Let the proxy reset so many connections as soon as they are made."""
        await link.add_toxic(REFUSE_FIRST.kind, {"connections": attempts}, REFUSE_FIRST.stream)

    async def refuse_none(self, name: str, link: Link) -> None:  # noqa: ARG002 - the protocol's signature
        """Remove the toxic."""
        await _remove(link, REFUSE_FIRST)

    async def forget_idle(self, name: str, link: Link, idle_s: float) -> float:  # noqa: ARG002 - the protocol's signature
        """Add the toxic that is a true idle timer to the link's proxy; return its limit."""
        await link.add_toxic(IDLE_DROP.kind, {"timeout": round(idle_s * 1000)}, IDLE_DROP.stream)
        return idle_s

    async def wait_forgotten(self, name: str, link: Link, limit_s: float) -> None:
        """Return at once: the toxic counts from the last byte, also of a connection that was there before."""

    async def keep_idle(self, name: str, link: Link) -> None:  # noqa: ARG002 - the protocol's signature
        """Remove the toxic."""
        await _remove(link, IDLE_DROP)

    async def left(self) -> tuple[str, ...]:
        """Return the links whose listener still never accepts. Toxics are listed by their links."""
        return tuple(f"attempts to connect to {name} are dropped" for name in self._sockets)


async def _remove(link: Link, *toxics: ToxicOn) -> None:
    """Remove those of the toxics that are on a link."""
    present = await link.toxics()
    for toxic in toxics:
        if str(toxic) in present:
            await link.remove_toxic(toxic.kind, toxic.stream)


def _fill(address: Address, opened: list[socket.socket]) -> None:
    """Listen with the smallest accept queue, and connect until a connection times out."""
    listener = socket.socket()
    opened.append(listener)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address.host, address.port))
    listener.listen(0)
    _fill_queue(address, opened)


def _fill_queue(address: Address, opened: list[socket.socket]) -> None:
    """Connect until a connection times out."""
    for _ in range(MOST_IN_QUEUE):
        client = socket.socket()
        opened.append(client)
        client.settimeout(IN_QUEUE_WITHIN_S)
        try:
            client.connect((address.host, address.port))
        except TimeoutError:
            return
    raise FacilityError(f"the accept queue at {address} took {MOST_IN_QUEUE} connections and is not full")
