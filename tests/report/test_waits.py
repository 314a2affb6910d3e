"""When evidence of who waited for whom was taken, and why then, in words."""

from __future__ import annotations

import pytest

from testbed.journal.evidence import Evidence
from testbed.report import waits
from testbed.verdict import judge
from testbed.verdict.who_waits import Look, WhoWaits
from tests.journals import EVENING_S, SPEED, contained_night, hung_night


def look(why: str, began_s: float, took_s: float) -> Look:
    """Return a look at nothing, of evidence that was collected from one real time on."""
    began_night_s = EVENING_S + began_s * SPEED
    seen = Evidence(why, began_s, began_night_s, took_s)  # type: ignore[arg-type]
    return Look(began_night_s + took_s * SPEED, why, WhoWaits(), "", seen)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("taken", "words"),
    [
        (look("hung", 5.4, 4.0), "evidence taken from 22:09 to 22:15, after every caller had hung at 22:08:20"),
        (look("hung", 5.4, 0.5), "evidence taken at 22:09, when every caller hung"),
        (look("asked", 5.4, 0.5), "evidence taken at 22:09, when an operator asked"),
        (look("hung", 2.0, 4.0), "evidence taken from 22:03 to 22:10, when no caller had a thread free"),  # before any of them hung
    ],
)
def test_a_title_says_from_when_to_when_and_since_when_every_caller_hung(taken: Look, words: str) -> None:
    """The callers of the night hang at 22:08:20; what is collected takes minutes of it. Times that are near each other are one."""
    assert waits.title(taken, judge.judge(hung_night().journal()).figures) == words


def test_in_a_night_that_did_not_hang_no_caller_had_a_thread_free() -> None:
    """For a moment they looked hung, and evidence was taken; that they hung is not said of it."""
    figures = judge.judge(contained_night().journal(expect={"outcome": ["contained"]})).figures
    assert waits.title(look("hung", 3.0, 0.1), figures) == "evidence taken at 22:05, when no caller had a thread free"


def test_without_evidence_the_time_of_the_dumps_is_told() -> None:
    """Of a journal from before evidence was taken, and of a file that cannot be read."""
    bare = Look(EVENING_S + 10.0 * SPEED, "hung", WhoWaits(), "no evidence was taken beside the dumps")
    figures = judge.judge(hung_night().journal()).figures
    assert waits.title(bare, figures) == "evidence taken at 22:16, after every caller had hung at 22:08:20"
