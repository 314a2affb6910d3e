"""Lessons: nights that a class plays. A file is read and checked without starting anything; every mistake is told at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from testbed import scenario_file
from testbed.classroom.lessons import folders as lesson_folders
from testbed.classroom.lessons import night as lesson_night
from testbed.classroom.lessons import steps as lesson_steps
from testbed.classroom.lessons.plan import (
    CONTAINED,
    LEAST_PREVENTIONS,
    SECTIONS,
    LessonHead,
    LessonNight,
    LessonPreventions,
    LessonSpeed,
    LessonWorkload,
)
from testbed.classroom.lessons.steps import Duty, TrainerNote
from testbed.errors import FacilityError, ScenarioError, UsageError
from testbed.facility.runtime import RUNTIMES
from testbed.plan import impossible
from testbed.plan.decoding import decode, found_text, read_toml, suggestion
from testbed.plan.expectation import WHATEVER, Expectation
from testbed.plan.passengers import MAX_REQUESTS
from testbed.plan.scenario import Scenario, Variant
from testbed.plan.settings import Settings
from testbed.runtime import backends

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

__all__ = ["Duty", "Lesson", "TrainerNote", "kept", "read"]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson as it was read and checked. `trainer` and `notes` are for the trainer alone, and so are the two scenarios.

    `explanation`: what the class is told of what happened, and why nobody saw it, once all is revealed.

    `scenario` has the one variant that the class meets, with nothing expected of it, a clock on which the night takes `minutes` real
    minutes, and not the steps that the class carries out (`duties`). `speed`: how much slower or faster it may be; None: as anybody likes.
    `replayed` is the kept scenario at its own speed with the variants that the class may choose to prevent it all (`preventions`, with a
    text for each), and expects of each what it takes to hold.
    """

    name: str
    path: Path
    title: str
    introduction: str
    trainer: str
    explanation: str
    minutes: float
    speed: LessonSpeed | None
    scenario: Scenario
    duties: tuple[Duty, ...]
    notes: tuple[TrainerNote, ...]
    preventions: tuple[str, ...]
    prevention_texts: Mapping[str, str]
    replayed: Scenario


def kept() -> tuple[str, ...]:
    """Return the names of the lessons that are known by name: the package's, and those of `scenarios/lessons` of the current directory."""
    return tuple(lesson_folders.files())


def read(word: str | PathLike[str], runtime: str) -> Lesson:
    """Return a lesson, by its name or by a path.

    Raises UsageError for a name or a runtime that is not there, ScenarioError with every mistake in the file or in that of its scenario,
    and FacilityError for a runtime that lacks what the lesson needs.
    """
    path = lesson_folders.find(word)
    lesson, mistakes = _decode(read_toml(path), path)
    if lesson is None:
        raise ScenarioError(str(path), tuple(mistakes))
    if runtime not in RUNTIMES:
        raise UsageError(f"no runtime {runtime!r}{suggestion(runtime, RUNTIMES)}; there are {', '.join(RUNTIMES)}")
    if missing := [repr(need) for need in lesson.scenario.needs if need not in backends.of(runtime).capabilities]:
        lacking = f"needs {' and '.join(missing)}, which runtime {runtime!r} does not provide"
        raise FacilityError(f"lesson {lesson.name!r} {lacking}; choose another with --runtime")
    return lesson


def _decode(data: Mapping[str, Any], path: Path) -> tuple[Lesson | None, list[str]]:
    """Decode section by section, so that a mistake in one hides none in another."""
    mistakes: list[str] = []
    head = decode(LessonHead, {name: value for name, value in data.items() if name not in SECTIONS}, "", mistakes, tuple(SECTIONS))
    night = decode(LessonNight, data.get("night", {}), "night", mistakes)
    speed = decode(LessonSpeed, data["speed"], "speed", mistakes) if "speed" in data else None
    workload = decode(LessonWorkload, data.get("workload", {}), "workload", mistakes)
    holds = decode(Expectation, data["holds"], "holds", mistakes) if "holds" in data else CONTAINED
    told = {key: lesson_steps.tables(data, key, mistakes) for key in ("change", "duty", "note")}
    names = {key: data.get(key) if head is None else getattr(head, key) for key in ("scenario", "variant")}
    scenario = _scenario(names["scenario"], mistakes)
    if scenario is None:
        return None, mistakes
    variant = _variant(names["variant"], data.get("settings", {}), scenario, mistakes)
    texts = _preventions(data.get("preventions"), scenario, names["variant"], mistakes)
    steps = lesson_steps.changed(told["change"], scenario, mistakes)
    duties, places = lesson_steps.duties(told["duty"], scenario, mistakes)
    mistakes += [
        f"change: the step of {duty.order} is changed, and the class carries it out; allowed: one of the two"
        for duty, place in zip(duties, places, strict=True)
        if steps[place] != scenario.steps[place]
    ]
    notes = lesson_steps.notes(told["note"], scenario.night, mistakes)
    replayed = None if holds is None else _replayed(scenario, tuple(texts), holds, mistakes)
    if workload is not None:
        mistakes += _wrong_rate(workload, scenario)
    slow = None if head is None or night is None else lesson_night.taking(scenario.night, head.minutes, night.pace, mistakes)
    if mistakes or head is None or workload is None or slow is None or variant is None or replayed is None:
        return None, mistakes
    played = replace(
        scenario.with_overrides(seed=workload.seed, rate_per_minute=workload.rate_per_minute),
        night=slow,
        steps=tuple(step for place, step in enumerate(steps) if place not in places),
        variants=(variant,),
    )
    of_class = (head.title, head.introduction, head.trainer, head.explanation, head.minutes, speed)
    return Lesson(path.stem, path, *of_class, played, duties, notes, tuple(texts), texts, replayed), mistakes


def _scenario(name: object, mistakes: list[str]) -> Scenario | None:
    """Return a kept scenario by its name; raises ScenarioError for one that is wrong itself."""
    if not isinstance(name, str):
        return None  # the check of the lesson's own keys has added this mistake
    files = {path.stem: path for path in scenario_file.known()}
    if name not in files:
        mistakes.append(f"scenario: found {found_text(name)}{suggestion(name, list(files))}; allowed: {', '.join(files)}")
        return None
    return scenario_file.load(files[name])


def _variant(name: object, settings: object, scenario: Scenario, mistakes: list[str]) -> Variant | None:
    """Return the variant that runs, with the lesson's own settings over its own.

    Nothing is expected of it: the class decides what becomes of the night.
    """
    of_lesson = decode(Settings, settings, "settings", mistakes)
    if not isinstance(name, str):
        return None  # as above
    known = scenario_file.variants_of(scenario, (name,))
    if name not in known:
        mistakes.append(f"variant: found {found_text(name)}{suggestion(name, list(known))}; allowed: {', '.join(known)}")
        return None
    if of_lesson is None:
        return None
    roles = {role: getattr(known[name].settings, role) for role in Settings.model_fields}
    given = {role: getattr(of_lesson, role) for role in Settings.model_fields}
    over = {
        role: own.model_copy(update={key: getattr(given[role], key) for key in given[role].model_fields_set}) for role, own in roles.items()
    }
    return Variant(name, Settings(**over), WHATEVER)


def _preventions(value: object, scenario: Scenario, running: object, mistakes: list[str]) -> dict[str, str]:
    """Return what the class chooses from: variants, each with its text, in the order of the file."""
    before = len(mistakes)
    if not isinstance(value, dict):
        found = "missing; it is required" if value is None else f"found {found_text(value)}"
        mistakes.append(f"preventions: {found}; allowed: a table of variants, each with a text")
        return {}
    plan = decode(LessonPreventions, {"preventions": value}, "", mistakes)
    if len(value) < LEAST_PREVENTIONS:
        mistakes.append(f"preventions: found {len(value)}; allowed: {LEAST_PREVENTIONS} variants or more")
    known = scenario_file.variants_of(scenario, tuple(value))
    for name in value:
        if name not in known:
            mistakes.append(f"preventions.{name}: no such variant{suggestion(name, list(known))}; allowed: {', '.join(known)}")
        elif name == running:
            mistakes.append(f"preventions.{name}: this is the variant that runs, and prevents nothing; allowed: another")
    return {} if plan is None or len(mistakes) > before else plan.preventions


def _replayed(scenario: Scenario, names: tuple[str, ...], holds: Expectation, mistakes: list[str]) -> Scenario:
    """Return the kept scenario with the preventions, of each of which is expected what it takes to hold."""
    known = scenario_file.variants_of(scenario, names)
    variants = tuple(replace(known[name], expect=holds) for name in names)
    words = {step.word for step in scenario.steps}
    for variant in variants[:1]:  # what one cannot meet because of the facility or the timeline, no other can
        mistakes += [
            mistake.replace(f"variants.{variant.name}.expect", "holds", 1) for mistake in impossible.of(variant, scenario.facility, words)
        ]
    return replace(scenario, variants=variants)


def _wrong_rate(workload: LessonWorkload, scenario: Scenario) -> list[str]:
    """Return a mistake for a rate at which nobody comes, or more than a replay may have."""
    rate, minutes = workload.rate_per_minute, scenario.night.minutes
    if scenario.workload.trace is not None and (rate is not None or workload.seed is not None):
        return [f"workload: {scenario.name} sends a kept trace, {scenario.workload.trace}; allowed: neither `seed` nor `rate_per_minute`"]
    if rate is None or 1 <= (count := round(rate * minutes)) <= MAX_REQUESTS:
        return []
    return [f"workload.rate_per_minute: {rate:g} over {minutes:g} minutes makes {count:,} requests; allowed: 1 to {MAX_REQUESTS:,}"]
