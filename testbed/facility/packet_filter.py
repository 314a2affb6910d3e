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
