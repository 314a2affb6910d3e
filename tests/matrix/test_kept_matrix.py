"""The matrix that is kept in the tree (`scenarios/containment.*`): whole, of this code, and told alike everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import places, scenario_file
from testbed.matrix import heat_map, lessons, plan, table, told
from testbed.runtime import RUNTIMES

ROOT = Path(__file__).parents[2]
KEPT = table.read(ROOT / "scenarios" / "containment.json")


def test_it_has_every_variant_with_the_settings_of_now() -> None:
    """A variant that was added or changed makes it old: `testbed matrix --out scenarios/containment` makes it anew."""
    assert KEPT.rows == tuple(plan.row(name, kept) for name, kept in scenario_file.kept_variants().items())


@pytest.mark.parametrize("runtime", ["processes"])
def test_it_has_every_scenario_that_the_runtime_can_run_with_the_trace_of_now(runtime: str) -> None:
    """A scenario that was added, or whose passengers changed, makes it old."""
    where = places.of(runtime)
    scenarios = [one for path in scenario_file.known() if not where.place.lacks(one := scenario_file.load(path))]
    made = plan.plan(scenarios, scenario_file.kept_variants(), runtime, where.slower)
    assert [column for column in KEPT.columns if column.runtime == runtime] == [sown.column for sown in made.columns]


def test_the_night_is_there_on_both_runtimes_and_every_outcome_is_told() -> None:
    """No cell is missing or unknown."""
    assert {column.runtime for column in KEPT.columns if column.scenario == "the_night"} == set(RUNTIMES)
    assert KEPT.missing == ()
    assert [cell.key for cell in KEPT.cells if cell.outcome is None] == []


def test_page_and_picture_are_of_the_same_matrix() -> None:
    """Neither was edited, and neither is of another run."""
    assert (ROOT / "scenarios" / "containment.md").read_text(encoding="utf-8") == told.markdown(KEPT)
    assert (ROOT / "scenarios" / "containment.svg").read_text(encoding="utf-8") == heat_map.draw(KEPT)


def test_the_readme_says_what_the_matrix_teaches() -> None:
    """Each sentence that holds stands there, and none that the measurements contradict."""
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    for lesson in lessons.taught(KEPT):
        assert (lesson.says in text) is lesson.holds, lesson.says
