"""Nothing listens: every attempt to connect is refused at once (W1, A3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from testbed.errors import FacilityError
from testbed.facility.link import DATABASE, LinkName
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

AT_ONCE_S = 0.01
TRIES = 5
CONNECT = ProbeSpec("connect", within_s=2.0)


@dataclass(frozen=True, slots=True)
class Refuse:
    """Closes the listener at the link's address, and drops every connection over it, as when a server has ended.

    The kernel refuses (RST to a SYN), and at once: of `TRIES` attempts, the median must take less than 10 ms.
    """

    no_answer: ClassVar[bool] = True

    link: LinkName = DATABASE

    async def inject(self, actions: Actions) -> str:
        """Close the proxy's listener, and measure refusals."""
        async with actions.step(1, f"close the listener of the link to {self.link}"):
            await actions.facility.link(self.link).disable()
        async with actions.step(2, f"verify that {TRIES} connections over it are refused at once") as details:
            results = [await actions.probe(self.link, CONNECT) for _ in range(TRIES)]
            took_s = sorted(result.connected_s for result in results)[TRIES // 2]
            if any(result.ended != "refused" for result in results) or took_s >= AT_ONCE_S:
                raise FacilityError(
                    f"expected {TRIES} of {TRIES} connections to be refused within {AT_ONCE_S * 1000:.0f} ms (median);"
                    f" saw: {', '.join(map(str, results))}"
                )
            details.append(f"refused {TRIES} of {TRIES}, in {took_s * 1000:.2f} ms (median)")
        return f"connections over the link to {self.link} are refused in {took_s * 1000:.2f} ms"

    async def heal(self, actions: Actions) -> str:
        """Open the listener again."""
        async with actions.step(1, f"open the listener of the link to {self.link} again"):
            await actions.facility.link(self.link).enable()
        return f"the link to {self.link}: {await actions.require_healed(2, self.link)}"
