"""Whether monitoring saw the numbers of every service for the whole night."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.verdict.evidence import UNSEEN_S
from testbed.verdict.finding import Finding, Verdict

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: object) -> Finding:
    """Check that each service told numbers before the first change, in the closing window, and without too long a gap between.

    Unknown otherwise: what nobody saw may have been anything. A service that is down is seen; a silence while a fault is active is what
    the fault does.
    """
    seen = figures.evidence
    missing = [str(silence) for silence in seen.silences]
    if seen.not_before:
        missing.append(f"no numbers before the first fault or operation: {', '.join(seen.not_before)}")
    unseen = [service for service in seen.not_at_end if service not in seen.silenced]
    if unseen:
        missing.append(f"no numbers in the closing window: {', '.join(unseen)}")
    missing += [f"{service} was looked at once in {median_s:.1f} s, and may be stuck for less" for service, median_s in seen.seldom]
    if seen.undecided:
        missing.append(f"stood still at the end, and seen too few times to be called stuck: {', '.join(seen.undecided)}")
    if missing:
        return Finding("monitored", Verdict.UNKNOWN, "; ".join(missing))
    held = f", but {', '.join(seen.silenced)}, which a fault holds silent" if seen.silenced else ""
    return Finding("monitored", Verdict.HELD, f"every service told its numbers all night, never {UNSEEN_S:.0f} s without{held}")
