"""Replays the cells of a matrix, several at a time: the only part of it with effects."""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from testbed import session
from testbed.display import Silent
from testbed.errors import FacilityError, TestbedError
from testbed.matrix import cell

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.matrix.cell import Cell
    from testbed.matrix.plan import Plan, Planned
    from testbed.scenario import Scenario
    from testbed.session import Place, Result
    from testbed.trace import Trace

ATTEMPTS = 3  # at a cell of which the journal does not tell the outcome: on a busy machine that happens


class Keeper(Protocol):
    """Keeps the cells of a matrix that may be interrupted."""

    def find(self, planned: Planned) -> Cell | None:
        """Give a cell that was replayed before."""

    def add(self, planned: Planned, cell: Cell) -> None:
        """Keep one."""


class Forgetful:
    """The do-nothing keeper."""

    def find(self, planned: Planned) -> None:
        """Know nothing."""

    def add(self, planned: Planned, cell: Cell) -> None:
        """Keep nothing."""


async def once(scenario: Scenario, sent: Trace, shop: Any, directory: Path, place: Place) -> Result:
    """Replay the first variant of a scenario once, and show nothing of it; raises TestbedError when that cannot be done."""
    replays = session.replay_all(scenario, sent, 1, shop, directory, lambda _: nullcontext(Silent()), place)
    async with aclosing(replays) as results:
        return await anext(results)


@dataclass(slots=True)
class Replays:
    """What replays cells: a place, what its replays share, and the directory of the journals.

    `numbered` counts the replays of each cell, so that no journal is written over another.
    """

    place: Place
    shop: Any
    directory: Path
    numbered: dict[tuple[str, str, str], int] = field(default_factory=dict)

    async def replay(self, planned: Planned) -> Cell:
        """Replay a cell once; one that cannot be replayed is unknown, and says why."""
        scenario = planned.sown.only(planned.variant)
        number = self.numbered[planned.key] = self.numbered.get(planned.key, 0) + 1
        directory = self.directory / scenario.name / (f"again-{number}" if number > 1 else "")
        directory.mkdir(parents=True, exist_ok=True)
        try:
            result = await once(scenario, planned.sown.sent, self.shop, directory, self.place)
        except TestbedError as error:
            return cell.unknown(*planned.key, why=str(error))
        return cell.of(result.judgement, result.wall_s)

    async def replay_until_told(self, planned: Planned) -> Cell:
        """Replay a cell until its outcome can be told, some times at most."""
        for _ in range(ATTEMPTS - 1):
            replayed = await self.replay(planned)
            if replayed.outcome is not None:
                return replayed
        return await self.replay(planned)

    async def cell(self, planned: Planned, keeper: Keeper) -> Cell:
        """Give the cell that was kept, or else replay it and keep it."""
        kept = keeper.find(planned)
        if kept is not None:
            return kept
        replayed = await self.replay_until_told(planned)
        keeper.add(planned, replayed)
        return replayed

    async def see_steady(self, plan: Plan) -> None:
        """Bring a facility up once more after the last cell; raises FacilityError when it is not well.

        Before each cell the replay itself asks for it, and a cell that did not begin steady is unknown.
        """
        scenario = plan.columns[0].scenario
        builder = self.place.builder(self.shop, scenario.facility, scenario.variants[0].settings)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(builder.tear_down)
            facility = await builder.build()
            async with facility.instruments.monitoring() as monitoring:
                for service in facility.services:
                    seen = await monitoring.health(service, facility.runtime.address(service))
                    if seen != "200":
                        raise FacilityError(f"after the last cell {service} is not well: {seen}")
