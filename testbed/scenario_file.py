"""Reads scenario files. A wrong one is refused with every mistake at once: key path, what was found, what is allowed.

It alone knows the plan and the words for faults and operations, and the toxics they name; what needs neither is in `testbed.plan`.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import MISSING, asdict, fields, replace
from inspect import getfile
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, create_model

from testbed import faults, operations
from testbed.errors import ScenarioError, WordError
from testbed.facility.link import DATABASE, ToxicOn
from testbed.faultproxy import toxics
from testbed.plan import conflicts, impossible, own_service, sections
from testbed.plan.decoding import decode, found_text, read_toml, suggestion
from testbed.plan.night import TimeOfDay
from testbed.plan.scenario import CONDITIONS, EXPECTATION_NEEDS, PlannedStep, Scenario
from testbed.plan.scenario_folders import VARIANTS, directories, find, known, not_meant, origins
from testbed.plan.settings import StrictRecord
from testbed.plan.topology import OWN_DATABASES, PHYSICAL
from testbed.plan.variants import kept_variants, passed_over, variant_origins, variants_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from testbed.plan.night import NightPlan
    from testbed.plan.scenario import Variant
    from testbed.plan.topology import FacilityPlan

__all__ = [
    "check",
    "directories",
    "find",
    "kept_variants",
    "known",
    "load",
    "load_known",
    "origins",
    "passed_over",
    "variant_origins",
    "variants_of",
    "with_numbers",
]

SECTIONS = ("title", "summary", "facts", "needs", "matrix", "facility", "service", "night", "workload", "timeline", "variants")
REQUIRED = ("title", "night", "workload", "variants")
STEP_KEYS = ("at", "when", "within_s", "fault", "operation")


class StepPlan(StrictRecord):
    """A step of the timeline, without the parameters of its fault or operation."""

    at: TimeOfDay | None = None
    when: str | None = None
    within_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    fault: str | None = None
    operation: str | None = None


def load(path: Path, *, strict_variants: bool = True) -> Scenario:
    """Read and check a scenario; raises ScenarioError with every mistake in it.

    Without `strict_variants`, a wrong `variants.toml` of the user's own is passed over.
    """
    if path.name == VARIANTS:
        raise ScenarioError(str(path), ("this is the file of the variants, and no scenario; `--variant NAME` takes one of them",))
    scenario, mistakes = _decode(read_toml(path), path, strict_variants=strict_variants)
    if scenario is None:
        raise ScenarioError(str(path), mistakes)
    return scenario


def load_known(*, strict: bool = True) -> tuple[tuple[Scenario, ...], tuple[str, ...]]:
    """Read all known scenarios; return them, and what of the user's own folder is passed over, each with its first mistake.

    Raises ScenarioError when one of the package's is wrong; without `strict`, it is passed over, too.
    """
    scenarios, wrong = [], [*passed_over(), *not_meant()]
    for path in known():
        try:
            scenarios.append(load(path, strict_variants=False))
        except ScenarioError as error:
            if strict and path.parent == directories()[0]:
                raise
            wrong.append(error.first)
    return tuple(scenarios), tuple(wrong)


def check(data: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """Return every mistake in a decoded file; `path` is where it came from."""
    return _decode(data, path)[1]


def _decode(data: Mapping[str, Any], path: Path, *, strict_variants: bool = True) -> tuple[Scenario | None, tuple[str, ...]]:
    """Decode section by section, so that a mistake in one hides none in another."""
    mistakes = [f"{key}: unknown key{suggestion(key, SECTIONS)}; allowed: {', '.join(SECTIONS)}" for key in data if key not in SECTIONS]
    mistakes += [f"{key}: missing; it is required" for key in REQUIRED if key not in data]
    title, summary = (sections.text(data, key, mistakes) for key in ("title", "summary"))
    facts = sections.facts(data.get("facts", []), mistakes)
    needs = sections.needs(data.get("needs", []), mistakes)
    matrix = sections.switch(data, "matrix", mistakes, default=True)
    facility = sections.facility(data.get("facility", {}), mistakes)
    service = own_service.section(data["service"], path, mistakes) if "service" in data else None
    night = sections.night(data["night"], mistakes) if "night" in data else None
    workload = sections.workload(data["workload"], facility, path, mistakes) if "workload" in data else None
    steps = _timeline(data.get("timeline", []), night, facility, mistakes)
    own = "service" in data
    variants = sections.variants(data["variants"], path, mistakes, strict=strict_variants, own=own) if "variants" in data else []
    _check_needs(needs, facility, steps, variants, mistakes)
    timeline = data.get("timeline", [])
    words = {step.word for step in steps} if isinstance(timeline, list) and len(steps) == len(timeline) else None
    if facility is not None and service is not None:
        facility = facility.model_copy(update={"service": service})
        mistakes += own_service.misfits(service, workload, steps, variants)
        needs = needs if own_service.NEED in needs else (*needs, own_service.NEED)
    for variant in variants:
        mistakes += impossible.of(variant, facility, words)
    if mistakes or facility is None or night is None or workload is None:
        return None, tuple(mistakes)
    links = {link for step in steps if (link := _own_link(step)) is not None}
    facility = facility.model_copy(update={"links": tuple(sorted({*facility.links, *links}))})
    planned = Scenario(path.stem, path, title, summary, facts, facility, night, workload, tuple(steps), tuple(variants), needs, matrix)
    return planned, ()


def _check_needs(
    needs: Sequence[str],
    facility: FacilityPlan | None,
    steps: Sequence[PlannedStep],
    variants: Sequence[Variant],
    mistakes: list[str],
) -> None:
    """Check that a scenario's `needs` has what its facility, its steps and its expectations require."""
    required = [(step.word, getattr(step.action, "needs", None)) for step in steps]
    required += [(f"{step.word} on the link to {link}", "links") for step in steps if (link := _own_link(step)) is not None]
    if facility is not None and facility.heartbeat_every_s is not None:
        required.append(("facility.heartbeat_every_s", "heartbeats"))
    if facility is not None and facility.database_network_kbit_s is not None:  # on loopback there is no network to be narrow
        required.append(("facility.database_network_kbit_s", "containers"))
    for variant in variants:
        expected = variant.expect.model_dump(exclude_none=True)
        required += [(f"variants.{variant.name}.expect.{key}", need) for key, need in EXPECTATION_NEEDS.items() if key in expected]
        if variant.settings.facility.service_groups == OWN_DATABASES:  # compose.yaml has one pair of database hosts
            required.append((f"variants.{variant.name}.settings.facility.service_groups", "processes"))
        if variant.settings.facility.database_address == PHYSICAL:  # compose.yaml has no network from a server to a database host
            required.append((f"variants.{variant.name}.settings.facility.database_address", "processes"))
        if variant.settings.facility.other_psycopg is not None:  # one image has all services
            required.append((f"variants.{variant.name}.settings.facility.other_psycopg", "processes"))
        if variant.settings.facility.database_keepalives_s is not None:  # packets that only a kernel on the way sees
            required.append((f"variants.{variant.name}.settings.facility.database_keepalives_s", "firewall"))
    mistakes += [
        f'needs: lacks "{need}", which {what} requires; add it' for what, need in required if need is not None and need not in needs
    ]


def _own_link(step: PlannedStep) -> str | None:
    """Return the link of a step's fault if it needs a proxy of its own; the database has the virtual IP."""
    link: str | None = getattr(step.action, "link", None)
    return None if link == DATABASE else link


def _timeline(value: Any, night: NightPlan | None, facility: FacilityPlan | None, mistakes: list[str]) -> list[PlannedStep]:
    if not isinstance(value, list) or not all(isinstance(step, dict) for step in value):
        mistakes.append(f"timeline: found {found_text(value)}; allowed: [[timeline]] tables, each a step")
        return []
    words: dict[tuple[str, str], Any] = {}
    steps = [_step(step, f"timeline.{number}", night, facility, words, mistakes) for number, step in enumerate(value)]
    mistakes += _wrong_heals(value)
    planned = [step for step in steps if step is not None]
    if len(planned) == len(steps):  # a step that is wrong may be the one that heals
        mistakes += conflicts.of(planned)
    return planned


def _step(
    table: dict[str, Any],
    key: str,
    night: NightPlan | None,
    facility: FacilityPlan | None,
    words: dict[tuple[str, str], tuple[Any, type[BaseModel]]],
    mistakes: list[str],
) -> PlannedStep | None:
    """Return a step; None, with every mistake added, when it is wrong. `words`: the faults and operations of the steps before it."""
    before = len(mistakes)
    plan = decode(StepPlan, {name: value for name, value in table.items() if name in STEP_KEYS}, key, mistakes)
    if ("at" in table) == ("when" in table):
        mistakes.append(f"{key}: allowed: either `at` (a time) or `when` (a condition), one of the two")
    elif "at" in table and "within_s" in table:
        mistakes.append(f"{key}.within_s: found beside `at`; allowed: beside `when` only, as the bound of its wait")
    at_s = None if plan is None else _due(plan, key, night, mistakes)
    action = _action(table, key, words, mistakes)
    if facility is not None:
        mistakes += _wrong_places(table if action is None else asdict(action), key, facility)
    if plan is None or action is None or len(mistakes) > before:
        return None
    return PlannedStep(plan.fault or plan.operation or "", action, at_s, plan.when, plan.within_s)


def _wrong_places(given: Mapping[str, Any], key: str, facility: FacilityPlan) -> list[str]:
    """Return a mistake for each link and service that a step names and the facility does not have.

    `given`: the parameters of the step, as they were decoded; where that could not be done, as they stand in the file.
    """
    services = given.get("services")
    wrong = _wrong_services(services, f"{key}.services", facility) if isinstance(services, tuple | list) else []
    if (service := given.get("service")) is not None:
        wrong += _wrong_services((service,), f"{key}.service", facility)
    doors = (*facility.callers, *facility.server_names)
    for name, allowed in (("door", doors), ("caller", facility.callers), ("link", facility.link_names)):
        place = given.get(name)
        if isinstance(place, str) and place not in allowed:
            wrong.append(f"{key}.{name}: found {place!r}{suggestion(place, allowed)}; allowed: {', '.join(allowed)}")
    return wrong


def _wrong_heals(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a mistake for each step that heals a fault which is not in the timeline or cannot be undone.

    The tables are those of the file: a step that is wrong in another way hides none of them, unless nobody can tell which fault it is.
    """
    words = [table.get("fault") for table in tables if "fault" in table]
    try:
        can = sorted({word for word in words if isinstance(word, str) and hasattr(faults.load(word), "heal")})
    except (KeyError, WordError):
        return []
    allowed = ", ".join(can) or "nothing: no fault here can be undone"
    healed = [table.get("of") for table in tables if table.get("operation") == "heal"]
    return [
        f"timeline: a step heals {of or 'what is active'!r}; allowed: {allowed}"
        for of in healed
        if (of is None and not can) or (isinstance(of, str) and of not in can)
    ]


def _wrong_services(services: Sequence[object], key: str, facility: FacilityPlan) -> list[str]:
    """Return a mistake for each application server that a step names and the facility does not have, or that it names twice."""
    allowed = facility.server_names
    names = {number: name for number, name in enumerate(services) if isinstance(name, str)}  # the check of the parameters tells of others
    wrong = [
        f"{key}.{number}: found {name!r}{suggestion(name, allowed)}; allowed: {', '.join(allowed)}"
        for number, name in names.items()
        if name not in allowed
    ]
    return wrong + sections.twice(services, key)


def _due(plan: StepPlan, key: str, night: NightPlan | None, mistakes: list[str]) -> float | None:
    """Return when a step is due, in seconds of the night; None without a usable time, or if it waits for a condition."""
    if plan.when is not None and plan.when not in CONDITIONS:
        mistakes.append(f"{key}.when: found {plan.when!r}{suggestion(plan.when, CONDITIONS)}; allowed: {', '.join(CONDITIONS)}")
    if plan.at is None or night is None:
        return None
    at_s = sections.time_s(night, plan.at, f"{key}.at", mistakes)
    if at_s is not None and not night.from_s <= at_s <= night.to_s:
        mistakes.append(f"{key}.at: found {plan.at!r}; allowed: a time inside the night, {night.from_} to {night.to}")
    return at_s


def _action(table: dict[str, Any], key: str, words: dict[tuple[str, str], tuple[Any, type[BaseModel]]], mistakes: list[str]) -> Any:
    """Return a step's fault or operation with its parameters; None, with every mistake added, when it is wrong."""
    kinds = [kind for kind in ("fault", "operation") if kind in table]
    if len(kinds) != 1:
        mistakes.append(f"{key}: allowed: either `fault` or `operation`, one of the two")
        return None
    kind, word = kinds[0], table[kinds[0]]
    if not isinstance(word, str):
        return None  # the check of the step's own keys has added this mistake
    parameters = {name: value for name, value in table.items() if name not in STEP_KEYS}
    registry = faults if kind == "fault" else operations
    try:
        if (kind, word) not in words:
            if word not in (names := registry.names()):
                mistakes.append(f"{key}.{kind}: found {word!r}{suggestion(word, names)}; allowed: {', '.join(names)}")
                return None
            words[kind, word] = _with_model(word, registry.load(word))
            _load_toxics(words[kind, word][0])
    except WordError as error:
        words.pop((kind, word), None)
        mistakes.append(f"{key}.{kind}: {error}")
        return None
    action, model = words[kind, word]
    record = decode(model, parameters, key, mistakes, STEP_KEYS)
    if record is None:
        return None
    return action(**{name: getattr(record, name) for name in model.model_fields})


def with_numbers(step: PlannedStep, numbers: Mapping[str, Any], key: str, mistakes: list[str], also: Sequence[str] = ()) -> PlannedStep:
    """Return a step with some numbers among its parameters changed; as it was, with every mistake added, when one is wrong.

    `also` names keys that are allowed beside the parameters. Where a step is done, and to what, is no number, and stays.
    """
    action, model = _with_model(step.word, type(step.action))
    record = decode(model, asdict(step.action) | dict(numbers), key, mistakes, also)
    wrong = [
        f"{key}.{name}: found {found_text(value)}; allowed: a number"
        for name, value in numbers.items()
        if name in model.model_fields and (isinstance(value, bool) or not isinstance(value, int | float))
    ]
    mistakes += [] if record is None else wrong
    if record is None or wrong:
        return step
    return replace(step, action=action(**{name: getattr(record, name) for name in model.model_fields}))


def _load_toxics(action: Any) -> None:
    """Load the toxics that the file of a fault or operation names; raises WordError for one whose file is wrong."""
    for value in vars(sys.modules[action.__module__]).values():
        for toxic in value if isinstance(value, tuple) else (value,):
            if isinstance(toxic, ToxicOn) and toxic.kind in toxics.names():
                toxics.load(toxic.kind)


@functools.cache
def _with_model(word: str, action: Any) -> tuple[Any, type[BaseModel]]:
    """Return the class of a word and the model of its parameters; raises WordError for fields that no scenario can give."""
    try:
        hints = get_type_hints(action, include_extras=True)
        model_fields: dict[str, Any] = {
            field.name: (hints[field.name], ... if field.default is MISSING else field.default) for field in fields(action)
        }
        return action, create_model(word, __config__=ConfigDict(extra="forbid", strict=True), **model_fields)
    except (NameError, TypeError, PydanticUserError) as error:
        text = " ".join(str(error).split())
        raise WordError(
            f"{getfile(action)}: the fields of its class {action.__name__} cannot be read: {text}; "
            "allowed: types that pydantic knows, imported where the file is imported"
        ) from error
