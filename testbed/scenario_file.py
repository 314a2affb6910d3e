"""Reads scenario files. A wrong one is refused with every mistake at once: key path, what was found, what is allowed."""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from testbed import faults, operations
from testbed.errors import ScenarioError, UsageError
from testbed.facility.link import DATABASE
from testbed.operations.heal import Heal
from testbed.plan import package_data
from testbed.plan.clock import clock_text, parse_time
from testbed.plan.expectation import WHATEVER
from testbed.plan.facts import FACTS
from testbed.plan.night import NightPlan, TimeOfDay
from testbed.plan.scenario import CONDITIONS, EXPECTATION_NEEDS, NEEDS, PlannedStep, Scenario, Variant, VariantPlan, WorkloadPlan
from testbed.plan.settings import KeptVariant, StrictRecord
from testbed.plan.topology import TRANSACTIONS, FacilityPlan
from testbed.replay.actions import Healable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.replay.actions import Fault, Operation

SCENARIOS = "scenarios"
VARIANTS = "variants.toml"
SECTIONS = ("title", "summary", "facts", "needs", "facility", "night", "workload", "timeline", "variants")
RENAMED = {"facility.weighed_every_s": "resources_every_s"}  # keys of before, by their path
NEEDED = ("title", "night", "workload", "variants")
MEANT = ("night", "workload", "timeline", "variants")  # any of them, and a file was meant to be a scenario
STEP_KEYS = ("at", "when", "within_s", "fault", "operation")
FOUND_CHARS = 60
VARIANT_NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")

Model = TypeVar("Model", bound=BaseModel)


class StepPlan(StrictRecord):
    """A step of the timeline, without the parameters of its fault or operation."""

    at: TimeOfDay | None = None
    when: str | None = None
    within_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    fault: str | None = None
    operation: str | None = None


def directories() -> tuple[Path, ...]:
    """Return the directories of scenarios: the package's, and then `scenarios` of the current directory, if it is another.

    What is in a later one goes before what has the same name in an earlier one.
    """
    packaged, here = package_data.directory("scenarios"), Path(SCENARIOS)
    if not here.is_dir():
        return (packaged,)
    return (here,) if here.resolve() == packaged.resolve() else (packaged, here)


def known() -> tuple[Path, ...]:
    """Return the scenario files that are known by name, sorted by it."""
    packaged, *own = (
        {path.name: path for path in directory.glob("*.toml") if path.is_file() and path.name != VARIANTS} for directory in directories()
    )
    files = packaged | {name: path for paths in own for name, path in paths.items() if _is_meant(path)}
    return tuple(files[name] for name in sorted(files))


def _is_meant(path: Path) -> bool:
    """Return whether a file was meant to be a scenario. Another program's `scenarios` may hold TOML files that have nothing of one."""
    try:
        return not _toml(path).keys().isdisjoint(MEANT)
    except ScenarioError:
        return True  # so that its mistakes are told


def origins() -> dict[str, str]:
    """Return where the scenarios that are not the package's come from, by name."""
    packaged, *own = directories()
    return {path.stem: _origin(path, replaces=(packaged / path.name).is_file()) for path in known() if path.parent in own}


def variant_origins() -> dict[str, str]:
    """Return where the variants that are not the package's come from, by name."""
    packaged, *own = (home / VARIANTS for home in directories())
    before = _read_variants(packaged)
    return {name: _origin(file, replaces=name in before) for file in own if file.is_file() for name in _read_variants(file)}


def _origin(path: Path, *, replaces: bool) -> str:
    return f"{path}, in place of the package's" if replaces else str(path)


def find(name_or_path: str) -> Path:
    """Find a scenario by its name, or by a path; raises UsageError that lists what there is."""
    files = {path.stem: path for path in known()}
    names = list(files)
    if name_or_path in files:  # first, or a directory of that name where one happens to stand would be taken for it
        return files[name_or_path]
    path = Path(name_or_path)
    if path.suffix == ".toml" or os.path.exists(name_or_path):  # noqa: PTH110 - False for a name no file can have; Path's raises
        return path
    raise UsageError(
        f"no scenario {name_or_path!r}{_meant(name_or_path, names)}; there are {', '.join(names) or 'none'}, or give a path to a .toml file"
    )


def load(path: Path) -> Scenario:
    """Read and check a scenario; raises ScenarioError with every mistake in it."""
    scenario, mistakes = _decode(_toml(path), path)
    if scenario is None:
        raise ScenarioError(str(path), mistakes)
    return scenario


def kept_variants(only: Sequence[str] = ()) -> dict[str, KeptVariant]:
    """Return the variants that every scenario may name, all of them unless some are named, in the order of their files.

    Raises ScenarioError when a file is wrong, and UsageError that lists them when there is none of a name.
    """
    kept: dict[str, KeptVariant] = {}
    for file in variant_files():
        kept |= _read_variants(file)
    for name in only:
        if name not in kept:
            raise UsageError(f"no variant {name!r}; there are {', '.join(kept) or 'none'} (scenarios/{VARIANTS})")
    return {name: one for name, one in kept.items() if not only or name in only}


def variant_files(*beside: Path) -> tuple[Path, ...]:
    """Return the files of variants: the package's, `scenarios/variants.toml` of the current directory, and those beside given scenarios.

    A later one adds to those before it, and its variant goes before theirs of the same name.
    """
    homes: dict[Path, Path] = {}
    for home in (*directories(), *(path.parent for path in beside)):
        homes.setdefault(home.resolve(), home)
    return tuple(home / VARIANTS for home in homes.values() if (home / VARIANTS).is_file())


def variants_of(scenario: Scenario) -> dict[str, Variant]:
    """Return every variant by name that a scenario can be replayed over: kept ones, of which it expects nothing, and its own."""
    kept = {name: Variant(name, variant.settings, WHATEVER) for name, variant in kept_variants().items()}
    return kept | {variant.name: variant for variant in scenario.variants}


def check(data: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """Give every mistake in a decoded file; `path` is where it came from."""
    return _decode(data, path)[1]


def _decode(data: Mapping[str, Any], path: Path) -> tuple[Scenario | None, tuple[str, ...]]:
    """Decode section by section, so that a mistake in one hides none in another."""
    mistakes = [f"{key}: unknown key{_meant(key, SECTIONS)}; allowed: {', '.join(SECTIONS)}" for key in data if key not in SECTIONS]
    mistakes += [f"{key}: missing; it is needed" for key in NEEDED if key not in data]
    texts = {key: _text(data, key, mistakes) for key in ("title", "summary")}
    facts = _facts(data.get("facts", []), mistakes)
    needs = _needs(data.get("needs", []), mistakes)
    facility = _facility(data.get("facility", {}), mistakes)
    night = _section(NightPlan, data["night"], "night", mistakes) if "night" in data else None
    workload = _section(WorkloadPlan, data["workload"], "workload", mistakes) if "workload" in data else None
    night = night if night is not None and _check_night(night, mistakes) else None
    steps = _timeline(data.get("timeline", []), night, facility, mistakes)
    variants = _variants(data.get("variants", {}), path, mistakes)
    _check_needs(needs, steps, variants, mistakes)
    if workload is not None:
        _check_shares(workload, facility, mistakes)
        if workload.trace is not None and not (path.parent / workload.trace).is_file():
            mistakes.append(f"workload.trace: {workload.trace!r} is no file beside the scenario; make one with `testbed trace`")
    if mistakes or facility is None or night is None or workload is None:
        return None, tuple(mistakes)
    links = {link for step in steps if (link := _own_link(step)) is not None}
    facility = facility.model_copy(update={"links": tuple(sorted({*facility.links, *links}))})
    scenario = Scenario(
        path.stem,
        path,
        texts["title"],
        texts["summary"],
        facts,
        facility,
        night,
        workload,
        tuple(steps),
        tuple(variants),
        needs,
    )
    return scenario, ()


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(str(path), (f"not TOML: {error}",)) from error
    except UnicodeDecodeError as error:
        raise ScenarioError(str(path), (f"not UTF-8: byte {error.start} is {error.object[error.start]:#04x}",)) from error
    except OSError as error:
        raise ScenarioError(str(path), (f"cannot be read: {error.strerror}",)) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets nested as deep
        raise ScenarioError(str(path), (f"not to be read as TOML: {error}",)) from error


def _text(data: Mapping[str, Any], key: str, mistakes: list[str]) -> str:
    value = data.get(key, "")
    if not isinstance(value, str):
        mistakes.append(f"{key}: found {_found(value)}; allowed: a text")
        return ""
    return value


def _facts(value: Any, mistakes: list[str]) -> tuple[str, ...]:
    if not isinstance(value, list):
        mistakes.append(f'facts: found {_found(value)}; allowed: a list of ids, such as ["O3", "O4"]')
        return ()
    mistakes += [
        f"facts.{number}: found {_found(fact)}, no fact of the case; allowed: an id that `testbed facts` lists"
        for number, fact in enumerate(value)
        if not isinstance(fact, str) or fact not in FACTS
    ]
    return tuple(fact for fact in value if isinstance(fact, str) and fact in FACTS)


def _needs(value: Any, mistakes: list[str]) -> tuple[str, ...]:
    if not isinstance(value, list):
        mistakes.append(f'needs: found {_found(value)}; allowed: a list of what a runtime must have, such as ["recovery"]')
        return ()
    for number, need in enumerate(value):
        if need not in NEEDS:
            meant = _meant(need, NEEDS) if isinstance(need, str) else ""
            mistakes.append(f"needs.{number}: found {_found(need)}{meant}; allowed: {', '.join(NEEDS)}")
    return tuple(need for need in value if need in NEEDS)


def _check_needs(needs: Sequence[str], steps: Sequence[PlannedStep], variants: Sequence[Variant], mistakes: list[str]) -> None:
    """See to it that a scenario asks for what its steps and its expectations cannot do without."""
    wanted = [(step.word, getattr(step.action, "needs", None)) for step in steps]
    wanted += [(f"{step.word} on the link to {link}", "links") for step in steps if (link := _own_link(step)) is not None]
    for variant in variants:
        given = variant.expect.model_dump(exclude_none=True)
        wanted += [(f"variants.{variant.name}.expect.{key}", need) for key, need in EXPECTATION_NEEDS.items() if key in given]
        if variant.settings.facility.database_keepalives_s is not None:  # packets that only a kernel on the way sees
            wanted.append((f"variants.{variant.name}.settings.facility.database_keepalives_s", "firewall"))
    mistakes += [
        f'needs: has no "{need}", without which there is no {what}; add it'
        for what, need in wanted
        if need is not None and need not in needs
    ]


def _own_link(step: PlannedStep) -> str | None:
    """Give the link on which a step puts a fault, where it is one that needs a proxy of its own; the database has the virtual IP."""
    link: str | None = getattr(step.action, "link", None)
    return None if link == DATABASE else link


def _facility(given: Any, mistakes: list[str]) -> FacilityPlan | None:
    facility = _section(FacilityPlan, given, "facility", mistakes)
    if facility is not None and len(set(facility.callers)) < len(facility.callers):
        mistakes.append(f"facility.callers: found {_found(facility.callers)}; allowed: each of them once")
    return facility


def _section(model: type[Model], given: Any, key: str, mistakes: list[str], also: Sequence[str] = ()) -> Model | None:
    """Decode a section; None, with every mistake noted, when it is wrong. `also`: keys that are allowed beside the model's."""
    try:
        # By way of JSON: its strict mode takes lists for tuples and texts for dates, as a file must, and nothing else for another.
        return model.model_validate_json(json.dumps(given, default=str), strict=True)
    except ValidationError as error:
        # What is too short but not empty has lost the wrong ones among its items, and they are told of already.
        told = [one for one in error.errors() if one["type"] != "too_short" or not one["input"]]
        mistakes += [_mistake(model, key, dict(one), also) for one in told]
        return None


def _mistake(model: type[BaseModel], key: str, error: dict[str, Any], also: Sequence[str]) -> str:
    location = [str(part) for part in error["loc"]]
    if error["type"] != "extra_forbidden":  # where a value may be of several kinds, pydantic adds the kind: nothing of the file's
        location = [part for part in location if not part.startswith(("literal[", "tuple["))]
    path = ".".join([key, *location])
    if error["type"] == "extra_forbidden":
        if path in RENAMED:
            return f"{path}: this key is now called {RENAMED[path]}; its values are the same"
        allowed = [*(also if len(location) == 1 else ()), *_fields_at(model, error["loc"][:-1])]
        return f"{path}: unknown key{_meant(location[-1], allowed)}; allowed: {', '.join(allowed)}"
    if error["type"] == "missing":
        return f"{path}: missing; it is needed"
    return f"{path}: found {_found(error['input'])}; {error['msg'][0].lower() + error['msg'][1:]}"


def _fields_at(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Give the keys that are allowed at a place inside a model."""
    for part in location:
        field = next((one for name, one in model.model_fields.items() if part in (name, one.alias)), None)
        inner = [] if field is None else [kind for kind in _kinds(field.annotation) if issubclass(kind, BaseModel)]
        model = inner[0] if inner else model
    return [field.alias or name for name, field in model.model_fields.items()]


def _kinds(annotation: Any) -> list[type]:
    parts = getattr(annotation, "__args__", ())
    return [annotation] if isinstance(annotation, type) and not parts else [kind for part in parts for kind in _kinds(part)]


def _found(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= FOUND_CHARS else text[:FOUND_CHARS] + "…"


def _meant(word: str, allowed: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, allowed, n=1)
    return f", did you mean {close[0]}?" if close else ""


def _time(night: NightPlan, text: str, key: str, mistakes: list[str]) -> float | None:
    try:
        return night.time_s(text)
    except ValueError as error:
        mistakes.append(f"{key}: {error}")
        return None


def _check_night(night: NightPlan, mistakes: list[str]) -> bool:
    """Check the times of the night against each other; False when the night cannot be used."""
    before = len(mistakes)
    for key, text in (("from", night.from_), ("to", night.to)):
        try:
            parse_time(text)
        except ValueError as error:
            mistakes.append(f"night.{key}: {error}")
    if len(mistakes) > before:
        return False
    if night.to_s <= night.from_s:
        mistakes.append(f"night.to: found {night.to!r}; allowed: a time after night.from ({night.from_})")
        return False
    end_s = night.from_s
    spans = []
    for number, pace in enumerate(night.pace):
        times = [_time(night, text, f"night.pace.{number}", mistakes) for text in (pace.from_, pace.to)]
        if times[0] is not None and times[1] is not None:
            spans.append((times[0], times[1], number))
    for from_s, to_s, number in sorted(spans):
        if not (end_s <= from_s < to_s <= night.to_s):
            mistakes.append(
                f"night.pace.{number}: found {clock_text(from_s)} to {clock_text(to_s)}; "
                f"allowed: a span inside the night ({night.from_} to {night.to}) that overlaps no other"
            )
        end_s = max(end_s, to_s)
    return len(mistakes) == before


def _timeline(given: Any, night: NightPlan | None, facility: FacilityPlan | None, mistakes: list[str]) -> list[PlannedStep]:
    if not isinstance(given, list) or not all(isinstance(step, dict) for step in given):
        mistakes.append(f"timeline: found {_found(given)}; allowed: [[timeline]] tables, each a step")
        return []
    steps = [_step(step, f"timeline.{number}", night, facility, mistakes) for number, step in enumerate(given)]
    planned = [step for step in steps if step is not None]
    if len(planned) == len(given):
        mistakes += _wrong_heals(planned)
    return planned


def _step(
    given: dict[str, Any], key: str, night: NightPlan | None, facility: FacilityPlan | None, mistakes: list[str]
) -> PlannedStep | None:
    before = len(mistakes)
    plan = _section(StepPlan, {name: value for name, value in given.items() if name in STEP_KEYS}, key, mistakes)
    if ("at" in given) == ("when" in given):
        mistakes.append(f"{key}: allowed: either `at` (a time) or `when` (a condition), one of the two")
    elif "at" in given and "within_s" in given:
        mistakes.append(f"{key}.within_s: found beside `at`; allowed: beside `when` only, as the bound of its wait")
    at_s = None if plan is None else _due(plan, key, night, mistakes)
    action = _action(given, key, mistakes)
    if facility is not None and action is not None:
        mistakes += _wrong_places(action, key, facility)
    if plan is None or action is None or len(mistakes) > before:
        return None
    return PlannedStep(plan.fault or plan.operation or "", action, at_s, plan.when, plan.within_s)


def _wrong_places(action: Fault | Operation, key: str, facility: FacilityPlan) -> list[str]:
    """Tell which of the links and services that a step names are not there."""
    services, link = getattr(action, "services", ()), getattr(action, "link", DATABASE)
    wrong = _wrong_services(services, f"{key}.services", facility) if isinstance(services, tuple) else []
    if (service := getattr(action, "service", None)) is not None:
        wrong += _wrong_services((service,), f"{key}.service", facility)
    if (door := getattr(action, "door", None)) is not None and door not in (doors := (*facility.callers, *facility.server_names)):
        wrong.append(f"{key}.door: found {door!r}{_meant(door, doors)}; allowed: {', '.join(doors)}")
    if link not in facility.link_names:
        wrong.append(f"{key}.link: found {link!r}{_meant(link, facility.link_names)}; allowed: {', '.join(facility.link_names)}")
    return wrong


def _wrong_heals(steps: Sequence[PlannedStep]) -> list[str]:
    """Tell which steps heal what no fault of the timeline is, or what cannot be undone."""
    can = sorted({step.word for step in steps if isinstance(step.action, Healable)})
    allowed = ", ".join(can) or "nothing: no fault here can be undone"
    return [
        f"timeline: a step heals {step.action.of or 'what is active'!r}; allowed: {allowed}"
        for step in steps
        if isinstance(step.action, Heal) and (step.action.of not in can if step.action.of else not can)
    ]


def _wrong_services(services: Sequence[str], key: str, facility: FacilityPlan) -> list[str]:
    """Tell which of the application servers that a step names are not there, or named twice."""
    allowed = facility.server_names
    wrong = []
    for number, name in enumerate(services):
        if name not in allowed:
            wrong.append(f"{key}.{number}: found {name!r}{_meant(name, allowed)}; allowed: {', '.join(allowed)}")
        elif name in services[:number]:
            wrong.append(f"{key}.{number}: found {name!r} a second time; allowed: each once")
    return wrong


def _due(plan: StepPlan, key: str, night: NightPlan | None, mistakes: list[str]) -> float | None:
    """Give the time at which a step is due, in seconds of the night; None for one that has no usable time, or waits for a condition."""
    if plan.when is not None and plan.when not in CONDITIONS:
        mistakes.append(f"{key}.when: found {plan.when!r}{_meant(plan.when, CONDITIONS)}; allowed: {', '.join(CONDITIONS)}")
    if plan.at is None or night is None:
        return None
    at_s = _time(night, plan.at, f"{key}.at", mistakes)
    if at_s is not None and not night.from_s <= at_s <= night.to_s:
        mistakes.append(f"{key}.at: found {plan.at!r}; allowed: a time inside the night, {night.from_} to {night.to}")
    return at_s


def _action(given: dict[str, Any], key: str, mistakes: list[str]) -> Any:
    """Make a step's fault or operation with its parameters; None, with every mistake noted, when that cannot be."""
    kinds = [kind for kind in ("fault", "operation") if kind in given]
    if len(kinds) != 1:
        mistakes.append(f"{key}: allowed: either `fault` or `operation`, one of the two")
        return None
    kind, word = kinds[0], given[kinds[0]]
    if not isinstance(word, str):
        return None  # the check of the step's own keys has told it
    parameters = {name: value for name, value in given.items() if name not in STEP_KEYS}
    registry = faults if kind == "fault" else operations
    if word not in registry.names():
        mistakes.append(f"{key}.{kind}: found {word!r}{_meant(word, registry.names())}; allowed: {', '.join(registry.names())}")
        return None
    action = registry.load(word)
    hints = get_type_hints(action, include_extras=True)
    wanted: dict[str, Any] = {
        field.name: (hints[field.name], ... if field.default is MISSING else field.default) for field in fields(action)
    }
    model = create_model(word, __config__=ConfigDict(extra="forbid", strict=True), **wanted)
    record = _section(model, parameters, key, mistakes, STEP_KEYS)
    if record is None:
        return None
    return action(**{name: getattr(record, name) for name in wanted})


def _check_shares(workload: WorkloadPlan, facility: FacilityPlan | None, mistakes: list[str]) -> None:
    callers = tuple(TRANSACTIONS) if facility is None else facility.callers
    for caller, shares in workload.shares.items():
        if caller not in callers:
            mistakes.append(f"workload.shares.{caller}: no such caller{_meant(caller, callers)}; allowed: {', '.join(callers)}")
            continue
        known_here = tuple(TRANSACTIONS[caller])
        mistakes += [
            f"workload.shares.{caller}.{name}: no such transaction{_meant(name, known_here)}; allowed: {', '.join(known_here)}"
            for name in shares
            if name not in known_here
        ]


def _variants(given: Any, path: Path, mistakes: list[str]) -> list[Variant]:
    if not isinstance(given, dict) or (not given and "variants: missing; it is needed" not in mistakes):
        mistakes.append("variants: none; allowed: a table [variants.NAME] for each, with what is expected of it")
        return []
    kept = _kept_variants(path, mistakes)
    variants = []
    for name, value in given.items():
        if not VARIANT_NAME.fullmatch(name):  # it becomes the name of a journal and of a directory
            mistakes.append(f"variants.{name}: found {name!r}; allowed: a name of a-z, 0-9, _ and - that begins with a letter")
        plan = _section(VariantPlan, value, f"variants.{name}", mistakes)
        if plan is None:
            continue
        settings = plan.settings or (kept[name].settings if name in kept else None)
        if settings is None:
            mistakes.append(
                f"variants.{name}: no such variant{_meant(name, list(kept))}; allowed: one of {VARIANTS} ({', '.join(kept)}), "
                f"or one of your own with [variants.{name}.settings]"
            )
            continue
        variants.append(Variant(name, settings, plan.expect))
    return variants


def _kept_variants(path: Path, mistakes: list[str]) -> dict[str, KeptVariant]:
    """Read the variants that a scenario may name: those that every scenario may, and those of the file beside it."""
    kept: dict[str, KeptVariant] = {}
    for file in variant_files(path):
        try:
            kept |= _read_variants(file)
        except ScenarioError as error:
            mistakes += [f"{file}: {mistake}" for mistake in error.mistakes]
    return kept


def _read_variants(file: Path) -> dict[str, KeptVariant]:
    """Read a file of variants; raises ScenarioError with every mistake in it."""
    try:
        text = json.dumps(_toml(file), default=str)
        return TypeAdapter(dict[str, KeptVariant]).validate_json(text, strict=True)
    except ValidationError as error:
        mistakes = tuple(f"{'.'.join(map(str, one['loc']))}: found {_found(one['input'])}; {one['msg']}" for one in error.errors())
        raise ScenarioError(str(file), mistakes) from error
