"""What stands on the way and drops packets of a link, as faults know it; and its do-nothing twin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from testbed.errors import FacilityError
from testbed.facility.link import Link


class PacketFilter(Protocol):
    """What stands on the way and drops packets of a link, without a word to anybody. Raises FacilityError when it does not do it."""

    @property
    def keepalives_s(self) -> float | None:
        """How long a connection has to be quiet until a packet that this sees asks whether it is still there (A8); null: for ever."""

    async def drop(self, name: str, link: Link) -> None:
        """Drop attempts to connect from now on."""

    async def accept(self, name: str, link: Link) -> None:
        """Let them through again."""

    async def forget_idle(self, name: str, link: Link, idle_s: float) -> float:
        """Forget connections that are idle for longer; return the limit as it could be had, in seconds."""

    async def wait_forgotten(self, name: str, link: Link, limit_s: float) -> None:
        """Wait until the limit holds for every connection that was there before it was set: for `limit_s` seconds at most."""

    async def keep_idle(self, name: str, link: Link) -> None:
        """Forget no more; what is forgotten stays so."""

    async def left(self) -> tuple[str, ...]:
        """Tell, in a line each, what is still dropped or forgotten."""


@dataclass(frozen=True, slots=True)
class NoPacketFilter:
    """The do-nothing twin: nothing on the way drops a packet, and nothing can be made to."""

    keepalives_s: float | None = None

    async def drop(self, name: str, link: Link) -> None:  # noqa: ARG002 - the protocol's signature
        """Refuse."""
        raise FacilityError(f"attempts to connect to {name} cannot be dropped here: this facility has no packet filter")

    async def accept(self, name: str, link: Link) -> None:
        """Do nothing: nothing was dropped."""

    async def forget_idle(self, name: str, link: Link, idle_s: float) -> float:  # noqa: ARG002 - the protocol's signature
        """Refuse."""
        raise FacilityError(f"idle connections to {name} cannot be forgotten here: this facility has no packet filter")

    async def wait_forgotten(self, name: str, link: Link, limit_s: float) -> None:
        """Return at once: nothing is forgotten here."""

    async def keep_idle(self, name: str, link: Link) -> None:
        """Do nothing: nothing was forgotten."""

    async def left(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()
