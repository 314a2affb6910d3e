"""Whether everything on the timeline was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.checks import Finding, Verdict
from testbed.events import Condition, Operation

if TYPE_CHECKING:
    from testbed.journal import Journal

UNSEEN = "not all of the timeline was carried out"


def check(journal: Journal, expected: object) -> Finding:  # noqa: ARG001 - the protocol's signature
    """Ask that each condition was seen and each operation ended; a night in which they did not is another night."""
    unseen = [one.condition for one in journal.of(Condition) if not one.seen]
    failed = [f"{one.operation}: {one.detail}" for one in journal.of(Operation) if one.state == "failed"]
    if unseen or failed:
        told = "; ".join([*(f"{condition} was not seen in time" for condition in unseen), *failed])
        return Finding("timeline", Verdict.UNKNOWN, f"{UNSEEN}: {told}")
    return Finding("timeline", Verdict.HELD, "everything on the timeline was carried out")
