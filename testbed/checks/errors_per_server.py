"""Lookups that failed after the fault (O2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed import outcome
from testbed.checks import Finding, held_if

if TYPE_CHECKING:
    from testbed.journal import Journal


def check(journal: Journal, expected: int) -> Finding:
    """Compare the failed lookups of every application server."""
    failed = outcome.failed_lookups(journal)
    told = ", ".join(f"{server} {count}" for server, count in failed.items())
    good = all(count == expected for count in failed.values())
    return Finding("errors_per_server", held_if(good), f"failed lookups: {told}; expected {expected} of each", ("O2", "S1"))
