"""The five questions of a post-mortem (P1), of each replay whose service stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.errors import JournalError
from testbed.postmortem import questions, warning_time
from testbed.report import five_questions
from testbed.report.html import markup
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import Markup, element, joined
from testbed.verdict import who_waits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.report.html.judged import JudgedNight, JudgedReplay

NOTE = "Answered from evidence alone; what it does not tell is said so."


def section(nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return the answers of each replay whose service stopped; None where none did."""
    tables = [table for judged in nights for replay in judged.replays if (table := _of_replay(replay)) is not None]
    return Fragment("questions", "Five questions", joined(element("p", NOTE, class_="note"), *tables)) if tables else None


def _of_replay(replay: JudgedReplay) -> Markup | None:
    try:
        times = warning_time.of(replay.journal, replay.judgement)
    except JournalError as error:  # of times that cannot be
        return element("p", f"{replay.label}: {error}")
    if times.stop.at is None:
        return None
    looks = who_waits.of_journal(replay.journal)
    answers = questions.of(replay.journal, replay.judgement, looks, times, replay.contained_by)
    rows = [list(row) for row in five_questions.rows(answers)]
    return markup.table(f"Five questions of {replay.label}", list(five_questions.HEADINGS), rows)
