from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file
from testbed.classroom.lessons import lesson
from testbed.cli import classroom as command
from testbed.errors import FacilityError
from testbed.experiments.matrix import folder
from testbed.experiments.planned import planned
from testbed.plan import package_data, passengers
from testbed.plan.expectation import WHATEVER
from testbed.runtime import backends

if TYPE_CHECKING:
    from testbed.classroom.lessons.lesson import Lesson

ROOT = Path(__file__).parents[2]
KEPT = lesson.kept()
LESSONS = {name: lesson.read(name, "processes") for name in KEPT}
MATRIX = folder.read(ROOT / "scenarios" / "containment", scenario_file.kept_variants())
CELLS = {(cell.scenario, cell.runtime, cell.variant): cell for cell in MATRIX.cells}
# What would give a cause away, as the beginnings of words, wherever a class reads it before it has an answer.
GIVEAWAYS = {
    "aftershock": ("retr", "repeat", "storm", "lock", "anew"),
    "every_morning": ("firewall", "idle", "forg", "drop", "silen"),
    "long_queue": ("lock", "slow", "table"),
    "ordinary_monday": ("leak", "los", "give", "early"),
    "standing_still": ("silen", "drop", "answer", "firewall"),
    "the_night": ("leak", "los", "close", "stale", "statement"),
}


def told(of: Lesson) -> str:
    """Return all that the class reads before it has an answer."""
    return "\n".join((of.title, of.introduction, *(duty.text for duty in of.duties)))


def holds(of: Lesson, variant: str) -> bool | None:
    """Return whether a prevention holds, by the kept matrix; None where that is not known, or another on each runtime.

    What has no cell there has an expectation in the scenario, which its suite replays.
    """
    kept, expect = scenario_file.load(of.replayed.path), of.replayed.variant(variant).expect
    cells = [cell for (scenario, _, name), cell in CELLS.items() if (scenario, name) == (kept.name, variant) and cell.outcome is not None]
    seen = {cell.outcome in expect.outcome and (expect.crack is None or cell.crack in expect.crack) for cell in cells}
    if not cells:
        own = kept.variant(variant).expect
        seen = {outcome in expect.outcome for outcome in own.outcome} if expect.root is None else {own.root == expect.root}
    return seen.pop() if len(seen) == 1 else None


def test_there_are_six_lessons_or_more() -> None:
    """The night, the five o'clock problem, a slow database, silence, retries, and a leak without a fault."""
    replayed = {of.replayed.name for of in LESSONS.values()}
    assert len(LESSONS) >= 6
    assert {"the_night", "five_oclock", "slow_database", "silence", "retry_storm", "quiet_leak"} <= replayed


def test_no_lesson_is_taken_for_a_scenario() -> None:
    """Nor is its folder."""
    files = scenario_file.known()
    assert [path for path in files if path.parent.name == "lessons"] == []
    assert not {path.stem for path in files} & (set(KEPT) - {"the_night"})


@pytest.mark.parametrize("name", KEPT)
def test_a_lesson_is_whole(name: str) -> None:
    """It has one variant, passengers, notes for before the trouble and after it, and a text for each prevention."""
    of = LESSONS[name]
    assert (of.name, of.path.resolve()) == (name, ROOT / "scenarios" / "lessons" / f"{name}.toml")
    assert [variant.expect for variant in of.scenario.variants] == [WHATEVER]
    assert 50 <= len(passengers.of(of.scenario).requests) <= 5_000
    assert len(of.notes) >= 5
    assert {note.when for note in of.notes if note.at_night_s is None} <= {"hung", "servers_hung", "pool_empty", "recovered"}
    assert list(of.prevention_texts) == list(of.preventions)
    assert len(of.introduction.splitlines()) > 1
    assert len(of.trainer.splitlines()) > 1
    assert 3 <= len(of.explanation.splitlines()) <= 6
    assert "Nobody saw it: " in of.explanation


@pytest.mark.parametrize("name", KEPT)
def test_the_night_takes_the_minutes_of_the_lesson(name: str) -> None:
    """At the lesson's own speed, from first to last."""
    of = LESSONS[name]
    night = of.scenario.night
    assert 10 <= of.minutes <= 45
    assert night.clock().real_s(night.to_s) == pytest.approx(of.minutes * 60)


@pytest.mark.parametrize("name", KEPT)
def test_nobody_waits_for_hours_in_which_nothing_happens(name: str) -> None:
    """No two passengers in a row, and no note, are more than three minutes of the class apart."""
    of = LESSONS[name]
    night = of.scenario.night
    seen_s = [request.due_night_s for request in passengers.of(of.scenario).requests]
    seen_s += [note.at_night_s for note in of.notes if note.at_night_s is not None]
    real_s = [night.clock().real_s(night_s) for night_s in sorted([night.from_s, *seen_s, night.to_s])]
    assert max(after_s - before_s for before_s, after_s in pairwise(real_s)) < 180


@pytest.mark.parametrize("name", KEPT)
def test_a_lesson_hides_its_cause(name: str) -> None:
    """What the class reads names neither the variant nor a fault of the timeline, nor what is to blame."""
    of = LESSONS[name]
    kept = scenario_file.load(of.replayed.path)
    [variant] = of.scenario.variants
    words = {variant.name, *(step.word for step in of.scenario.steps)} - {"heal", "collect_evidence"}
    if variant.name in {other.name for other in kept.variants} and (root := kept.variant(variant.name).expect.root) is not None:
        words |= {root.code, root.at}
    text = "\n".join((told(of), *of.prevention_texts.values()))
    for word in words:
        assert not re.search(rf"\b{re.escape(word.replace('_', ' '))}\b", text.replace("_", " "), re.IGNORECASE), word
    for begin in GIVEAWAYS[name]:
        assert not re.search(rf"\b{begin}", told(of), re.IGNORECASE), begin


@pytest.mark.parametrize("name", KEPT)
def test_the_file_names_the_cause_only_by_its_scenario_and_variant(name: str) -> None:
    """Not even the trainer's texts have a fault's word."""
    of = LESSONS[name]
    text = re.sub(r'^(scenario|variant) = ".*"$', "", of.path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for word in {of.scenario.variants[0].name, *(step.word for step in of.scenario.steps)} - {"heal"}:
        assert not re.search(rf"\b{word}\b", text), word


@pytest.mark.parametrize("name", KEPT)
def test_what_the_class_carries_out_is_not_in_the_timeline(name: str) -> None:
    """And all the rest of the scenario's timeline is, in its order."""
    of = LESSONS[name]
    words = [step.word for step in scenario_file.load(of.replayed.path).steps]
    for duty in of.duties:
        assert (duty.order, duty.role) == ("switchover", "operator")
        words.remove(duty.order)
    assert [step.word for step in of.scenario.steps] == words


def test_the_class_does_the_switchover_of_the_night() -> None:
    """At 23:00, and nothing else is done to anything."""
    night = LESSONS["the_night"]
    assert [(duty.at_night_s, duty.order) for duty in night.duties] == [(82_800.0, "switchover")]
    assert night.scenario.steps == ()
    assert night.scenario.variants[0].name == "original"


def test_a_connection_may_rest_for_as_long_as_the_lesson_says() -> None:
    """The numbers of a fault are the lesson's, and its time; what the kept scenario has stays as it was."""
    morning = LESSONS["every_morning"]
    [step], [kept] = morning.scenario.steps, morning.replayed.steps
    assert (step.at_night_s, step.action.idle_s) == (morning.scenario.night.time_s("03:31"), 9)  # type: ignore[attr-defined]
    assert (kept.at_night_s, kept.action.idle_s) == (morning.scenario.night.time_s("03:36:45"), 2)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", KEPT)
def test_a_prevention_is_replayed_in_the_kept_scenario(name: str) -> None:
    """At its own speed, with its own passengers and timeline; to hold is what is expected of each."""
    of = LESSONS[name]
    kept = scenario_file.load(of.replayed.path)
    assert of.replayed == replace(kept, variants=of.replayed.variants)
    assert tuple(variant.name for variant in of.replayed.variants) == of.preventions
    for variant in of.preventions:
        [chosen] = planned(of.replayed, (variant,)).variants
        assert chosen == of.replayed.variant(variant)
        assert chosen.settings == scenario_file.variants_of(kept)[variant].settings
        assert chosen.settings != of.scenario.variants[0].settings


@pytest.mark.parametrize("name", KEPT)
def test_of_the_preventions_some_hold_and_some_do_not(name: str) -> None:
    """By the kept matrix, or where the scenario has no column there by what its suite expects; each is one of the two."""
    of = LESSONS[name]
    held = {variant: holds(of, variant) for variant in of.preventions}
    assert set(held.values()) == {True, False}, held
    assert len(held) >= 3


@pytest.mark.parametrize("name", KEPT)
def test_a_runtime_that_lacks_what_a_lesson_needs_is_told_at_once(name: str) -> None:
    """With what is missing; a lesson that it can carry is the same as on the other."""
    of = LESSONS[name]
    missing = [need for need in of.scenario.needs if need not in backends.of("containers").capabilities]
    if not missing:
        assert lesson.read(name, "containers") == of
        return
    with pytest.raises(FacilityError, match=f"lesson '{name}' needs 'processes', which runtime 'containers' does not provide"):
        lesson.read(name, "containers")


def test_the_night_of_the_case_can_be_played_on_both_runtimes() -> None:
    """And so can the five o'clock problem, the silence and the leak."""
    assert [name for name in KEPT if not LESSONS[name].scenario.needs] == [
        "every_morning",
        "ordinary_monday",
        "standing_still",
        "the_night",
    ]


def test_lessons_are_data_of_the_package() -> None:
    """They lie with the scenarios, which a wheel has."""
    assert {of.path.resolve().parent for of in LESSONS.values()} == {package_data.directory("scenarios") / "lessons"}


def test_the_examples_of_the_command_name_lessons_that_there_are() -> None:
    """Whoever copies one from `testbed class --help` gets a class."""
    examples = re.findall(r"testbed class (\w+)", command.class_.epilog or "")
    assert examples
    assert set(examples) <= set(KEPT)
