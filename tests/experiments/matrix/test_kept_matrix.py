"""The matrix that is kept in the tree (`scenarios/containment/`): complete, of this code, and the same everywhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from testbed import scenario_file
from testbed.experiments.matrix import folder, gate, lessons, picture, plan
from testbed.experiments.matrix.measures import OUTCOME
from testbed.experiments.matrix.text import markdown
from testbed.facility.runtime import RUNTIMES
from testbed.plan.expectation import Outcome
from testbed.runtime import backends

ROOT = Path(__file__).parents[3]
DIRECTORY = ROOT / "scenarios" / "containment"
KEPT = folder.read(DIRECTORY, scenario_file.kept_variants())
NEWER = tuple(
    name for name in scenario_file.kept_variants() if name not in {row.variant for row in KEPT.rows}
)  # it has no cells of them yet
FIVE = 5  # replays a cell: a baseline in which one cell alone can be certain


def test_it_has_every_variant_with_the_settings_of_now() -> None:
    """A variant that was added or changed makes it old: `testbed matrix --out scenarios/containment` makes it anew."""
    variants = {name: variant for name, variant in scenario_file.kept_variants().items() if name not in NEWER}
    assert KEPT.rows == tuple(plan.row(name, variant) for name, variant in variants.items())
    for column, made in KEPT.made.items():
        assert made.settings == {name: plan.digest(variant.settings) for name, variant in variants.items()}, column
    assert set(KEPT.made) == {column.key for column in KEPT.columns}


def test_the_page_on_experiments_says_which_variants_have_no_cells_yet() -> None:
    """Whoever makes the matrix anew with them takes the sentence out."""
    page = " ".join((ROOT / "testbed" / "experiments" / "README.md").read_text(encoding="utf-8").split())
    assert f"newer than it, and have no cells yet: {', '.join(f'`{name}`' for name in NEWER)}. " in page


@pytest.mark.parametrize("runtime", ["processes"])
def test_it_has_every_scenario_that_the_runtime_can_run_with_the_trace_of_now(runtime: str) -> None:
    """A scenario that was added, or whose passengers changed, makes it old."""
    backend = backends.of(runtime)
    scenarios = [one for path in scenario_file.known() if (one := scenario_file.load(path)).matrix and not backend.lacks(one)]
    made = plan.plan(scenarios, scenario_file.kept_variants(), runtime, backend.slowdown)
    assert [column for column in KEPT.columns if column.runtime == runtime] == [planned.column for planned in made.columns]


def test_the_night_is_there_on_both_runtimes_and_its_outcomes_are_known() -> None:
    """No cell is missing, and none of the night is unknown."""
    assert {column.runtime for column in KEPT.columns if column.scenario == "the_night"} == set(RUNTIMES)
    assert KEPT.missing == ()
    assert [cell.key for cell in KEPT.cells if cell.outcome is None and cell.scenario == "the_night"] == []


def test_what_is_unknown_is_a_facility_that_was_not_seen_to_come_back() -> None:
    """It answers some and refuses others to the end; a replay that could not be believed would have been made again."""
    unknown = [cell for cell in KEPT.cells if cell.outcome is None]
    assert {cell.reason.code for cell in unknown if cell.reason} <= {"not_seen_to_come_back"}
    assert len(unknown) < len(KEPT.cells) / 50


def test_page_and_picture_are_of_the_same_matrix() -> None:
    """Neither was edited, and neither is of another run."""
    assert (DIRECTORY / folder.PAGE).read_text(encoding="utf-8") == markdown(KEPT)
    assert (DIRECTORY / folder.PICTURE).read_text(encoding="utf-8") == picture.draw(KEPT)


def test_the_page_on_experiments_says_how_many_replays_the_kept_cells_have() -> None:
    """Of the night that is gated, how many cells have how many, and how many replays make a cell certain; of the others, how many."""
    gated = [cell for cell in KEPT.cells if cell.column == ("the_night", "processes")]
    (first, cells), *others = Counter(len(cell.each) for cell in gated).most_common()
    several = "".join(f" and {replays} in {count}" for replays, count in others)
    planned = gate.plan(gated)
    (certain,) = {of.replays for several in planned.comparisons.values() for of in several if of.measure is OUTCOME}
    least = {key: min(len(cell.each) for cell in KEPT.cells if cell.column == key) for key in {column.key for column in KEPT.columns}}
    some = sum(replays >= FIVE for replays in least.values())
    fewer = sorted({len(cell.each) for cell in KEPT.cells if least[cell.column] < FIVE})
    page = (ROOT / "testbed" / "experiments" / "README.md").read_text(encoding="utf-8")
    assert f"has {first} replays in {cells} of its cells{several}: of a cell that looks worse, {certain - 1} of {certain} replays" in page
    assert f"Of the {len(least)} kept columns, {some} have five replays a cell or more" in page
    assert f"those of the others have {' or '.join(map(str, fewer))}, too few for that" in page
    assert max(fewer) < planned.least <= FIVE


def test_there_are_as_many_lessons_as_the_page_on_experiments_says() -> None:
    """In a word, and one of them a line of the README."""
    text = (ROOT / "testbed" / "experiments" / "README.md").read_text(encoding="utf-8")
    assert ("in eight sentences" in text, len(lessons.LESSONS)) == (True, 8)


def test_the_readme_says_what_the_matrix_teaches() -> None:
    """Each sentence stands there unless the measurements contradict it, and no lesson is left unchecked.

    What the kept cells do not show may stand there, as the page says so of them.
    """
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    checked = lessons.check(KEPT)
    assert len(checked) == len(lessons.LESSONS)
    for lesson in checked:
        assert (lesson.says in text) is (lesson.holds is not False), lesson.says
        assert lesson.holds is not None or "not recorded" in lesson.figures, lesson.says


SWITCHOVERS = ("the_night", "driver_cursor", "restore")
WITHOUT_ANSWER = ("silence_for_ever", "trickle", "five_oclock")  # as the page on experiments names them


def test_of_all_variants_only_the_pair_leaves_every_switchover_unharmed() -> None:
    """The page on experiments says so of `hardened`, on both runtimes; each pattern alone fails in one of them."""
    switchovers = [cell for cell in KEPT.cells if cell.scenario in SWITCHOVERS]
    assert {cell.scenario for cell in switchovers} == set(SWITCHOVERS)
    harmed = {cell.variant for cell in switchovers if cell.outcome != Outcome.UNHARMED.value}
    assert {row.variant for row in KEPT.rows} - harmed == {"hardened"}
    assert {cell.leaked.count for cell in switchovers if cell.variant == "hardened"} == {0}


def test_the_pair_helps_against_nothing_that_never_answers() -> None:
    """The page on experiments says so: outcome and crack are those of `original`."""
    cells = {cell.key: cell for cell in KEPT.cells if cell.scenario in WITHOUT_ANSWER}
    hardened = [cell for cell in cells.values() if cell.variant == "hardened"]
    assert {cell.scenario for cell in hardened} == set(WITHOUT_ANSWER)
    for cell in hardened:
        assert cell.result == cells[*cell.column, "original"].result == (Outcome.GROUNDED.value, 6)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_variant_answers_fewer_transactions_of_the_night_than_the_retry(runtime: str) -> None:
    """The page on experiments says so; over other faults a retry may well help."""
    answered = {cell.variant: cell.all_answered.count for cell in KEPT.cells if cell.column == ("the_night", runtime)}
    assert min(answered.values()) == answered["retry"] < answered["original"]
