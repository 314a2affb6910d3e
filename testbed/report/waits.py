"""Who waited for whom, and for what in the end: a sentence for the root, and a table of the graph, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.clock import clock_text
from testbed.report.fitted import Column, FittedTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.verdict.who_waits import Look

WHY = {
    "hung": "when every caller hung",
    "asked": "when an operator asked",
    "restart": "before a restart",
    "end": "when the night was over",
}
HEADINGS = ("who", "how many", "for whom or what", "how")
NOBODY = "nothing is blamed: every service had a request thread free"


def title(look: Look) -> str:
    """Format when it was: `at 05:38, when every caller hung`."""
    return f"at {clock_text(look.night_s, seconds=False)}, {WHY[look.why]}"


def sentences(look: Look) -> list[str]:
    """Return what is blamed, the root first; and why the evidence could not be read, if it could not."""
    found = [str(blamed) for blamed in look.who_waits.blamed] or [NOBODY]
    return [*found, *([look.unread] if look.unread else [])]


def table(look: Look) -> FittedTable:
    """Return the graph: a row for each edge, with how many threads, sessions or connections it stands for."""
    drawn = FittedTable([Column(heading) for heading in HEADINGS], title=f"Who waited for whom {title(look)}")
    for row in rows(look):
        drawn.add_row(*row)
    return drawn


def rows(look: Look) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for each edge."""
    for edge in look.who_waits.edges:
        yield edge.source, str(edge.count), edge.target, edge.how
