"""The fake link and the fake packet filter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.facility.address import Address
from testbed.facility.link import Stream, ToxicOn
from testbed.plan.topology import HOSTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.facility.link import Link
    from testbed.fakes.database import FakeDatabase


@dataclass(slots=True)
class FakeLink:
    """A link: the host it leads to, whether it listens, and its toxics by their names, of which services feel only `latency`.

    The one to the database is the virtual IP. A probe sees the effect of each toxic (`FakeProbe`).
    """

    host: str = HOSTS[0]
    enabled: bool = True
    on: dict[str, dict[str, int]] = field(default_factory=dict)
    put: list[tuple[str, dict[str, int]]] = field(default_factory=list)  # every toxic that ever was on it
    broken: FacilityError | None = None  # raised by the next removal of a toxic

    @property
    def address(self) -> Address:
        """An address at which nothing listens."""
        return Address("127.0.0.1", 0)

    @property
    def latency_s(self) -> float:
        """The delay that toxics add to each trip, in seconds."""
        return sum(attributes.get("latency", 0) for name, attributes in self.on.items() if name.startswith("latency")) / 1000

    async def point(self, host: Address) -> None:
        """Point the link at a host."""
        self.host = host.host

    async def add_toxic(self, kind: str, attributes: Mapping[str, int], stream: Stream = "downstream") -> None:
        """Add a toxic to the link."""
        name = str(ToxicOn(kind, stream))
        self.on[name] = dict(attributes)
        self.put.append((name, dict(attributes)))

    async def remove_toxic(self, kind: str, stream: Stream = "downstream") -> None:
        """Remove a toxic."""
        if self.broken is not None:
            raise self.broken
        del self.on[str(ToxicOn(kind, stream))]

    async def toxics(self) -> tuple[str, ...]:
        """Return the names of its toxics."""
        return tuple(self.on)

    async def enable(self) -> None:
        """Listen again."""
        self.enabled = True

    async def disable(self) -> None:
        """Stop listening."""
        self.enabled = False

    async def drop(self) -> None:
        """Do nothing: it has no connections."""

    async def is_enabled(self) -> bool:
        """Whether it listens."""
        return self.enabled

    def leads_to(self, database: FakeDatabase) -> bool:
        """Whether a new connection would reach the database."""
        return self.enabled and database.running and self.host == database.active


BOTH: tuple[Stream, Stream] = ("upstream", "downstream")


@dataclass(slots=True)
class FakePacketFilter:
    """Records the links to which attempts to connect are dropped; the rest is toxics, of which a probe sees the effect.

    `pulls`: every time that a cable was pulled or plugged in, with its link. `per_look`: packets that are lost from one look to the next.
    """

    dropped: list[str] = field(default_factory=list)
    pulls: list[tuple[str, str]] = field(default_factory=list)
    per_look: int = 3
    packets: int = 0  # lost so far
    keepalives_s: float | None = None

    async def drop(self, name: str, link: Link) -> None:
        """Drop attempts to connect."""
        await link.disable()
        self.dropped.append(name)

    async def accept(self, name: str, link: Link) -> None:
        """Accept attempts to connect."""
        self.dropped.remove(name)
        await link.enable()

    async def pull(self, name: str, link: Link) -> None:
        """Hold what is sent both ways, and drop attempts to connect."""
        self.pulls.append(("pull", name))
        for stream in BOTH:
            await link.add_toxic("silence", {}, stream)
        self.dropped.append(name)

    async def plug(self, name: str, link: Link) -> None:
        """Pass it on again, and accept."""
        self.pulls.append(("plug", name))
        for stream in BOTH:
            if str(ToxicOn("silence", stream)) in await link.toxics():
                await link.remove_toxic("silence", stream)
        if name in self.dropped:
            self.dropped.remove(name)

    async def lose(self, name: str, link: Link, percent: int) -> None:  # noqa: ARG002 - the protocol's signature
        """Add a toxic that says so: a probe sees no lost packet, only the count is there."""
        await link.add_toxic("loss", {"percent": percent})

    async def lost(self, name: str, link: Link) -> int:  # noqa: ARG002 - the protocol's signature
        """Return a count that grows with each look."""
        self.packets += self.per_look
        return self.packets

    async def lose_none(self, name: str, link: Link) -> None:  # noqa: ARG002 - the protocol's signature
        """Remove the toxic."""
        if "loss_downstream" in await link.toxics():
            await link.remove_toxic("loss")

    async def refuse_first(self, name: str, link: Link, attempts: int) -> None:  # noqa: ARG002 - the protocol's signature
        """Add the toxic that refuses them."""
        await link.add_toxic("refuse_first", {"connections": attempts})

    async def refuse_none(self, name: str, link: Link) -> None:  # noqa: ARG002 - the protocol's signature
        """Remove the toxic."""
        if "refuse_first_downstream" in await link.toxics():
            await link.remove_toxic("refuse_first")

    async def forget_idle(self, name: str, link: Link, idle_s: float) -> float:  # noqa: ARG002 - the protocol's signature
        """Add a toxic to the link, unless keep-alives keep every connection from being idle."""
        if self.keepalives_s is None or self.keepalives_s >= idle_s:
            await link.add_toxic("idle_drop", {"timeout": round(idle_s * 1000)})
        return idle_s

    async def wait_forgotten(self, name: str, link: Link, limit_s: float) -> None:
        """Return at once."""

    async def keep_idle(self, name: str, link: Link) -> None:  # noqa: ARG002 - the protocol's signature
        """Remove the toxic."""
        if "idle_drop_downstream" in await link.toxics():
            await link.remove_toxic("idle_drop")

    async def left(self) -> tuple[str, ...]:
        """Return a line for each link to which attempts to connect are dropped."""
        return tuple(f"attempts to connect to {name} are dropped" for name in self.dropped)
