"""The sections of a scenario file that need no word for a fault or an operation. Each adds its mistakes to a list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from testbed.errors import ScenarioError, visible
from testbed.plan.clock import clock_text, parse_time
from testbed.plan.decoding import decode, found_text, is_file, suggestion
from testbed.plan.facts import FACTS
from testbed.plan.night import NightPlan
from testbed.plan.scenario import NEEDS, Variant, VariantPlan, WorkloadPlan
from testbed.plan.scenario_folders import VARIANTS
from testbed.plan.settings import Settings
from testbed.plan.topology import TRANSACTIONS, FacilityPlan
from testbed.plan.variants import read_used, variant_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from testbed.plan.settings import KeptVariant

VARIANT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")


def text(data: Mapping[str, Any], key: str, mistakes: list[str]) -> str:
    """Return the text of a key, with control characters shown; an empty string when it is missing or no text."""
    value = data.get(key, "")
    if not isinstance(value, str):
        mistakes.append(f"{key}: found {found_text(value)}; allowed: a text")
        return ""
    return visible(value)


def switch(data: Mapping[str, Any], key: str, mistakes: list[str], *, default: bool) -> bool:
    """Return whether a key is true; the default when it is missing, or neither true nor false."""
    value = data.get(key, default)
    if not isinstance(value, bool):
        mistakes.append(f"{key}: found {found_text(value)}; allowed: true or false")
        return default
    return value


def facts(value: Any, mistakes: list[str]) -> tuple[str, ...]:
    """Return the ids of facts of the case."""
    if not isinstance(value, list):
        mistakes.append(f'facts: found {found_text(value)}; allowed: a list of ids, such as ["O3", "O4"]')
        return ()
    mistakes += [
        f"facts.{number}: found {found_text(fact)}, no fact of the case; allowed: an id that `testbed facts` lists"
        for number, fact in enumerate(value)
        if not isinstance(fact, str) or fact not in FACTS
    ]
    mistakes += twice(value, "facts")
    return tuple(fact for fact in value if isinstance(fact, str) and fact in FACTS)


def needs(value: Any, mistakes: list[str]) -> tuple[str, ...]:
    """Return what the scenario needs of a runtime."""
    if not isinstance(value, list):
        mistakes.append(f'needs: found {found_text(value)}; allowed: a list of what a runtime must have, such as ["recovery"]')
        return ()
    for number, need in enumerate(value):
        if need not in NEEDS:
            meant = suggestion(need, NEEDS) if isinstance(need, str) else ""
            mistakes.append(f"needs.{number}: found {found_text(need)}{meant}; allowed: {', '.join(NEEDS)}")
    mistakes += twice(value, "needs")
    return tuple(need for need in value if need in NEEDS)


def twice(values: Sequence[object], key: str) -> list[str]:
    """Return a mistake for each text of a list that stands there a second time."""
    seen: set[str] = set()
    mistakes = []
    for number, text in enumerate(values):
        if isinstance(text, str) and text in seen:
            mistakes.append(f"{key}.{number}: found {found_text(text)} a second time; allowed: each once")
        elif isinstance(text, str):
            seen.add(text)
    return mistakes


def facility(value: Any, mistakes: list[str]) -> FacilityPlan | None:
    """Return the size of the facility; None when it is wrong."""
    if isinstance(value, dict) and "service" in value:
        mistakes.append("facility.service: unknown key; allowed: a table [service] of its own")
        return None
    plan = decode(FacilityPlan, value, "facility", mistakes)
    if plan is not None and len(set(plan.callers)) < len(plan.callers):
        mistakes.append(f"facility.callers: found {found_text(plan.callers)}; allowed: each of them once")
    if plan is not None:
        mistakes += [
            f"facility.links.{number}: found {found_text(link)}{suggestion(link, plan.link_names)}; allowed: {', '.join(plan.link_names)}"
            for number, link in enumerate(plan.links)
            if link not in plan.link_names
        ]
        mistakes += twice(plan.links, "facility.links")
    return plan


def night(value: Any, mistakes: list[str]) -> NightPlan | None:
    """Return the night; None when it is wrong, or when its times do not fit each other."""
    plan = decode(NightPlan, value, "night", mistakes)
    return plan if plan is not None and _check_times(plan, mistakes) else None


def _check_times(plan: NightPlan, mistakes: list[str]) -> bool:
    """Check the times of the night against each other; return False when the night cannot be used."""
    before = len(mistakes)
    for key, time in (("from", plan.from_), ("to", plan.to)):
        try:
            parse_time(time)
        except ValueError as error:
            mistakes.append(f"night.{key}: {error}")
    if len(mistakes) > before:
        return False
    if plan.to_s <= plan.from_s:
        mistakes.append(f"night.to: found {plan.to!r}; allowed: a time after night.from ({plan.from_})")
        return False
    end_s = plan.from_s
    spans = []
    for number, pace in enumerate(plan.pace):
        times = [time_s(plan, time, f"night.pace.{number}", mistakes) for time in (pace.from_, pace.to)]
        if times[0] is not None and times[1] is not None:
            spans.append((times[0], times[1], number))
    for from_s, to_s, number in sorted(spans):
        if not (end_s <= from_s < to_s <= plan.to_s):
            mistakes.append(
                f"night.pace.{number}: found {clock_text(from_s)} to {clock_text(to_s)}; "
                f"allowed: a span inside the night ({plan.from_} to {plan.to}) that overlaps no other"
            )
        end_s = max(end_s, to_s)
    return len(mistakes) == before


def time_s(plan: NightPlan, time: str, key: str, mistakes: list[str]) -> float | None:
    """Return a time of day in seconds of the night; None when it is no time of day."""
    try:
        return plan.time_s(time)
    except ValueError as error:
        mistakes.append(f"{key}: {error}")
        return None


def workload(value: Any, facility: FacilityPlan | None, path: Path, mistakes: list[str]) -> WorkloadPlan | None:
    """Return the workload, checked against the facility's callers; `path` is the scenario file, beside which its trace lies."""
    plan = decode(WorkloadPlan, value, "workload", mistakes)
    if plan is not None:
        _check_shares(plan, facility, mistakes)
        if plan.trace is not None and not is_file(path.parent / plan.trace):
            mistakes.append(f"workload.trace: {found_text(plan.trace)} is no file beside the scenario; make one with `testbed trace`")
    return plan


def _check_shares(plan: WorkloadPlan, facility: FacilityPlan | None, mistakes: list[str]) -> None:
    callers = tuple(TRANSACTIONS) if facility is None else facility.callers
    for caller, shares in plan.shares.items():
        if caller not in callers:
            mistakes.append(f"workload.shares.{caller}: no such caller{suggestion(caller, callers)}; allowed: {', '.join(callers)}")
            continue
        allowed = tuple(TRANSACTIONS[caller])
        mistakes += [
            f"workload.shares.{caller}.{name}: no such transaction{suggestion(name, allowed)}; allowed: {', '.join(allowed)}"
            for name in shares
            if name not in allowed
        ]


def variants(value: Any, path: Path, mistakes: list[str], *, strict: bool = True, own: bool = False) -> list[Variant]:
    """Return the variants with their settings, which may come from `variants.toml`; `path` is the scenario file.

    With `strict`, a mistake in a `variants.toml` that has one of them is a mistake here too. Over a service of somebody else's (`own`) a
    variant may set nothing: what is left of the case are the callers and the facility.
    """
    if not isinstance(value, dict) or not value:
        mistakes.append("variants: none; allowed: a table [variants.NAME] for each, with what is expected of it")
        return []
    used = [name for name, table in value.items() if isinstance(table, dict) and "settings" not in table] if strict else []
    kept = _kept_variants(path, used, mistakes)
    found = []
    for name, table in value.items():
        if not VARIANT_NAME.fullmatch(name):  # it becomes the name of a journal and of a directory
            mistakes.append(f"variants.{name}: found {name!r}; allowed: a name of a-z, 0-9, _ and - that begins with a letter")
        plan = decode(VariantPlan, table, f"variants.{name}", mistakes)
        if plan is None:
            continue
        settings = plan.settings or (kept[name].settings if name in kept else None)
        if settings is None and own:
            settings = Settings()
        if settings is None:
            mistakes.append(
                f"variants.{name}: no such variant{suggestion(name, list(kept))}; allowed: one of {VARIANTS} ({', '.join(kept)}), "
                f"or one of your own with [variants.{name}.settings]"
            )
            continue
        found.append(Variant(name, settings, plan.expect))
    return found


def _kept_variants(path: Path, used: Sequence[str], mistakes: list[str]) -> dict[str, KeptVariant]:
    """Return the variants that a scenario may name: those that every scenario may, and those of the file beside it."""
    kept: dict[str, KeptVariant] = {}
    for file in variant_files(path):
        try:
            kept |= read_used(file, used)
        except ScenarioError as error:
            mistakes += [f"{file}: {mistake}" for mistake in error.mistakes]
    return kept
