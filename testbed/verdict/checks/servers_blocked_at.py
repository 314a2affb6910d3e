"""Where the request threads of the application servers are blocked (O5, O7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.thread_states import CHECKOUT
from testbed.verdict import thread_dumps
from testbed.verdict.finding import Finding

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


STATES = {"checkout": CHECKOUT}


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Compare the dump of each application server: all request threads in that state, in a lookup. Unknown if a dump is missing."""
    servers = journal.header.facility.application_servers
    dumps = thread_dumps.Dumps(figures.dumps, figures.possible_spans)
    return thread_dumps.judge(journal, dumps, "servers_blocked_at", servers, STATES[expected], "lookup_by_city", ("O5", "O7"))
