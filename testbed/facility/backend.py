"""Where facilities are built: what a runtime provides, and what the replays of a batch share on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from testbed.facility.builder import Builder
    from testbed.plan.scenario import Scenario
    from testbed.plan.settings import Settings
    from testbed.plan.topology import FacilityPlan


class Backend(Protocol):
    """Makes a builder for each replay. It is entered once for all replays of a batch, which share what is started then.

    `name`: the runtime, as `--runtime` has it. `capabilities`: what it provides of what a scenario may need. `slowdown`: the speed of the
    night is divided by it unless a speed is given, because a switchover must fit into its minute of the night also where each step takes
    longer. `versions`: of what replays run on, by name, as a journal's header has them; empty until it is entered.
    """

    name: str
    capabilities: frozenset[str]
    slowdown: float
    versions: Mapping[str, str]

    async def __aenter__(self) -> Self:
        """Start what all replays share; raises FacilityError if that cannot be done."""

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End what was started, and remove what is left of it."""

    def builder(self, plan: FacilityPlan, settings: Settings) -> Builder:
        """Return the builder of one replay's facility; nothing is started yet. Raises UsageError for a plan that it cannot build."""

    def lacks(self, scenario: Scenario) -> str:
        """Return why this runtime cannot run a scenario; an empty string if it can. Also before it is entered."""
        missing = [repr(need) for need in scenario.needs if need not in self.capabilities]
        if not missing:
            return ""
        return (
            f"scenario {scenario.name!r} needs {' and '.join(missing)}, which runtime {self.name!r} does not provide; "
            "choose another with --runtime"
        )
