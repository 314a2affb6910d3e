"""Where the request threads of the callers are blocked (O6, O7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.thread_states import SOCKET
from testbed.verdict import thread_dumps
from testbed.verdict.finding import Finding

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Compare the thread dump of each caller: all request threads read a socket inside that call. Unknown if a dump is missing."""
    callers = journal.header.facility.callers
    dumps = thread_dumps.Dumps(figures.dumps, figures.possible_spans)
    return thread_dumps.judge(journal, dumps, "callers_blocked_at", callers, SOCKET, expected, ("O6", "O7"))
