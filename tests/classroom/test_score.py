from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed.classroom.inquiry import questions, score
from testbed.classroom.inquiry.findings import NOTHING
from testbed.classroom.inquiry.prevention import Replayed, running
from testbed.classroom.inquiry.score import RESTORED_WITHIN, WEIGHTS
from testbed.classroom.saying import say
from testbed.verdict.causes.cause import Cause
from tests.classroom.examined import examined, hung, of_flight
from tests.classroom.test_restoration import RESTART, restored
from tests.journals import contained_night, hung_night
from tests.nights import SWITCHOVER

if TYPE_CHECKING:
    from testbed.classroom.inquiry.examination import Examination
    from testbed.classroom.inquiry.score import Part
    from testbed.classroom.saying import Said

README = Path("testbed/classroom/README.md")
LOST = Cause("lost", "lookup/original.py:24", "lost in lookup/original.py:24")
RIGHT: dict[str, questions.Value] = {
    "cause": "lost",
    "line": "lookup/original.py:0",
    "monitoring": "process_only",
    "switchover": "no",
    "operators": "by_the_book",
    "detection": ["leaked"],
    "prevention": "fixed",
}
HELD = Replayed("contained", 1, "held", "all were served again.", held=True)
FELL = Replayed("grounded", 6, "held", "all hung.", held=False)


def parts(of: Examination, answers: dict[str, questions.Value], **replays: Replayed) -> dict[str, Part]:
    """Return the parts of a score, by their ids."""
    held = {variant: replayed.held for variant, replayed in replays.items()}
    counted = score.of(of, answers, questions.of_examination(of, answers, held), replays)
    return {part.id: part for part in counted.parts}


def test_the_weights_are_a_hundred_and_each_part_is_counted_once() -> None:
    """In their order, whatever was answered."""
    assert sum(WEIGHTS.values()) == 100
    assert list(parts(hung((LOST, 20)), {})) == list(WEIGHTS)
    assert RESTORED_WITHIN[0][1] == WEIGHTS["restored"]


def test_a_class_that_does_everything_right_has_all_that_can_be_known() -> None:
    """The night of the case on fakes, whose virtual IP nobody can ask: the cluster gives no points, and that is said."""
    told = parts(of_flight("original", SWITCHOVER + RESTART), RIGHT | {"cluster": ["correct"]}, fixed=HELD)
    points = {id_: part.points for id_, part in told.items()}
    assert points == WEIGHTS | {"cluster": 0, "restored": points["restored"]}
    assert points["restored"] > 0
    assert told["cluster"].text == say("answer_not_known")


def test_a_class_that_does_nothing_has_no_points() -> None:
    """Where service stopped and nobody looked."""
    told = parts(hung((LOST, 20), night=hung_night(dumps=False)), {})
    assert {part.points for part in told.values()} == {0}
    assert told["restored"].text == say("not_restored", why=say("hung_to_the_end", services=["kiosk", "ivr", "partner"]))
    assert told["dumps"].text == say("dumped_but_not", dumped=0, of=5, lost=["cf-1", "cf-2", "kiosk", "ivr", "partner"])
    assert [told[id_].text for id_ in score.ANSWERS] == [say("nobody_answered")] * len(score.ANSWERS)
    assert told["held"].text == say("none_replayed")


@pytest.mark.parametrize(("at_s", "points"), [(8.0, 20), (22.7, 20), (23.2, 15), (40.0, 15), (60.0, 10), (100.0, 5), (160.0, 0)])
def test_the_sooner_service_is_back_by_the_nights_clock_the_more_points(at_s: float, points: int) -> None:
    """A hundred of its seconds go by in a real one; both are told."""
    told = parts(hung((LOST, 20), night=restored(hung_night(), at_s=at_s)), {})["restored"]
    assert told.points == points
    assert (told.text["code"], told.text["what"]["code"], told.text["what"]["stopped"]) == ("restored", "served_again", "22:08:20")
    assert told.text["took_night"] != told.text["took"]


def test_evidence_gives_points_in_proportion() -> None:
    """Two of five services were dumped: four points of ten."""
    night = hung_night(dumps=False)
    night.dump(5.2, "cf-1", "running")
    night.dump(5.2, "cf-2", "running")
    told = parts(hung((LOST, 20), night=night), {})
    assert (told["dumps"].points, told["evidence"].points) == (4, 0)


def test_where_service_did_not_stop_there_was_nothing_to_restore_and_nothing_at_risk() -> None:
    """That gives all points, and says why."""
    told = parts(examined(contained_night().journal()), {})
    assert [told[id_].points for id_ in ("restored", "dumps", "evidence")] == [20, 10, 10]
    assert told["restored"].text["code"] == "nothing_to_restore"
    assert told["dumps"].text == say("nothing_at_risk")


def test_what_is_not_known_gives_no_points_and_says_so() -> None:
    """Whether service came back, what was the cause, and whether a prevention held."""
    unseen = Cause("unseen", "pool of cf-1", "what is behind pool of cf-1 is not known")
    night = hung((unseen, 20))
    night = replace(night, times=replace(night.times, stop=replace(night.times.stop, at=None, known=False)))
    told = parts(night, RIGHT, fixed=Replayed("unknown", None, "unknown", say("could_not_be_replayed", why="cf-1 was not ready")))
    assert {id_: told[id_].points for id_ in ("restored", "cause", "line", "held")} == {"restored": 0, "cause": 0, "line": 0, "held": 0}
    codes = [told[id_].text["code"] for id_ in ("restored", "cause", "line", "held")]
    assert codes == ["not_known", "answer_not_known", "answer_not_known", "held_not_known"]


@pytest.mark.parametrize(
    ("chosen", "replays", "points", "said"),
    [
        ("fixed", {"fixed": HELD}, (5, 15), say("held", variant="fixed", outcome="contained", why="all were served again.")),
        (
            "pre_ping",
            {"pre_ping": FELL},
            (5, 0),
            say("did_not_hold", variant="pre_ping", outcome="grounded", why="all hung."),
        ),
        ("fixed", {}, (5, 0), say("not_replayed", variant="fixed")),
        ("fixed", {"pre_ping": HELD}, (5, 0), say("not_replayed", variant="fixed")),
        ("fixed", {"fixed": running("fixed")}, (5, 0), say("held_not_known", why=say("being_replayed", variant="fixed"))),
        (NOTHING, {"fixed": HELD}, (0, 0), say("none_not_right")),
        (
            NOTHING,
            {"fixed": FELL},
            (5, 15),
            say("none_holds"),
        ),
    ],
)
def test_a_prevention_counts_and_so_does_whether_it_held(
    chosen: str, replays: dict[str, Replayed], points: tuple[int, int], said: Said
) -> None:
    """As its own replay came out."""
    told = parts(hung((LOST, 20)), {"prevention": chosen}, **replays)
    assert (told["prevention"].points, told["held"].points, told["held"].text) == (*points, said)


def test_wrong_answers_give_no_points() -> None:
    """And are said not to be what was found, with how sure that is."""
    told = parts(hung((LOST, 20)), {"cause": "lock", "line": "a.py:1", "monitoring": "lucky", "switchover": "none"})
    assert [told[id_].points for id_ in ("cause", "line", "monitoring", "switchover")] == [0] * 4
    assert told["cause"].text == say("wrong")


def test_the_page_gets_the_score_as_plain_data() -> None:
    """With the sum."""
    night = hung((LOST, 20))
    data = score.of(night, {"cause": "lost"}, questions.of_examination(night, {"cause": "lost"}), {}).data()
    assert (data["points"], data["of"]) == (20, 100)
    assert {"id": "cause", "points": 10, "of": 10, "text": say("right")} in data["parts"]


def documented(text: str) -> dict[str, int]:
    """Return the parts and their points of a table."""
    return {part: int(points) for part, points in re.findall(r"^\| `(\w+)` \| (\d+) \|", text, re.MULTILINE)}


def test_the_docstring_has_every_part_with_its_points() -> None:
    """And so many as there are within how long service has to be back."""
    assert score.__doc__ is not None
    assert documented(score.__doc__) == WEIGHTS
    hours = [f"{points} within {minutes // 60} h" for minutes, points in RESTORED_WITHIN[1:]]
    assert f"within {RESTORED_WITHIN[0][0]} min of the night after every caller hung; {', '.join(hours)}" in score.__doc__


@pytest.mark.skipif(not README.exists(), reason="the room has no README yet")
def test_the_readme_has_the_same_table() -> None:
    """Row by row."""
    rows = [line for line in (score.__doc__ or "").splitlines() if line.startswith("|")]
    assert [row for row in rows if row not in README.read_text(encoding="utf-8").splitlines()] == []
