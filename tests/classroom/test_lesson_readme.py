from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from testbed.classroom.lessons import lesson
from testbed.classroom.lessons.plan import (
    LEAST_MINUTES,
    MOST_MINUTES,
    SECTIONS,
    ChangePlan,
    DutyPlan,
    LessonHead,
    LessonNight,
    LessonSpeed,
    LessonWorkload,
    NotePlan,
    PartPlan,
)
from testbed.errors import FacilityError
from testbed.plan.scenario import CONDITIONS
from testbed.plan.settings import StrictRecord

PAGE = (Path(lesson.__file__).parents[1] / "README.md").read_text(encoding="utf-8")
RECORDS: dict[str, type[StrictRecord]] = {
    "[night]": LessonNight,
    "[night], each part": PartPlan,
    "[speed]": LessonSpeed,
    "[workload]": LessonWorkload,
    "[[change]]": ChangePlan,
    "[[duty]]": DutyPlan,
    "[[note]]": NotePlan,
}


def rows(begin: str) -> list[list[str]]:
    """Return the cells of every row of the table whose heading begins so."""
    table = PAGE.partition(f"\n| {begin} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def keys(record: type[StrictRecord]) -> dict[str, bool]:
    """Return the keys of a record as a file has them, and whether each is required."""
    return {field.alias or name: field.is_required() for name, field in record.model_fields.items()}


def test_every_lesson_is_in_the_table_with_its_title_and_minutes() -> None:
    """And where it runs, and no other is."""
    told = {}
    for name, title, minutes, runtimes, learned in rows("lesson"):
        told[name.strip("`")] = (title, float(minutes), runtimes)
        assert learned.endswith(".")
    assert told == {name: (of.title, of.minutes, runs_on(name)) for name in lesson.kept() for of in [lesson.read(name, "processes")]}


def runs_on(name: str) -> str:
    """Return the runtimes that can carry a lesson."""
    try:
        lesson.read(name, "containers")
    except FacilityError:
        return "processes"
    return "both"


def test_every_key_at_the_head_is_explained() -> None:
    """With its type, all of them required."""
    assert {cells[0].strip("`"): cells[2] == "required" for cells in rows("key")} == keys(LessonHead)
    assert f"{LEAST_MINUTES} to {MOST_MINUTES}" in {cells[0].strip("`"): cells[3] for cells in rows("key")}["minutes"]


def test_every_section_is_explained() -> None:
    """In the order in which a message lists them."""
    named = [re.findall(r"\w+", cells[0])[0] for cells in rows("section")]
    assert list(dict.fromkeys(named)) == list(SECTIONS)


@pytest.mark.parametrize("section", RECORDS)
def test_every_key_of_a_section_is_explained(section: str) -> None:
    """And whether it has to be there; one of two has to be in a note."""
    table = {
        key: "required" in cells[3]
        for cells in rows("section")
        if cells[0].replace("`", "") == section
        for key in re.findall(r"`(\w+)`", cells[1])
    }
    assert table == keys(RECORDS[section])


def test_every_condition_is_named() -> None:
    """Where a note's key is explained."""
    [told] = [cells[4] for cells in rows("section") if cells[:2] == ["`[[note]]`", "`when`"]]
    assert re.findall(r"`(\w+)`", told) == list(CONDITIONS)


def test_the_example_is_a_lesson(tmp_path: Path) -> None:
    """Saved outside of the project, as a stranger would."""
    [text] = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "again.toml").write_text(text, encoding="utf-8")
    read = lesson.read(tmp_path / "again.toml", "processes")
    assert read.title == tomllib.loads(text)["title"]
    assert [duty.order for duty in read.duties] == ["switchover"]
    night = read.scenario.night
    assert night.clock().real_s(night.time_s("06:02")) == pytest.approx(180)
