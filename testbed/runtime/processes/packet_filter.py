"""What stands on the way where no firewall can be had: a listener whose queue is full, and a proxy that forgets.

The listener is the nearest thing to a firewall that drops packets. To whoever connects it is the same: the kernel drops each attempt
without a word, and whoever made it tries again after 1 s, 3 s, 7 s and so on, for as long as its own kernel has patience.
What it cannot show: connections that were open before are cut (RST or FIN) and not left standing.
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

MOST_IN_QUEUE = 16  # Linux lets one more in than the queue is said to hold; other kernels some more
IN_QUEUE_WITHIN_S = 0.2
IDLE_DROP = ToxicOn("idle_drop")


@dataclass(slots=True)
class ProcessPacketFilter:
    """Full listen queues in the place of links, and toxics on them. A proxy sees no keep-alive packet: its kernel answers it."""

    keepalives_s: float | None = None
    _sockets: dict[str, list[socket.socket]] = field(default_factory=dict)

    async def drop(self, name: str, link: Link) -> None:
        """Let the link's proxy leave its address, and let a listener that never accepts take its place; raises FacilityError."""
        await link.disable()
        held: list[socket.socket] = []
        self._sockets[name] = held
        try:
            await asyncio.to_thread(_fill, link.address, held)
        except OSError as error:
            raise FacilityError(f"nobody could be made to listen in vain at {link.address}: {error.strerror or error}") from error

    async def accept(self, name: str, link: Link) -> None:
        """Take it away, and let the proxy listen again."""
        for one in self._sockets.pop(name, []):
            one.close()
        await link.enable()

    async def forget_idle(self, name: str, link: Link, idle_s: float) -> float:  # noqa: ARG002 - the protocol's signature
        """Let the link's proxy do it, with the toxic of its own that is a true idle timer."""
        await link.add_toxic(IDLE_DROP.kind, {"timeout": round(idle_s * 1000)}, IDLE_DROP.stream)
        return idle_s

    async def wait_forgotten(self, name: str, link: Link, limit_s: float) -> None:
        """Return at once: the toxic counts from the last byte, also of a connection that was there before."""

    async def keep_idle(self, name: str, link: Link) -> None:  # noqa: ARG002 - the protocol's signature
        """Take the toxic away."""
        if str(IDLE_DROP) in await link.toxics():
            await link.remove_toxic(IDLE_DROP.kind, IDLE_DROP.stream)

    async def left(self) -> tuple[str, ...]:
        """Tell to what nobody gets through. Toxics are told by their links."""
        return tuple(f"attempts to connect to {name} are dropped" for name in self._sockets)


def _fill(address: Address, held: list[socket.socket]) -> None:
    """Listen with the smallest queue there is, and connect until a connection does not come about any more."""
    listener = socket.socket()
    held.append(listener)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address.host, address.port))
    listener.listen(0)
    for _ in range(MOST_IN_QUEUE):
        one = socket.socket()
        held.append(one)
        one.settimeout(IN_QUEUE_WITHIN_S)
        try:
            one.connect((address.host, address.port))
        except TimeoutError:
            return
    raise FacilityError(f"a listen queue at {address} took {MOST_IN_QUEUE} connections and is not full")
