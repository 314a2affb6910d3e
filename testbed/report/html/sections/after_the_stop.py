"""What is told of each replay whose service stopped: the five questions of a post-mortem (P1), and what could have warned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.errors import JournalError
from testbed.postmortem import questions as five
from testbed.report import five_questions, warnings
from testbed.report.html import markup
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import Markup, element, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testbed.report.html.judged import JudgedNight, JudgedReplay

    TableOf = Callable[[JudgedReplay], Markup]

ANSWERED = "Answered from evidence alone; what it does not tell is said so."
DERIVED = (
    "Times before and after service stopped are those of the night, with real seconds in brackets. "
    "A robot is derived from real transactions."
)


def questions(nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return the answers of each replay whose service stopped; None where none did."""
    return _fragment("questions", "Five questions", ANSWERED, nights, _answers)


def warned(nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return a table of the alarms for each replay whose service stopped; None where none did."""
    return _fragment("warned", "What could have warned", DERIVED, nights, _alarms)


def _fragment(anchor: str, title: str, note: str, nights: Sequence[JudgedNight], table: TableOf) -> Fragment | None:
    told = [(replay.label, _told(replay, table)) for judged in nights for replay in judged.replays]
    tables = [of_replay for _, of_replay in told if of_replay is not None]
    replays = [replay for judged in nights for replay in judged.replays]
    well = [replay for replay, (_, of_replay) in zip(replays, told, strict=True) if of_replay is None]
    left_out = "".join(
        f" There is none of {', '.join(labels)}, over which service {what}."
        for known, what in ((True, "did not stop"), (False, "is not known to have stopped"))
        if (labels := [replay.label for replay in well if replay.times.stop.known is known])
    )
    return Fragment(anchor, title, joined(element("p", f"{note}{left_out}", class_="note"), *tables)) if tables else None


def _told(replay: JudgedReplay, table: TableOf) -> Markup | None:
    try:
        stopped = replay.times.stop.at is not None
    except JournalError as error:  # of times that cannot be
        return element("p", f"{replay.label}: {error}")
    return table(replay) if stopped else None


def _answers(replay: JudgedReplay) -> Markup:
    answers = five.of(replay.journal, replay.judgement, replay.looks, replay.times, replay.contained_by)
    rows = [list(row) for row in five_questions.rows(answers)]
    return markup.table(f"Five questions of {replay.label}", list(five_questions.HEADINGS), rows)


def _alarms(replay: JudgedReplay) -> Markup:
    caption = f"{replay.label}: {warnings.stop_text(replay.times)}"
    return markup.table(caption, list(warnings.HEADINGS), [list(row) for row in warnings.rows(replay.times)])
