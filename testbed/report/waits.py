"""Who waited for whom, and for what in the end: a sentence for the root, and a table of the graph, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.clock import MINUTE_S, clock_text
from testbed.report.fitted import Column, FittedTable
from testbed.verdict.stuck_spans import together
from testbed.verdict.thread_dumps import AFTER_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.verdict.figures import Figures
    from testbed.verdict.stuck_spans import Span
    from testbed.verdict.who_waits import Look

WHY = {
    "out_of_service": "when no caller was answered any more, and nobody hung",
    "asked": "when an operator asked",
    "restart": "before a restart",
    "end": "when the night was over",
}
HEADINGS = ("who", "how many", "for whom or what", "how")
NEAR_S = 2 * MINUTE_S  # of the night: times that are no further apart are told as one
NOBODY = "nothing is blamed: every service had a request thread free"


def title(look: Look, figures: Figures) -> str:
    """Format when it was, and why then: `evidence taken from 05:09 to 05:22, after every caller had hung at 04:56:51`."""
    to_s = look.night_s
    from_s = to_s if look.evidence is None else min(look.evidence.night_s, to_s)
    taken = f"at {_minute(to_s)}" if to_s - from_s <= NEAR_S else f"from {_minute(from_s)} to {_minute(to_s)}"
    why = WHY.get(look.why) or _hung(_hang(look, figures), to_s)
    return f"evidence taken {taken}, {why}"


def _hung(hang: Span | None, taken_s: float) -> str:
    if hang is None:
        return "when no caller had a thread free"
    return "when every caller hung" if taken_s - hang.night_s <= NEAR_S else f"after every caller had hung at {clock_text(hang.night_s)}"


def _hang(look: Look, figures: Figures) -> Span | None:
    """Return the hang in which evidence was taken; None where the callers only had no thread free for a moment."""
    hangs = together(figures.spans, figures.header.facility.callers)
    if look.evidence is None:
        return next((hang for hang in reversed(hangs) if hang.night_s <= look.night_s), None)
    began_s = look.evidence.t_s
    return next((hang for hang in hangs if hang.from_s <= began_s <= hang.to_s + AFTER_S), None)


def _minute(night_s: float) -> str:
    return clock_text(night_s, seconds=False)


def sentences(look: Look) -> list[str]:
    """Return what is blamed, the root first, or that it is not known; and why the evidence could not be read, if it could not."""
    found = [str(blamed) for blamed in look.who_waits.blamed] or [_nobody(look)]
    return [each for each in (look.who_waits.not_known, *found, look.unread) if each]


def _nobody(look: Look) -> str:
    if not look.who_waits.undumped:
        return NOBODY
    return f"{NOBODY}, as far as it was seen; the threads of {', '.join(look.who_waits.undumped)} could not be dumped"


def table(look: Look, figures: Figures) -> FittedTable:
    """Return the graph: a row for each edge, with how many threads, sessions or connections it stands for."""
    drawn = FittedTable([Column(heading) for heading in HEADINGS], title=f"Who waited for whom; {title(look, figures)}")
    for row in rows(look):
        drawn.add_row(*row)
    return drawn


def rows(look: Look) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for each edge."""
    for edge in look.who_waits.edges:
        yield edge.source, str(edge.count), edge.target, edge.how
