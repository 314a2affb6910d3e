"""The questions that a class answers, and its answers beside those of the post-mortem.

Every lesson asks the same, with the same choices, so that they give nothing away; only the preventions are a lesson's own. What is right
is computed from the journal of the night and its evidence alone: neither the lesson's file, nor the scenario's timeline, nor the name of
the variant is looked at. Where the post-mortem does not know, nobody is told to be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from testbed.classroom.inquiry import examination, findings, monitoring, place
from testbed.classroom.inquiry.findings import NO_STOP, NOBODY, NOTHING, ROBOT
from testbed.errors import JournalError, UsageError, bounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from testbed.classroom.inquiry.examination import Examination
    from testbed.classroom.inquiry.findings import Found
    from testbed.postmortem.questions import Sure

Value = str | list[str]  # of an answer: a choice, several of them, or a line of text
MOST_CHARACTERS = 200  # of a line of text
NOWHERE = "none"  # the line of a night in which nothing stood still

CAUSES = {
    "lost": "connections that a line of code never gave back to their pool",
    "lock": "a lock in the database that a session holds",
    "statement": "a statement that the database is at",
    "no_session": "a database server that does not have the sessions of those who wait",
    "no_answer": "a network link, or another end, from which no answer comes",
    "late_answer": "a network link over which answers come late",
    "frozen": "a service whose process stands still",
    "full_queue": "a service that accepts nobody, with a full listen queue",
    "wrong_address": "servers that connect to another address than the virtual IP",
    "deadlock": "threads, sessions or services that wait for one another",
    "monitor": "a lock within a service",
    "work": "work of a service itself that takes long",
    "exhausted": "a caller that has used up its own HTTP connections",
    "retries": "a caller that repeats its calls",
}
ALARMS = {
    "health_application_servers": "the health checks of the application servers",
    "health_callers": "the health checks of the callers",
    "pool_low": "the pool gauge: few connections free",
    "pool_empty": "the pool gauge: none free, and a thread waits",
    "pool_waiting": "threads that wait for a connection",
    "leaked": "leaked connections",
    "busy_application_servers": "the request threads of the application servers",
    "busy_callers": "the request threads of the callers",
    "errors": "the rate of errors",
    "in_flight": "the age of the oldest request",
    ROBOT: "a robot that asks for a transaction every five minutes",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice: its value for programs, and its text."""

    value: str
    text: str

    def data(self) -> dict[str, str]:
        """Return it as the page gets it."""
        return {"value": self.value, "text": self.text}


@dataclass(frozen=True, slots=True)
class Question:
    """A question: one choice of several, several of them, or a line of text without choices."""

    id: str
    kind: Literal["one", "several", "line"]
    text: str
    choices: tuple[Choice, ...] = ()

    def data(self) -> dict[str, Any]:
        """Return it as the page gets it."""
        return {"id": self.id, "kind": self.kind, "text": self.text, "choices": [choice.data() for choice in self.choices]}


def questions(preventions: Sequence[Choice]) -> tuple[Question, ...]:
    """Return the questions of a class; `preventions`: the variants that a lesson gives to choose from."""
    return (
        Question("cause", "one", "What did all that hung wait for in the end?", _choices({**CAUSES, **_NOT_A_CAUSE})),
        Question("line", "line", f"Where is it? A line, such as app.py:5; where no line is to blame, the place by its name; or {NOWHERE}."),
        Question("monitoring", "one", "Why was monitoring green?", _choices(_MONITORING)),
        Question("switchover", "one", "Did the switchover cause the outage?", _choices(_SWITCHOVER)),
        Question("cluster", "several", "Was the cluster configured correctly, and if not, what was wrong?", _choices(_CLUSTER)),
        Question("operators", "one", "Did the operators do the maintenance by the book?", _choices(_OPERATORS)),
        Question("detection", "several", "How could it have been detected before service stopped?", _choices(_DETECTION)),
        Question("prevention", "one", "How is it kept from ever happening again?", (*preventions, Choice(NOTHING, "By none of these"))),
    )


_NOT_A_CAUSE = {NOBODY: "nothing: no service stood still", "unseen": "not known: the evidence does not show it"}
_SWITCHOVER = {
    "no": "No: it had been carried out, and something else stopped service",
    "none": "No: there was none before service stopped",
    "under_way": "Yes: it was under way when service stopped",
    "failed": "Yes: it failed, and service stopped after it",
    NO_STOP: "Service did not stop",
}
_MONITORING = {
    monitoring.PROCESS_ONLY: "It asks only whether the process answers, apart from the request threads, and that it did",
    monitoring.ASKS_ELSEWHERE: "It asks whether requests would be served, but not for this trouble",
    monitoring.RED: "It was not green: a health check was red when service stopped",
    "threshold": "It asks for the right thing, but its threshold is too high",
    "lucky": "A request thread happened to be free whenever it asked",
    "other_system": "It asks the database, and that was well",
    monitoring.NO_STOP: "It had no reason to be red: service did not stop",
}
_CLUSTER = {
    "correct": "Yes, it was",
    "address": "No: a server connects to another address than the virtual IP",
    "virtual_ip": "No: the virtual IP leads to no database",
    "package": "No: services have different versions of a package",
    "settings": "No: services of a kind have different settings",
    "few_heartbeats": "No: too few missed heartbeats make a host count as dead",
    "shared_heartbeats": "No: heartbeats go over the network of the service traffic",
}
_OPERATORS = {
    "by_the_book": "Yes: step by step, and it succeeded",
    "not_by_the_book": "No, or it did not succeed",
    "none": "There was no maintenance",
}
_DETECTION = {**ALARMS, NOTHING: "by nothing that was looked at", NO_STOP: "service did not stop"}


def _choices(words: Mapping[str, str]) -> tuple[Choice, ...]:
    return tuple(Choice(value, text) for value, text in words.items())


def checked(asked: Sequence[Question], id_: str, value: object) -> Value:
    """Return an answer that a browser sent; raises UsageError, with what is allowed, for one that cannot be."""
    question = next((question for question in asked if question.id == id_), None)
    if question is None:
        raise UsageError(f"question: found {bounded(repr(id_))}; allowed: {', '.join(question.id for question in asked)}")
    if question.kind == "line":
        if not isinstance(value, str) or not 0 < len(value.strip()) <= MOST_CHARACTERS:
            raise UsageError(f"value of {id_}: found {bounded(repr(value))}; allowed: a text of 1 to {MOST_CHARACTERS} characters")
        return value.strip()
    allowed = [choice.value for choice in question.choices]
    listed = [value] if question.kind == "one" else value
    if not isinstance(listed, list) or not listed or any(each not in allowed for each in listed) or len(set(listed)) < len(listed):
        several = "a list of one or more of " if question.kind == "several" else ""
        raise UsageError(f"value of {id_}: found {bounded(repr(value))}; allowed: {several}{', '.join(allowed)}")
    return value if isinstance(value, str) else list(listed)


@dataclass(frozen=True, slots=True)
class Compared:
    """An answer beside the post-mortem's: whether it is right (None: that is not known, or nobody answered), and what was found."""

    right: bool | None
    answer: str
    evidence: tuple[str, ...]
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
        return {question.id: Compared(None, str(error), (), "not told") for question in questions(())}


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
    if id_ == "line":
        text = " ".join(given)
        return any(place.names(text, cause, evidence) for cause in found.causes) or (NOBODY in found.codes and text.lower() == NOWHERE)
    if id_ == "cluster":
        return given == found.codes
    if given <= found.codes:
        return True
    return None if given <= found.codes | found.unknown else False
