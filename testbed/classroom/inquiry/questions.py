"""The questions that a class answers, and its answers beside those of the post-mortem. The page has their words (`page/texts.js`).

Every lesson asks the same, with the same choices, so that they give nothing away; only the preventions are a lesson's own. What is right
is computed from the journal of the night and its evidence alone: neither the lesson's file, nor the scenario's timeline, nor the name of
the variant is looked at. Where the post-mortem does not know, nobody is told to be wrong.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from testbed.classroom.inquiry import examination, findings, monitoring, place
from testbed.classroom.inquiry.findings import NO_STOP, NOBODY, NOTHING, ROBOT
from testbed.classroom.saying import say
from testbed.errors import JournalError, UsageError, bounded, visible
from testbed.plan.expectation import SeenCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from testbed.classroom.inquiry.examination import Examination
    from testbed.classroom.inquiry.findings import Found
    from testbed.classroom.saying import Told
    from testbed.postmortem.questions import Sure

Value = str | list[str]  # of an answer: a choice, several of them, or a line of text
MOST_CHARACTERS = 200  # of a line of text
LINE = "line"
NOWHERE = "none"  # the line of a night in which nothing stood still
PREVENTION = "prevention"  # the question that is answered by choosing what the night is replayed over

ALARMS = (
    "health_application_servers",
    "health_callers",
    "pool_low",
    "pool_empty",
    "pool_waiting",
    "leaked",
    "busy_application_servers",
    "busy_callers",
    "errors",
    "in_flight",
    ROBOT,  # whatever it asks for
)
# By question, what may be chosen. Of where it is there is a line of text instead, and of what would have prevented it the lesson's own.
CHOICES: dict[str, tuple[str, ...]] = {
    "cause": (*get_args(SeenCode), NOBODY, "unseen"),
    "monitoring": (
        monitoring.PROCESS_ONLY,
        monitoring.ASKS_ELSEWHERE,
        monitoring.RED,
        "threshold",
        "lucky",
        monitoring.OTHER_SYSTEM,
        monitoring.NO_STOP,
    ),
    "switchover": ("no", "none", "under_way", "failed", NO_STOP),
    "cluster": ("correct", "address", "virtual_ip", "package", "settings", "few_heartbeats", "shared_heartbeats"),
    "operators": ("by_the_book", "not_by_the_book", "none"),
    "detection": (*ALARMS, NOTHING, NO_STOP),
}


@dataclass(frozen=True, slots=True)
class Question:
    """A question: one choice of several, several of them, or a line of text without choices."""

    id: str
    kind: Literal["one", "several", "line"]
    choices: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """Return it as the page gets it, with its choices mixed."""
        return {"id": self.id, "kind": self.kind, "choices": mixed(self.id, self.choices)}


def mixed(question: str, choices: Sequence[str]) -> list[str]:
    """Return choices in an order that tells nothing of which is right, and is the same for everybody: that of a digest of each."""
    return sorted(choices, key=lambda choice: hashlib.sha256(f"{question}: {choice}".encode()).digest())


def questions(preventions: Sequence[str]) -> tuple[Question, ...]:
    """Return the questions of a class; `preventions`: the variants that a lesson gives to choose from."""
    return (
        Question("cause", "one", CHOICES["cause"]),
        Question(LINE, "line"),
        Question("monitoring", "one", CHOICES["monitoring"]),
        Question("switchover", "one", CHOICES["switchover"]),
        Question("cluster", "several", CHOICES["cluster"]),
        Question("operators", "one", CHOICES["operators"]),
        Question("detection", "several", CHOICES["detection"]),
        Question(PREVENTION, "one", (*preventions, NOTHING)),
    )


def checked(asked: Sequence[Question], id_: str, value: object) -> Value:
    """Return an answer that a browser sent; raises UsageError, with what is allowed, for one that cannot be."""
    question = next((question for question in asked if question.id == id_), None)
    if question is None:
        raise UsageError(f"question: found {bounded(repr(id_))}; allowed: {', '.join(question.id for question in asked)}")
    if question.kind == "line":
        if not isinstance(value, str) or not 0 < len(text := visible(value).strip()) <= MOST_CHARACTERS:
            raise UsageError(f"value of {id_}: found {bounded(repr(value))}; allowed: a text of 1 to {MOST_CHARACTERS} characters")
        return text
    allowed = question.choices
    listed = [value] if question.kind == "one" else value
    if not isinstance(listed, list) or not listed or any(each not in allowed for each in listed) or len(set(listed)) < len(listed):
        several = "a list of one or more of " if question.kind == "several" else ""
        raise UsageError(f"value of {id_}: found {bounded(repr(value))}; allowed: {several}{', '.join(allowed)}")
    return value if isinstance(value, str) else list(listed)


@dataclass(frozen=True, slots=True)
class Compared:
    """An answer beside the post-mortem's: whether it is right (None: that is not known, or nobody answered), and what was found."""

    right: bool | None
    answer: Told
    evidence: tuple[Told, ...]
    sure: Sure

    def data(self) -> dict[str, Any]:
        """Return the state value `compared.QUESTION`."""
        return {"right": self.right, "answer": self.answer, "evidence": list(self.evidence), "sure": self.sure}


def compare(path: Path, answers: Mapping[str, Value], held: Mapping[str, bool | None] | None = None) -> dict[str, Compared]:
    """Compare a class's answers with the post-mortem of its night, by question; also of those that nobody answered, what was found.

    `held`: whether each variant that may be chosen holds the night, as a replay or the kept matrix has it (None: that is not known); see
    `prevention.held`. Raises nothing for a journal that cannot be read or is not complete: then nothing is known, and that is said.
    """
    try:
        return of_examination(examination.of(path), answers, held)
    except JournalError as error:
        return {question.id: Compared(None, say("not_compared", why=str(error)), (), "not told") for question in questions(())}


def of_examination(
    examined: Examination, answers: Mapping[str, Value], held: Mapping[str, bool | None] | None = None
) -> dict[str, Compared]:
    """Compare answers with what was found in a night that was examined."""
    found = findings.of(examined, held or {})
    evidence = None if examined.worst is None else examined.worst.evidence
    compared = {}
    for id_, told in found.items():
        value = answers.get(id_)
        right = None if value is None or not told.codes | told.unknown else _is_right(id_, value, told, evidence)
        compared[id_] = Compared(right, told.text, told.evidence, told.sure)
    return compared


def _is_right(id_: str, value: Value, found: Found, evidence: Any) -> bool | None:
    """Return whether an answer is right; None where what was found does not tell.

    Of the cluster all that is wrong is asked for; of alarms, none that did not ring.
    """
    given = {value} if isinstance(value, str) else set(value)
    if id_ == LINE:
        text = " ".join(given)
        return any(place.names(text, cause, evidence) for cause in found.causes) or (NOBODY in found.codes and text.lower() == NOWHERE)
    if id_ == "cluster":
        return given == found.codes
    if given <= found.codes:
        return True
    return None if given <= found.codes | found.unknown else False
