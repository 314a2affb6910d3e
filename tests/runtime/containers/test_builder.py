from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from testbed.errors import EngineError, FacilityError, ServiceError
from testbed.facility.heartbeat_watch import HeartbeatWatch
from testbed.plan.settings import FacilitySettings, Settings
from testbed.plan.topology import FacilityPlan
from testbed.runtime.containers.builder import ContainersBuilder
from testbed.runtime.containers.project import NETWORK, STAYING, Project
from testbed.runtime.containers.project_pool import ProjectPool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.facility.address import Address
    from testbed.runtime.containers.runtime import Containers


class Pool:
    """A pool that keeps what became of the project it has: nothing, a new facility, or one that served before."""

    def __init__(self, facility: SimpleNamespace) -> None:
        self.became = ""
        self.facility = facility

    def take(self, _: Mapping[str, str]) -> Any:
        """Return the project."""

        async def renew(*_: object) -> SimpleNamespace:
            return self.facility

        return SimpleNamespace(renew=renew)

    def give_back(self, _: object) -> None:
        """Note it."""
        self.became = "given back"

    async def remove(self, _: object) -> None:
        """Note it."""
        self.became = "removed"


@pytest.mark.parametrize(
    ("active", "left", "became"),
    [([], (), "given back"), ([object()], (), "removed"), ([], ("the firewall forgets",), "removed")],
    ids=["as it was", "active", "left"],
)
def test_a_project_with_a_fault_or_with_what_one_left_is_removed(active: list[object], left: tuple[str, ...], became: str) -> None:
    """Only one that has neither serves the next replay."""
    pool = Pool(SimpleNamespace(active=active, left=left))

    async def served() -> None:
        builder = ContainersBuilder(pool, FacilityPlan(), Settings())  # type: ignore[arg-type]
        await builder.build()
        await builder.tear_down()

    asyncio.run(served())
    assert pool.became == became


async def test_a_facility_with_a_narrow_network_or_heartbeats_is_built_with_them() -> None:
    """A project is narrow from its beginning, and only such a one fits; how its hosts watch each other is said anew for each replay."""
    asked: list[tuple[object, ...]] = []

    class Kept(Pool):
        def take(self, fits: Mapping[str, str]) -> Any:
            asked.append((fits.get(NETWORK),))

            async def renew(*of: object) -> SimpleNamespace:
                asked.append(of[2:])
                return self.facility

            return SimpleNamespace(renew=renew)

    for plan in (FacilityPlan(), FacilityPlan(database_network_kbit_s=6000, heartbeat_every_s=0.5)):
        pool = Kept(SimpleNamespace(active=[], left=()))
        settings = Settings(facility=FacilitySettings(heartbeat_link="database", heartbeats_missed=2))
        await ContainersBuilder(pool, plan, settings).build()  # type: ignore[arg-type]
    assert asked == [(None,), (None,), ("6000",), (HeartbeatWatch("database", 0.5, 2),)]


async def test_a_project_that_was_thrown_away_is_not_removed_again_when_no_other_can_be_made() -> None:
    """The reason why there is none is what the replay ends with."""
    removed: list[object] = []

    class Empty(Pool):
        def take(self, _: Mapping[str, str]) -> Any:
            async def renew(*_: object) -> SimpleNamespace:
                raise FacilityError("left by the replay before: a rule")

            return None if removed else SimpleNamespace(renew=renew)

        async def make(self, *_: object) -> Project:
            raise EngineError("no container engine answers")

        async def remove(self, project: object) -> None:
            removed.append(project)

    builder = ContainersBuilder(Empty(SimpleNamespace()), FacilityPlan(), Settings())  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="no container engine answers"):
        await builder.build()
    await builder.tear_down()
    assert len(removed) == 1


class Paused:
    """A runtime of which some services are paused."""

    project = "testbed-1"
    directory = Path()

    def __init__(self, *names: str) -> None:
        self.names = names
        self.asked: list[str] = []

    def published(self, name: str, port: int) -> Address:
        """Fail: nobody can be asked whether a database server died."""
        raise ServiceError(f"{name}:{port} was never published")

    async def is_paused(self, name: str) -> bool:
        """Return whether it is."""
        self.asked.append(name)
        return name in self.names


@pytest.mark.parametrize(
    ("told", "seen", "paused", "error"),
    [
        ((), [], (), ""),
        (("unreachable: no answer",), ["a rule"], ("dr",), "left by the replay before: unreachable: no answer; a rule; dr is paused"),
        (("a rule",), ["a rule"], (), "left by the replay before: a rule"),
    ],
)
def test_a_project_is_looked_at_before_it_is_reset(told: tuple[str, ...], seen: list[str], paused: tuple[str, ...], error: str) -> None:
    """What the replay told, what the facility has now, and all that stays for the next replay."""
    runtime = Paused(*paused)
    project = Project(runtime, FacilityPlan(), {})  # type: ignore[arg-type]

    async def left_over() -> list[str]:
        return seen

    project.facility = SimpleNamespace(left=told, left_over=left_over)  # type: ignore[assignment]
    if error:
        with pytest.raises(FacilityError, match=f"^{error}$"):
            asyncio.run(project.renew(FacilityPlan(), {}))
    else:
        asyncio.run(project._require_nothing_left())  # noqa: SLF001
    assert runtime.asked == [*STAYING]


class Unbuilt(ProjectPool):
    """A pool whose projects are names only."""

    def containers(self, name: str) -> Containers:
        """Return something that knows its name."""
        return SimpleNamespace(project=name, directory=Path())  # type: ignore[return-value]


async def test_two_pools_of_one_process_make_no_project_of_one_name() -> None:
    """Compose would take the second for the first, and change it."""
    pools = [Unbuilt(), Unbuilt()]
    made = [await pool.make(FacilityPlan(), {}) for pool in (*pools, *pools)]
    assert len({project.runtime.project for project in made}) == len(made)
