"""What happened in a night, moment by moment: what was done to the facility, and what became of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.events import Condition, End, Healed, OperationEvent, Part, Service, Shortage, Step
from testbed.plan.clock import HOUR_S, clock_text, span_text
from testbed.report.counted import counted
from testbed.report.settings import given
from testbed.report.since_fault import since_fault
from testbed.verdict.changes import active_faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.journal.reader import Journal
    from testbed.report.html.judged import JudgedReplay
    from testbed.verdict.figures import Figures

DONE, SEEN, BAD, END = "done", "quiet", "trouble", "end"  # kinds of moments
DONE_NOTHING = "nothing"  # the do-nothing fault
NIGHTS_END = "the night's end"  # until then a fault was active that was healed only after it


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened at a time, or from then `until_s` (both clocks, or neither); `parts` are its steps.

    `until`: what that end is, where it is told by its name.
    """

    kind: str
    t_s: float
    night_s: float
    what: str
    until_s: tuple[float, float] | None = None
    parts: tuple[str, ...] = ()
    until: str = ""


@dataclass(frozen=True, slots=True)
class Shade:
    """A time in which a fault was active or an operation was carried out, on both clocks.

    `until`: what its end is called; empty where that is just a time. `lasts`: a fault that stays active until it is healed.
    """

    word: str
    from_s: tuple[float, float]
    to_s: tuple[float, float]
    until: str = ""
    lasts: bool = False


def last_s(journal: Journal) -> tuple[float, float]:
    """Return when the last event was, in real seconds and by the night's clock."""
    return max((event.t_s for event in journal.events), default=0.0), max(
        (event.night_s for event in journal.events), default=journal.header.night.to_s
    )


def shades(journal: Journal) -> tuple[Shade, ...]:
    """Return when each fault was active, and when each other operation was carried out."""
    last = last_s(journal)
    active = {fault.begin.id: fault for fault in active_faults(journal)}
    ends = {event.id: event for event in journal.of(OperationEvent) if event.state != "begin"}
    found = []
    for begin in journal.of(OperationEvent):
        if begin.state != "begin" or begin.operation == DONE_NOTHING:
            continue
        fault = active.get(begin.id)
        end, lasts = (ends.get(begin.id), False) if fault is None else (fault.end, fault.lasts)
        until = NIGHTS_END if lasts and end is None else ""
        found.append(Shade(begin.operation, (begin.t_s, begin.night_s), (end.t_s, end.night_s) if end else last, until, lasts))
    return tuple(found)


def of(replay: JudgedReplay) -> tuple[Moment, ...]:
    """Return the moments of a night, in the order of time."""
    found = [*_done(replay.journal), *_trouble(replay.journal, replay.judgement.figures), *_services(replay.journal)]
    return tuple(sorted((*found, *_end(replay.journal)), key=lambda moment: moment.t_s))


def _done(journal: Journal) -> Iterator[Moment]:
    """Yield every fault and operation with its steps, and every condition that was waited for in vain."""
    ends = {event.id: event for event in journal.of(OperationEvent) if event.state != "begin"}
    spans = {(shade.word, shade.from_s[0]): shade for shade in shades(journal)}
    for begin in journal.of(OperationEvent):
        if begin.state != "begin" or begin.operation == DONE_NOTHING:
            continue
        end = ends.get(begin.id)
        span = spans[begin.operation, begin.t_s]
        well = "injected" if span.lasts else "completed"  # what stays is not over when its last step is
        how = "began, and did not end" if end is None else well if end.state == "end" else "FAILED"
        took = "" if end is None or end.duration_s is None else f" in {end.duration_s:.2f} real s"
        detail = f": {end.detail}" if end is not None and end.detail else ""
        reason = f"; {begin.reason}" if begin.reason else ""
        parameters = ", ".join(given(begin.operation, begin.arguments))
        steps = tuple(
            f"{step.number}. {step.step}: {'done' if step.state == 'end' else 'FAILED'}"
            + ("" if step.duration_s is None else f" in {step.duration_s:.2f} real s")
            + (f", {step.detail}" if step.detail else "")
            for step in journal.of(Step)
            if step.id == begin.id and step.operation == begin.operation and step.state != "begin"
        )
        what = f"{begin.operation}{f' ({parameters})' if parameters else ''} {how}{took}{detail}{reason}"
        yield Moment(DONE, begin.t_s, begin.night_s, what, span.to_s, steps, span.until)
    for condition in journal.of(Condition):
        if not condition.seen:
            what = f"{condition.operation or 'a step'} was not carried out: {condition.condition} was never seen ({condition.detail})"
            yield Moment(DONE, condition.t_s, condition.night_s, what)


def _trouble(journal: Journal, figures: Figures) -> Iterator[Moment]:
    """Yield the quiet hours, the first failure, when services were first stuck, and when all callers were."""
    start_s, length_s = figures.quiet_night_s
    if figures.first_fault is not None and length_s >= HOUR_S:
        due = [(asked.request.night_s, asked.request.due_s) for asked in journal.transactions]
        begin_s = max([figures.first_fault.t_s, *(due_s for night_s, due_s in due if night_s <= start_s)])
        end_s = min((due_s for night_s, due_s in due if night_s >= start_s + length_s), default=begin_s)
        what = f"quiet: {span_text(length_s)} without a passenger, {_noticed(journal, start_s, start_s + length_s)}"
        yield Moment(SEEN, begin_s, start_s, what, (end_s, start_s + length_s))
    if figures.first_trouble is not None:
        first, night_s = figures.first_trouble
        since_s = 0.0 if figures.first_fault is None else figures.first_fault.t_s  # what was under way was no trouble before the fault
        at_s = max(first.request.due_s, since_s) if first.response is None else first.response.answered_s
        how = "was never answered" if first.ended == "unanswered" else "failed"
        error = "" if first.response is None else first.response.error or ""
        said = innermost(error)
        what = f"first failure: {first.request.caller} {first.request.transaction} {how}{f': {said}' if said else ''}"
        yield Moment(BAD, at_s, night_s, what, parts=(error,) if said != error else ())
    for service, spans in figures.spans.items():
        for span in spans[:1]:
            what = f"{service} is stuck: all of its request threads are blocked, and nothing comes back from it"
            yield Moment(BAD, span.from_s, span.night_s, what)
    if figures.hang is not None:
        after = since_fault(figures)
        what = f"hang: every calling system is stuck{f', {after}' if after else ''}"
        yield Moment(BAD, figures.hang.from_s, figures.hang.night_s, what)


def _noticed(journal: Journal, from_night_s: float, to_night_s: float) -> str:
    """Say whether anybody could notice anything in a time in which nobody asked: what was sent before may have failed in it."""
    responses = (transaction.response for transaction in journal.transactions if transaction.ended == "failed")
    failed = sum(response is not None and from_night_s <= response.night_s < to_night_s for response in responses)
    if not failed:
        return "so nobody could notice anything"
    return f"but what was sent before was still answered in it: {counted(failed, 'request')} failed"


def innermost(error: str) -> str:
    """Return what the innermost service said of an error: each that it went through put it into a JSON object of its own, as `detail`."""
    begin = error.find("{")
    try:
        detail = json.loads(error[begin:]).get("detail") if begin >= 0 else None
    except (ValueError, AttributeError, RecursionError):  # no JSON after all, or not one of ours
        return error
    return innermost(detail) if isinstance(detail, str) and detail else error


def _services(journal: Journal) -> Iterator[Moment]:
    """Yield which services went and came after all had been ready, and what else of the facility failed by itself."""
    ready: set[str] = set()
    for event in journal.of(Service):
        if event.state == "ready" and event.service not in ready:
            ready.add(event.service)
        elif event.service in ready:
            how = {"died": "died by itself", "stopped": "was stopped", "started": "was started", "ready": "is ready again"}[event.state]
            detail = f": {event.detail}" if event.detail else ""
            yield Moment(BAD if event.state == "died" else DONE, event.t_s, event.night_s, f"{event.service} {how}{detail}")
    for part in journal.of(Part):
        yield Moment(BAD, part.t_s, part.night_s, f"{part.part} {part.state} by itself: {part.detail}")
    for lack in journal.of(Shortage):
        yield Moment(BAD, lack.t_s, lack.night_s, f"{lack.of} lacks {lack.resource}: {lack.line}")


def _end(journal: Journal) -> Iterator[Moment]:
    """Yield what was healed at the end, and how the replay ended."""
    for healed in journal.of(Healed):
        if healed.faults or healed.left:
            left = f"; left: {', '.join(healed.left)}" if healed.left else ""
            yield Moment(END, healed.t_s, healed.night_s, f"healed when the night was over: {', '.join(healed.faults) or 'nothing'}{left}")
    end: End | None = journal.end
    if end is None:
        at_s, night_s = last_s(journal)
        yield Moment(BAD, at_s, night_s, "here the journal breaks off: the replay was killed")
    else:
        yield Moment(END, end.t_s, end.night_s, f"end of the replay: {end.reason}{f' ({end.detail})' if end.detail else ''}")


def text(moment: Moment) -> str:
    """Format when a moment was, by the night's clock and in real seconds."""
    when = clock_text(moment.night_s)
    if moment.until_s is not None and (until := moment.until or clock_text(moment.until_s[1])) != when:
        when += f" to {until}"
    return f"{when} ({moment.t_s:.1f} s)"
