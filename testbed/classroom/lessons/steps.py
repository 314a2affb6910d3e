"""The timeline of a lesson: the scenario's, with other numbers, and without the steps that the class carries out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from testbed import scenario_file
from testbed.classroom.lessons.plan import ChangePlan, DutyPlan, NotePlan
from testbed.plan import conflicts, sections
from testbed.plan.clock import clock_text
from testbed.plan.decoding import decode, found_text, suggestion
from testbed.plan.scenario import CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.plan.night import NightPlan
    from testbed.plan.scenario import PlannedStep, Scenario

CHANGE_KEYS = tuple(ChangePlan.model_fields)


@dataclass(frozen=True, slots=True)
class Duty:
    """A step that the class carries out: the night's clock stands still at its time until somebody of the role has given the order."""

    at_night_s: float
    order: str
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class TrainerNote:
    """What the trainer is told, at a time of the night or when a condition is seen, which is one of the two."""

    at_night_s: float | None
    when: str | None
    text: str


def tables(data: Mapping[str, Any], key: str, mistakes: list[str]) -> list[dict[str, Any]]:
    """Return the tables of a section that is a list of them; none, with a mistake, when it is something else."""
    value = data.get(key, [])
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        mistakes.append(f"{key}: found {found_text(value)}; allowed: [[{key}]] tables")
        return []
    return value


def changed(given: Sequence[dict[str, Any]], scenario: Scenario, mistakes: list[str]) -> tuple[PlannedStep, ...]:
    """Return the scenario's steps as the lesson has them, each mistake added."""
    before, steps = len(mistakes), list(scenario.steps)
    for number, table in enumerate(given):
        key = f"change.{number}"
        plan = decode(ChangePlan, {name: value for name, value in table.items() if name in CHANGE_KEYS}, key, mistakes)
        place = None if plan is None else _place(plan.at, None, scenario, key, mistakes)
        if plan is None or place is None:
            continue
        if len(table) == 1:
            mistakes.append(f"{key}: found nothing but `at`; allowed: `moved_to`, or numbers of the step at that time")
        step = scenario_file.with_numbers(steps[place], _parameters(table), key, mistakes, CHANGE_KEYS)
        if plan.moved_to is not None and (at_s := _time_s(scenario.night, plan.moved_to, f"{key}.moved_to", mistakes)) is not None:
            step = replace(step, at_night_s=at_s)
        steps[place] = step
    if len(mistakes) == before and given:
        mistakes += [f"change: {mistake}" for mistake in conflicts.of(steps)]
    return tuple(steps)


def _parameters(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name not in CHANGE_KEYS}


def duties(given: Sequence[dict[str, Any]], scenario: Scenario, mistakes: list[str]) -> tuple[tuple[Duty, ...], tuple[int, ...]]:
    """Return what the class carries out, and the place of each in the scenario's timeline."""
    found: list[Duty] = []
    places: list[int] = []
    for number, table in enumerate(given):
        plan = decode(DutyPlan, table, f"duty.{number}", mistakes)
        place = None if plan is None else _place(plan.at, plan.order, scenario, f"duty.{number}", mistakes)
        if plan is None or place is None:
            continue
        if place in places:
            mistakes.append(f"duty.{number}.at: found {plan.at} a second time; allowed: each step of the timeline once")
            continue
        places.append(place)
        found.append(Duty(scenario.night.time_s(plan.at), plan.order, plan.role, plan.text))
    return tuple(found), tuple(places)


def _place(time: str, word: str | None, scenario: Scenario, key: str, mistakes: list[str]) -> int | None:
    """Return the place in the timeline of the one step at a time, of a word if it has to have one; None, with a mistake, without one."""
    at_s = _time_s(scenario.night, time, f"{key}.at", mistakes)
    if at_s is None:
        return None
    fitting = {number: step for number, step in enumerate(scenario.steps) if step.at_night_s is not None and word in (None, step.word)}
    places = [number for number, step in fitting.items() if step.at_night_s == at_s]
    if len(places) == 1:
        return places[0]
    times = dict.fromkeys(clock_text(step.at_night_s or 0.0) for step in fitting.values())
    what = "step" if word is None else f"step `{word}`"
    count = "no" if not places else f"{len(places)} steps, and not one"
    mistakes.append(
        f"{key}.at: found {time!r}, when the timeline of {scenario.name} has {count if places else f'no {what}'}; "
        f"allowed: {', '.join(times) or f'nothing: it has no {what} at any time'}"
    )
    return None


def notes(given: Sequence[dict[str, Any]], night: NightPlan, mistakes: list[str]) -> tuple[TrainerNote, ...]:
    """Return what the trainer is told, in the order of the file."""
    found: list[TrainerNote] = []
    for number, table in enumerate(given):
        key = f"note.{number}"
        plan = decode(NotePlan, table, key, mistakes)
        if ("at" in table) == ("when" in table):
            mistakes.append(f"{key}: allowed: either `at` (a time) or `when` (a condition), one of the two")
        elif plan is not None and plan.when is not None and plan.when not in CONDITIONS:
            mistakes.append(f"{key}.when: found {plan.when!r}{suggestion(plan.when, CONDITIONS)}; allowed: {', '.join(CONDITIONS)}")
        elif plan is not None:
            at_s = None if plan.at is None else _time_s(night, plan.at, f"{key}.at", mistakes)
            found.append(TrainerNote(at_s, plan.when, plan.text))
    return tuple(found)


def _time_s(night: NightPlan, time: str, key: str, mistakes: list[str]) -> float | None:
    """Return a time of day in seconds of the night; None, with a mistake, when it is none inside the night."""
    at_s = sections.time_s(night, time, key, mistakes)
    if at_s is None or night.from_s <= at_s <= night.to_s:
        return at_s
    mistakes.append(f"{key}: found {time!r}; allowed: a time inside the night, {night.from_} to {night.to}")
    return None
