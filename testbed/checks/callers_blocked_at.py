"""Where the request threads of the callers are blocked (O6, O7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed import dumped
from testbed.checks import Finding
from testbed.thread_states import SOCKET

if TYPE_CHECKING:
    from testbed.figures import Figures
    from testbed.journal import Journal


def check(journal: Journal, figures: Figures, expected: str) -> Finding:
    """Find every request thread of every caller reading a socket inside that call, in its dump."""
    callers = journal.header.facility.callers
    return dumped.judge(journal, "callers_blocked_at", callers, SOCKET, expected, ("O6", "O7"))
