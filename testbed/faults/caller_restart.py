"""A calling system is restarted in the middle of the night (W3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from testbed.errors import FacilityError
from testbed.facility.probe import ProbeSpec

if TYPE_CHECKING:
    from testbed.replay.actions import Actions

ASK = ProbeSpec("requests", within_s=5.0)


@dataclass(frozen=True, slots=True)
class CallerRestart:
    """Kills a caller (SIGKILL) and starts it again: what its passengers had under way is lost, and so is all that it knew.

    That is the state of its circuit breaker, its cached answers, and what a broker in its memory held. It serves again when this is over;
    meanwhile its passengers are turned away.
    """

    caller: Annotated[str, Field(min_length=1, max_length=20)] = "kiosk"

    async def inject(self, actions: Actions) -> str:
        """Restart it when nobody else is at work on services, and verify that another process answers."""
        facility = actions.facility
        if self.caller not in facility.callers:
            raise FacilityError(f"no caller {self.caller}; there are {', '.join(facility.callers)}")
        async with actions.alone_on("services"):
            before = await facility.runtime.pid(self.caller)
            async with actions.step(1, f"restart {self.caller}"):
                await actions.restart(self.caller)
            async with actions.step(2, "wait until it is ready"):
                await actions.wait_ready((self.caller,))
            async with actions.step(3, f"verify that another process of {self.caller} answers") as details:
                after, result = await facility.runtime.pid(self.caller), await actions.probe(self.caller, ASK)
                if after in (None, before) or result.ended != "answered":
                    raise FacilityError(
                        f"expected another process of {self.caller} than {before} to answer; saw: process {after}, {result}"
                    )
                details.append(str(result))
        return f"{self.caller} was restarted: {result}"
