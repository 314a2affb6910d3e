"""What could have warned, and how long before service stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.errors import JournalError
from testbed.postmortem import warning_time
from testbed.report import warnings
from testbed.report.html import markup
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import Markup, element, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.report.html.judged import JudgedNight, JudgedReplay

NOTE = "Times before service stopped are those of the night, with real seconds in brackets. A robot is derived from real transactions."


def section(nights: Sequence[JudgedNight]) -> Fragment | None:
    """Return a table for each replay whose service stopped; None where none did."""
    tables = [table for judged in nights for replay in judged.replays if (table := _of_replay(replay)) is not None]
    return Fragment("warned", "What could have warned", joined(element("p", NOTE, class_="note"), *tables)) if tables else None


def _of_replay(replay: JudgedReplay) -> Markup | None:
    try:
        times = warning_time.of(replay.journal, replay.judgement)
    except JournalError as error:  # of times that cannot be
        return element("p", f"{replay.label}: {error}")
    if times.stop.at is None:
        return None
    caption = f"{replay.label}: {warnings.stop_text(times)}"
    return markup.table(caption, list(warnings.HEADINGS), [list(row) for row in warnings.rows(times)])
