"""The points of a class, each part with a sentence that says what was counted, and from what.

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
from testbed.plan.clock import MINUTE_S, span_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.classroom.inquiry.examination import Examination
    from testbed.classroom.inquiry.prevention import Replayed
    from testbed.classroom.inquiry.questions import Compared, Value

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
    """A part of the score: how many points of how many, and what was counted, in a sentence."""

    id: str
    points: int
    text: str

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
        return Part("restored", 0, f"Not known: {found.text}.")
    if found.stopped is None:
        return Part("restored", WEIGHTS["restored"], f"Nothing had to be restored: {found.text}.")
    if found.took_s is None or found.took_night_s is None:
        return Part("restored", 0, f"Service was not restored: {found.text}.")
    points = next((points for within, points in RESTORED_WITHIN if found.took_night_s <= within * MINUTE_S), 0)
    took = f"{span_text(found.took_night_s)} of the night, {span_text(found.took_s)} of real time"
    return Part("restored", points, f"{found.text[:1].upper()}{found.text[1:]}, by the passengers' answers: {took}.")


def _evidence(examined: Examination) -> tuple[Part, Part]:
    kept = preserved.of(examined)
    if not kept.at_risk:
        none = "Nothing stood still, and no evidence was at risk."
        return Part("dumps", WEIGHTS["dumps"], none), Part("evidence", WEIGHTS["evidence"], none)
    lost = [service for service in kept.at_risk if service not in kept.dumped]
    counted = f"The threads of {len(kept.dumped)} of {len(kept.at_risk)} services were dumped while they stood still"
    dumps = Part("dumps", WEIGHTS["dumps"] * len(kept.dumped) // len(kept.at_risk), f"{counted}{_but_not(lost)}.")
    if kept.whole is None:
        return dumps, Part("evidence", 0, "The evidence of the whole facility was not taken before the first restart, or at all.")
    missing = f"; missing is {', '.join(kept.whole.missing)}" if kept.whole.missing else ""
    return dumps, Part("evidence", WEIGHTS["evidence"], f"The evidence of the whole facility was taken in time{missing}.")


def _but_not(services: list[str]) -> str:
    return f", and not those of {', '.join(services)}" if services else ""


def _answered(id_: str, answers: Mapping[str, Value], compared: Mapping[str, Compared]) -> Part:
    told = compared.get(id_)
    if id_ not in answers:
        return Part(id_, 0, "Nobody answered this question.")
    if told is None or told.right is None:
        return Part(id_, 0, "Not known: the evidence of this night does not tell whether the answer is right.")
    sure = "" if told.sure == "certain" else f" ({told.sure})"
    text = "Right, by the post-mortem of this night" if told.right else "Not what the post-mortem of this night found"
    return Part(id_, WEIGHTS[id_] if told.right else 0, f"{text}{sure}.")


def _prevention(chosen: Value | None, told: Compared | None, replays: Mapping[str, Replayed]) -> tuple[Part, Part]:
    if not isinstance(chosen, str):
        return Part("prevention", 0, "No prevention was chosen."), Part("held", 0, "No prevention was chosen, so none was replayed.")
    if chosen == NOTHING:
        right = told is not None and told.right is True
        text = f"None of the preventions was chosen, and {'none of them holds' if right else 'that is not known to be right'}."
        return Part("prevention", WEIGHTS["prevention"] if right else 0, text), Part("held", WEIGHTS["held"] if right else 0, text)
    replayed = replays.get(chosen)
    choice = Part("prevention", WEIGHTS["prevention"], f"{chosen} was chosen.")
    if replayed is None:
        return choice, Part("held", 0, f"Not known: the night was not replayed over {chosen}.")
    if replayed.held is None:
        return choice, Part("held", 0, f"Not known: {replayed.text}")
    points, holds = (WEIGHTS["held"], "held") if replayed.held else (0, "did not hold")
    return choice, Part("held", points, f"{chosen} {holds}: replayed over it, the airline was {replayed.outcome}: {replayed.text}")
