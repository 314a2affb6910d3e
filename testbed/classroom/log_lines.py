"""What the log says of an event of the journal: in words of the page where what happened is known, else in the journal's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.classroom.inquiry.questions import CHOICES
from testbed.classroom.saying import say
from testbed.plan.topology import HOSTS
from testbed.replay import switchover

if TYPE_CHECKING:
    from testbed.classroom.saying import Told
    from testbed.journal.events import ClockFactor, Note, OperationEvent, Step, Threads

# How the journal has what only a class does, in words for whoever reads it; the page has its own.
DECISIONS = {"restore": "restore service at once", "look": "look first, then restore service"}
BY_TRAINER, ENDED, OVER, DONE = "the trainer", "the trainer has ended the night", "the night is over", "what was awaited is done"
ENDED_BEFORE = "the night was ended before this step: "
RESTARTED, RESTART_ONE, WAIT_READY = "restarted ", "restart", "wait until they are ready"  # as a restart writes its end and its steps
# What the steps of a switchover do, by what stands before the name of the host.
SWITCHOVER = {
    "stop the database server on": "stop",
    "unmount the array on": "unmount",
    "mount the array on": "mount",
    "start the database server on": "start",
    "give the virtual IP to": "point",
}


def with_detail(what: Told, detail: Told) -> Told:
    """Return what happened with what more there is to say of it, if there is."""
    return say("with", what=what, detail=detail) if detail else what


def operation(event: OperationEvent) -> Told:
    """Return how far an operation is."""
    word = event.operation
    if event.state == "begin":
        return say("operation_begins", operation=word)
    if event.state == "failed":
        return with_detail(say("operation_failed", operation=word), _failure(event.detail))
    return with_detail(say("operation_done", operation=word), _outcome(word, event.detail))


def _outcome(word: str, detail: str) -> Told:
    if word == switchover.WORD:
        return say("database_runs", host=detail.rpartition(" ")[2])
    if detail.startswith(RESTARTED):
        return say("restarted", services=detail.removeprefix(RESTARTED).split(", "))
    return detail


def _failure(detail: str) -> Told:
    if detail.startswith(ENDED_BEFORE):
        return say("ended_before_step", step=step_text(detail.removeprefix(ENDED_BEFORE)))
    return detail


def step_text(text: str) -> Told:
    """Return what a step does; those of a switchover end with the name of a host."""
    before, _, last = text.rpartition(" ")
    if before in SWITCHOVER:
        return say("switchover_step", step=SWITCHOVER[before], host=last)
    if before == RESTART_ONE:
        return say("restart_one", service=last)
    return say("wait_ready") if text == WAIT_READY else text


def switchover_steps(active: str) -> list[Told]:
    """Return what the steps of a switchover do, in order, while the database runs on a host."""
    other = next(host for host in HOSTS if host != active)
    hosts = (active, active, other, other, other)
    return [say("switchover_step", step=step, host=host) for step, host in zip(SWITCHOVER.values(), hosts, strict=True)]


def step(event: Step) -> Told:
    """Return how far a step is, and how long it took."""
    text = step_text(event.step)
    if event.state == "begin":
        return say("step_begins", number=event.number, step=text)
    took = "?" if event.duration_s is None else f"{event.duration_s:.2f}"
    if event.state == "failed":
        return with_detail(say("step_failed", number=event.number, step=text, took=took), event.detail)
    return with_detail(say("step_done", number=event.number, step=text, took=took), event.detail)


def threads(event: Threads) -> Told:
    """Return that threads were dumped, or why not."""
    return say("not_dumped", service=event.service, why=event.error) if event.error else say("dumped", service=event.service)


def clock(event: ClockFactor) -> Told:
    """Return how the night goes by from now on, and why."""
    going = say("clock_goes", factor=f"{event.factor:g}") if event.factor else say("clock_stands")
    return with_detail(going, _why(event.why))


def _why(why: str) -> Told:
    known = {BY_TRAINER: say("by_trainer"), ENDED: say("ended_by_trainer"), OVER: say("night_over"), DONE: say("awaited_done")}
    return known.get(why, why)  # else it is a duty, in the lesson's words


def note(event: Note) -> Told:
    """Return what somebody noted, in their own words, or decided or answered."""
    if event.kind == "decision":
        choice = next((choice for choice, text in DECISIONS.items() if text == event.text), None)
        return event.text if choice is None else say("decided", choice=choice)
    if event.kind == "answer":
        question, _, given = event.text.partition(": ")
        choices = CHOICES.get(question)
        if choices is None:
            return say("answered_with", question=question, value=given)
        return say("answered", question=question, values=[f"{question}.{value}" for value in given.split(", ")])
    return event.text
