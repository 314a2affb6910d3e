"""Which runtimes there are, by name, and what each needs to build facilities on."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from testbed.errors import UsageError
from testbed.runtime.processes.backend import Workshop
from testbed.runtime.processes.builder import ProcessesBuilder
from testbed.runtime.processes.runtime import CAPABILITIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.facility.address import Address
    from testbed.facility.builder import Builder
    from testbed.plan.scenario import Scenario
    from testbed.plan.settings import Settings
    from testbed.plan.topology import FacilityPlan

SLOWER_IN_CONTAINERS = 2.0


class Shop(Protocol):
    """What all replays of one command share: a `Workshop`, or a fake one."""

    postgres_version: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where facilities are built: the runtime's name, what makes the builder of one out of what all replays share, and what it has."""

    runtime: str
    builder: Callable[[Any, FacilityPlan, Settings], Builder]
    capabilities: frozenset[str] = frozenset()

    def lacks(self, scenario: Scenario) -> str:
        """Tell in a line what a scenario needs and this runtime has not; an empty text when it has everything."""
        missing = [need for need in scenario.needs if need not in self.capabilities]
        if not missing:
            return ""
        return (
            f"scenario {scenario.name} needs {' and '.join(missing)}, which the runtime {self.runtime} has not; give another with --runtime"
        )


PROCESSES = Place("processes", ProcessesBuilder, CAPABILITIES)


@dataclass(frozen=True, slots=True)
class Where:
    """A place, and what all replays of one command share there, entered once.

    `slower`: how many times as slowly the night goes by there unless a speed is given. In containers the same steps take longer, each
    behind a command of the engine and more hops of the network, and a switchover must fit into its minute of the night.
    """

    place: Place
    shop: AbstractAsyncContextManager[Any]
    slower: float = 1.0


def of(runtime: str, toxiproxy: Address | None = None, postgres: str | None = None) -> Where:
    """Give the place of a runtime; raises UsageError for a setting that the runtime does not know."""
    if runtime == PROCESSES.runtime:
        return Where(PROCESSES, Workshop(toxiproxy, postgres))
    for option, value in (("--toxiproxy", toxiproxy), ("--postgres", postgres)):
        if value is not None:
            raise UsageError(f"{option} is for --runtime processes; in containers both come from the image (compose/compose.yaml)")
    from testbed.runtime.containers.backend import Dock  # noqa: PLC0415 - nobody else pays for testcontainers and its imports
    from testbed.runtime.containers.builder import ContainersBuilder  # noqa: PLC0415
    from testbed.runtime.containers.runtime import CAPABILITIES  # noqa: PLC0415

    return Where(Place(runtime, ContainersBuilder, CAPABILITIES), Dock(), SLOWER_IN_CONTAINERS)
