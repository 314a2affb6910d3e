"""The first attempts to connect are refused, and those that come after them are not (W1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from testbed.errors import FacilityError
from testbed.facility.link import DATABASE, LinkName
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

ASK = ProbeSpec("log_in", within_s=5.0)


@dataclass(frozen=True, slots=True)
class RefuseFirst:
    """Refuses the first `attempts` attempts to connect over the link, as a service does that is not quite up; open connections go on.

    On containers the firewall answers them with RST. On processes the link's proxy does: its kernel has accepted by then, and the
    connection is reset at once. One more attempt is refused, which is the probe's. Healing refuses none of those that are left.
    """

    no_answer: ClassVar[bool] = True  # another fault's probe would be one of those that are refused

    attempts: Annotated[int, Field(ge=1, le=10_000)] = 10
    link: LinkName = DATABASE

    async def inject(self, actions: Actions) -> str:
        """Refuse the next attempts, and verify that the first is."""
        facility = actions.facility
        async with actions.step(1, f"refuse {self.attempts} attempts to connect over the link to {self.link}"):
            await facility.packet_filter.refuse_first(self.link, facility.link(self.link), self.attempts + 1)
        async with actions.step(2, "verify that one more is refused, or reset at once") as details:
            result = await actions.probe(self.link, ASK)
            if result.ended not in ("refused", "reset") or result.size_bytes:
                raise FacilityError(f"expected a connection over the link to {self.link} to be refused or reset; saw: {result}")
            details.append(str(result))
        return f"{self.attempts} attempts to connect to {self.link} are refused: {result}"

    async def heal(self, actions: Actions) -> str:
        """Refuse none of those that are left."""
        async with actions.step(1, f"refuse no more attempts to connect over the link to {self.link}"):
            await actions.facility.packet_filter.refuse_none(self.link, actions.facility.link(self.link))
        return f"the link to {self.link}: {await actions.require_healed(2, self.link)}"
