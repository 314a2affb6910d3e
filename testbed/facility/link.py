"""Links: the connections between the parts of a facility, as faults know them. Each goes through a proxy of its own.

A link has the name of the part behind it: `database` is that from the application servers to the virtual IP, `cf-1` that from the
callers to this application server, `kiosk` that from the passengers to this caller. `heartbeats` is that between the database hosts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import Field

from testbed.facility.address import Address

if TYPE_CHECKING:
    from collections.abc import Mapping


DATABASE = "database"
LinkName = Annotated[str, Field(min_length=1, max_length=20)]
Moment = Literal["connect", "answer", "idle"]  # of a connection's life
Stream = Literal["upstream", "downstream"]


@dataclass(frozen=True, slots=True)
class ToxicOn:
    """A toxic on a link: its word, and the direction in which it works. `str` of it is its name there."""

    kind: str
    stream: Stream = "downstream"

    def __str__(self) -> str:
        return f"{self.kind}_{self.stream}"


class Link(Protocol):
    """A link, as faults know it. Raises ProxyError when the proxy refuses or does not answer."""

    @property
    def address(self) -> Address:
        """The address that clients connect to."""

    async def point(self, host: Address) -> None:
        """Point it to a host, and drop the connections over it."""

    async def add_toxic(self, kind: str, attributes: Mapping[str, int], stream: Stream = "downstream") -> None:
        """Add a toxic, by its word, to what comes from behind the link (`downstream`) or to what goes there (`upstream`)."""

    async def remove_toxic(self, kind: str, stream: Stream = "downstream") -> None:
        """Remove a toxic."""

    async def toxics(self) -> tuple[str, ...]:
        """Return the names of the toxics on it."""

    async def enable(self) -> None:
        """Start its proxy's listener."""

    async def disable(self) -> None:
        """Stop its proxy's listener, and drop every connection over it."""

    async def drop(self) -> None:
        """Drop every connection over it; it listens again at once."""

    async def is_enabled(self) -> bool:
        """Whether its proxy listens."""
