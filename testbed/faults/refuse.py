"""Nobody listens: every attempt to connect is refused at once (W1, A3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    """Nobody listens any more at the address of the link, and every connection over it is dropped, as when a server has ended.

    The kernel refuses (RST to a SYN). It says so at once: of `TRIES` attempts, the middle one must have taken less than 10 ms.
    """

    link: LinkName = DATABASE

    async def inject(self, actions: Actions) -> str:
        """Let the proxy's listener go, and measure refusals."""
        async with actions.step(1, f"let nobody listen at the link to {self.link}"):
            await actions.facility.link(self.link).disable()
        async with actions.step(2, f"see that {TRIES} connections over it are refused at once") as details:
            seen = [await actions.probe(self.link, CONNECT) for _ in range(TRIES)]
            took_s = sorted(one.connected_s for one in seen)[TRIES // 2]
            wrong = [str(one) for one in seen if one.ended != "refused"]
            if wrong or took_s >= AT_ONCE_S:
                raise FacilityError(f"to be refused in less than {AT_ONCE_S * 1000:.0f} ms, and was: {', '.join(map(str, seen))}")
            details.append(f"refused {TRIES} of {TRIES}, in {took_s * 1000:.2f} ms (median)")
        return f"connections over the link to {self.link} are refused in {took_s * 1000:.2f} ms"

    async def heal(self, actions: Actions) -> str:
        """Let the proxy listen again."""
        async with actions.step(1, f"let the proxy listen again at the link to {self.link}"):
            await actions.facility.link(self.link).enable()
        seen = await actions.require_link(2, self.link, ProbeSpec("log_in", within_s=10.0), "answered")
        return f"the link to {self.link}: {seen}"
