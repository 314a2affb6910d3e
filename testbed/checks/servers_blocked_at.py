"""Where the request threads of the application servers are blocked (O5, O7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed import dumped
from testbed.checks import Finding
from testbed.thread_states import CHECKOUT

if TYPE_CHECKING:
    from testbed.figures import Figures
    from testbed.journal import Journal


STATES = {"checkout": CHECKOUT}


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Find every request thread of every application server in that state, inside a lookup, in its dump."""
    servers = journal.header.facility.application_servers
    return dumped.judge(journal, "servers_blocked_at", servers, STATES[expected], "lookup_by_city", ("O5", "O7"))
