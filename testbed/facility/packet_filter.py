"""The packet filter of a facility, as faults know it, and its do-nothing twin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from testbed.errors import FacilityError
from testbed.facility.link import Link


class PacketFilter(Protocol):
    """Drops packets of a link silently. Raises FacilityError when it cannot."""

    @property
    def keepalives_s(self) -> float | None:
        """How long a connection has to be idle, in seconds, until a keepalive probe passes the filter (A8); None: never."""

    async def drop(self, name: str, link: Link) -> None:
        """Drop attempts to connect from now on."""

    async def accept(self, name: str, link: Link) -> None:
        """Accept them again."""

    async def pull(self, name: str, link: Link) -> None:
        """Drop every packet from now on, of open connections and of new ones, both ways."""

    async def plug(self, name: str, link: Link) -> None:
        """Drop no more of them; does nothing when none are dropped. Whoever has not given up sends again."""

    async def lose(self, name: str, link: Link, percent: int) -> None:
        """Drop packets by chance from now on, this share of them."""

    async def lost(self, name: str, link: Link) -> int:
        """Return how many packets were dropped by chance."""

    async def lose_none(self, name: str, link: Link) -> None:
        """Drop no more of them."""

    async def refuse_first(self, name: str, link: Link, attempts: int) -> None:
        """Refuse so many attempts to connect, the next ones."""

    async def refuse_none(self, name: str, link: Link) -> None:
        """Refuse none of those that are left."""

    async def forget_idle(self, name: str, link: Link, idle_s: float) -> float:
        """Forget connections that are idle for longer; return the limit that was set, in seconds."""

    async def wait_forgotten(self, name: str, link: Link, limit_s: float) -> None:
        """Wait until the limit holds also for connections that are older than it: `limit_s` seconds at most."""

    async def keep_idle(self, name: str, link: Link) -> None:
        """Stop forgetting; forgotten connections stay forgotten."""

    async def left(self) -> tuple[str, ...]:
        """Return a line for each thing that is still dropped or forgotten."""


@dataclass(frozen=True, slots=True)
class NoPacketFilter:
    """The do-nothing twin: no packet is dropped, and none can be."""

    keepalives_s: float | None = None

    async def drop(self, name: str, link: Link) -> None:  # noqa: ARG002 - the protocol's signature
        """Raise FacilityError: there is no packet filter."""
        raise FacilityError(f"attempts to connect to {name} cannot be dropped here: this facility has no packet filter")

    async def accept(self, name: str, link: Link) -> None:
        """Do nothing: nothing is dropped."""

    async def pull(self, name: str, link: Link) -> None:  # noqa: ARG002 - the protocol's signature
        """Raise FacilityError: there is no packet filter."""
        raise FacilityError(f"packets to {name} cannot be dropped here: this facility has no packet filter")

    async def plug(self, name: str, link: Link) -> None:
        """Do nothing: nothing is dropped."""

    async def lose(self, name: str, link: Link, percent: int) -> None:  # noqa: ARG002 - the protocol's signature
        """Raise FacilityError: there is no packet filter."""
        raise FacilityError(f"packets to {name} cannot be lost here: this facility has no packet filter")

    async def lost(self, name: str, link: Link) -> int:  # noqa: ARG002 - the protocol's signature
        """Return none."""
        return 0

    async def lose_none(self, name: str, link: Link) -> None:
        """Do nothing: none are lost."""

    async def refuse_first(self, name: str, link: Link, attempts: int) -> None:  # noqa: ARG002 - the protocol's signature
        """Raise FacilityError: there is no packet filter."""
        raise FacilityError(f"attempts to connect to {name} cannot be refused here: this facility has no packet filter")

    async def refuse_none(self, name: str, link: Link) -> None:
        """Do nothing: none are refused."""

    async def forget_idle(self, name: str, link: Link, idle_s: float) -> float:  # noqa: ARG002 - the protocol's signature
        """Raise FacilityError: there is no packet filter."""
        raise FacilityError(f"idle connections to {name} cannot be forgotten here: this facility has no packet filter")

    async def wait_forgotten(self, name: str, link: Link, limit_s: float) -> None:
        """Return at once: nothing is forgotten here."""

    async def keep_idle(self, name: str, link: Link) -> None:
        """Do nothing: nothing is forgotten."""

    async def left(self) -> tuple[str, ...]:
        """Return nothing."""
        return ()
