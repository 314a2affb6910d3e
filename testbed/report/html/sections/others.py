"""The replays past those that a page tells in full: what became of each, a row of one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.report import side_by_side
from testbed.report.html import markup
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import element, joined

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.report.html.judged import JudgedNight

HEADS = ["replay", "outcome", "reason", "crack", "verdict", "journal"]


def section(nights: Sequence[JudgedNight], shown: Sequence[JudgedNight]) -> Fragment | None:
    """Return a table of the replays of `nights` that `shown` leaves out; None where it leaves out none.

    It is folded: a browser lays out nothing of it until somebody asks.
    """
    rows = list(_rows(nights, {replay.label for judged in shown for replay in judged.replays}))
    if not rows:
        return None
    total = sum(len(judged.replays) for judged in nights)
    told = element(
        "p", f"Told in full are the first {total - len(rows)} of {total} replays; of one of the others, make a report by itself."
    )
    title = f"What became of the other {len(rows)}"
    return Fragment("others", "The other replays", joined(told, markup.details(title, markup.table(title, HEADS, rows))))


def _rows(nights: Sequence[JudgedNight], shown: set[str]) -> Iterator[list[str]]:
    for judged in nights:
        for replay, journal in zip(judged.replays, judged.night.journals, strict=True):
            if replay.label not in shown:
                judgement = replay.judgement
                crack, verdict = side_by_side.crack_text(judgement), side_by_side.verdict_text(judgement).plain
                yield [replay.label, str(judgement.outcome or "unknown"), judgement.reason.text, str(crack), verdict, journal]
