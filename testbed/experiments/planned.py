"""What a command is asked to replay: a scenario, by its name or file, with the variants and the changes that are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import scenario_file
from testbed.errors import UsageError
from testbed.plan import own_service
from testbed.plan.decoding import path_text, suggestion
from testbed.plan.scenario import Scenario
from testbed.verdict import checks

if TYPE_CHECKING:
    from os import PathLike

MAX_SEED = 2**63 - 1
MAX_RATE_PER_MINUTE = 10_000
MAX_SPEED = 1_000_000


def planned(
    scenario: str | PathLike[str] | Scenario,
    variants: Sequence[str] = (),
    *,
    seed: int | None = None,
    rate_per_minute: float | None = None,
    speed: float | None = None,
    service: str | PathLike[str] | None = None,
) -> Scenario:
    """Return a scenario (a name, a path, or one that was read) with these variants only, and with what is changed of it.

    `service`: a file with somebody else's service, which takes the place of the application servers.

    Raises ScenarioError for a file that is wrong, WordError for that of a check, and UsageError for what is not there, or a change that
    would change nothing.
    """
    if isinstance(variants, str) or not isinstance(variants, Sequence) or not all(isinstance(name, str) for name in variants):
        raise UsageError(f'variants: found {variants!r}; allowed: a list of names, such as ["fixed"]')
    require_between("seed", seed, 0, MAX_SEED, whole=True)
    require_between("rate_per_minute", rate_per_minute, 0, MAX_RATE_PER_MINUTE, above=True)
    require_between("speed", speed, 0, MAX_SPEED, above=True)
    read = scenario if isinstance(scenario, Scenario) else scenario_file.load(scenario_file.find(scenario))
    if read.workload.trace is not None and (seed is not None or rate_per_minute is not None):
        raise UsageError(f"scenario {read.name} sends a kept trace, {read.workload.trace}; another seed or rate would change nothing")
    plan = _only(read.with_overrides(seed=seed, rate_per_minute=rate_per_minute, speed=speed), variants)
    if service is not None:
        file = Path(path_text("service", service))
        plan = own_service.in_place(plan, own_service.read(file), own_service.name_of(file), plan.variants if variants else ())
    for check in dict.fromkeys([*checks.ALWAYS, *(name for variant in plan.variants for name in variant.expect.checks)]):
        checks.load(check)  # a check that cannot be loaded would make the verdict unknown, after all the work
    return plan


def require_between(
    name: str, value: float | None, low: float, high: float, *, above: bool = False, whole: bool = False, optional: bool = True
) -> None:
    """Raise UsageError unless a number is in its range, or left out if it is `optional`.

    With `above`, the lower end is not in the range; `whole`: a whole number.
    """
    if value is None and optional:
        return
    if (
        not isinstance(value, int if whole else (int, float))
        or isinstance(value, bool)
        or not low <= value <= high
        or (above and value == low)
    ):
        kind, start = "a whole number" if whole else "a number", "more than" if above else "at least"
        raise UsageError(f"{name}: found {value!r}; allowed: {kind}, {start} {low:,}, at most {high:,}")


def _only(plan: Scenario, variants: Sequence[str]) -> Scenario:
    """Return the scenario with these variants: its own, or kept ones of which it expects nothing, so that any outcome is reported."""
    known = scenario_file.variants_of(plan, variants)
    own = [variant.name for variant in plan.variants]
    for name in variants:
        if name not in known:
            raise UsageError(
                f"scenario {plan.name} has no variant {name!r}{suggestion(name, list(known))}; it has {', '.join(own)}; "
                f"variants.toml has {', '.join(other for other in known if other not in own) or 'no others'}"
            )
    return replace(plan, variants=tuple(known[name] for name in dict.fromkeys(variants))) if variants else plan
