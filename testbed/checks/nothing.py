"""The do-nothing check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.checks import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal import Journal


def check(journal: Journal, expected: object) -> Finding:  # noqa: ARG001 - the protocol's signature
    """Hold, whatever the journal says."""
    return Finding("nothing", Verdict.HELD, "nothing was looked at")
