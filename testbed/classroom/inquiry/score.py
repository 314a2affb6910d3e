"""The points of a class, each part with what was counted, and from what.

| part | points | for what |
|---|---|---|
| `restored` | 20 | service was back within 30 min of the night after every caller hung; 15 within 1 h, 10 within 2 h, 5 within 4 h |
| `dumps` | 10 | the share of the services that stood still whose threads were dumped before they got on or were restarted |
| `evidence` | 10 | the evidence of the whole facility was taken before the first service was restarted |
| `cause` | 10 | what all that hung waited for in the end |
| `line` | 10 | its line, or its place |
| `monitoring` | 8 | why monitoring was green |
| `switchover` | 3 | what part the switchover had |
| `cluster` | 3 | whether the cluster was configured correctly |
| `operators` | 3 | whether the operators did the maintenance by the book |
| `detection` | 3 | how it could have been detected |
| `prevention` | 5 | a prevention was chosen |
| `held` | 15 | when the night was replayed over it, the airline was not grounded, and all else was so that the lesson expects |

What is not known gives no points, and is said so. Where service did not stop there was nothing to restore, and where nothing stood still no
evidence was at risk: both give all points. Time is the night's, so a class that stops the clock to think loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from testbed.classroom.inquiry import preserved, restoration
from testbed.classroom.inquiry.findings import NOTHING
from testbed.classroom.saying import say
from testbed.plan.clock import MINUTE_S, span_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.classroom.inquiry.examination import Examination
    from testbed.classroom.inquiry.prevention import Replayed
    from testbed.classroom.inquiry.questions import Compared, Value
    from testbed.classroom.saying import Said

WEIGHTS = {
    "restored": 20,
    "dumps": 10,
    "evidence": 10,
    "cause": 10,
    "line": 10,
    "monitoring": 8,
    "switchover": 3,
    "cluster": 3,
    "operators": 3,
    "detection": 3,
    "prevention": 5,
    "held": 15,
}
RESTORED_WITHIN = ((30, 20), (60, 15), (120, 10), (240, 5))  # minutes of the night, and the points
ANSWERS = ("cause", "line", "monitoring", "switchover", "cluster", "operators", "detection")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the score: how many points of how many, and what was counted."""

    id: str
    points: int
    text: Said

    @property
    def of(self) -> int:
        """The most that it gives."""
        return WEIGHTS[self.id]


@dataclass(frozen=True, slots=True)
class Score:
    """The points of a class."""

    parts: tuple[Part, ...]

    @property
    def points(self) -> int:
        """All of them together."""
        return sum(part.points for part in self.parts)

    def data(self) -> dict[str, Any]:
        """Return the state value `score`."""
        parts = [{"id": part.id, "points": part.points, "of": part.of, "text": part.text} for part in self.parts]
        return {"points": self.points, "of": sum(WEIGHTS.values()), "parts": parts}


def of(examined: Examination, answers: Mapping[str, Value], compared: Mapping[str, Compared], replays: Mapping[str, Replayed]) -> Score:
    """Return the points of a night that is over, of a class's answers as they were compared, and of the preventions that were replayed."""
    parts = [_restored(examined), *_evidence(examined), *(_answered(id_, answers, compared) for id_ in ANSWERS)]
    return Score((*parts, *_prevention(answers.get("prevention"), compared.get("prevention"), replays)))


def _restored(examined: Examination) -> Part:
    found = restoration.of(examined)
    if not found.known:
        return Part("restored", 0, say("not_known", why=found.text))
    if found.stopped is None:
        return Part("restored", WEIGHTS["restored"], say("nothing_to_restore", why=found.text))
    if found.took_s is None or found.took_night_s is None:
        return Part("restored", 0, say("not_restored", why=found.text))
    points = next((points for within, points in RESTORED_WITHIN if found.took_night_s <= within * MINUTE_S), 0)
    took_night, took = span_text(found.took_night_s), span_text(found.took_s)
    return Part("restored", points, say("restored", what=found.text, took_night=took_night, took=took))


def _evidence(examined: Examination) -> tuple[Part, Part]:
    kept = preserved.of(examined)
    if not kept.at_risk:
        return Part("dumps", WEIGHTS["dumps"], say("nothing_at_risk")), Part("evidence", WEIGHTS["evidence"], say("nothing_at_risk"))
    lost = [service for service in kept.at_risk if service not in kept.dumped]
    dumped, of_all = len(kept.dumped), len(kept.at_risk)
    counted = say("dumped_but_not", dumped=dumped, of=of_all, lost=lost) if lost else say("dumped_of", dumped=dumped, of=of_all)
    dumps = Part("dumps", WEIGHTS["dumps"] * dumped // of_all, counted)
    if kept.whole is None:
        return dumps, Part("evidence", 0, say("not_in_time"))
    missing = list(kept.whole.missing)
    return dumps, Part("evidence", WEIGHTS["evidence"], say("in_time_without", missing=missing) if missing else say("in_time"))


def _answered(id_: str, answers: Mapping[str, Value], compared: Mapping[str, Compared]) -> Part:
    told = compared.get(id_)
    if id_ not in answers:
        return Part(id_, 0, say("nobody_answered"))
    if told is None or told.right is None:
        return Part(id_, 0, say("answer_not_known"))
    is_certain = told.sure == "certain"
    if told.right:
        return Part(id_, WEIGHTS[id_], say("right") if is_certain else say("right_unsure", sure=told.sure))
    return Part(id_, 0, say("wrong") if is_certain else say("wrong_unsure", sure=told.sure))


def _prevention(chosen: Value | None, told: Compared | None, replays: Mapping[str, Replayed]) -> tuple[Part, Part]:
    if not isinstance(chosen, str):
        return Part("prevention", 0, say("none_chosen")), Part("held", 0, say("none_replayed"))
    if chosen == NOTHING:
        right = told is not None and told.right is True
        text = say("none_holds") if right else say("none_not_right")
        return Part("prevention", WEIGHTS["prevention"] if right else 0, text), Part("held", WEIGHTS["held"] if right else 0, text)
    replayed = replays.get(chosen)
    choice = Part("prevention", WEIGHTS["prevention"], say("chosen", variant=chosen))
    if replayed is None:
        return choice, Part("held", 0, say("not_replayed", variant=chosen))
    if replayed.held is None:
        return choice, Part("held", 0, say("held_not_known", why=replayed.text))
    if replayed.held:
        return choice, Part("held", WEIGHTS["held"], say("held", variant=chosen, outcome=replayed.outcome, why=replayed.text))
    return choice, Part("held", 0, say("did_not_hold", variant=chosen, outcome=replayed.outcome, why=replayed.text))
