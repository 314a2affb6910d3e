"""How far the recovery standby was behind (C2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.journal.events import Recovery
from testbed.plan.clock import clock_text
from testbed.verdict.changes import last_change
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: float) -> Finding:
    """Ask that no look found more, and that the standby had everything once more after the last fault or operation.

    The second is what a night of a minute can tell of a limit of five: a standby that does not follow is not far behind by then.
    """
    looks = sorted(journal.of(Recovery), key=lambda one: one.t_s)
    known = [(one.lag_s, one) for one in looks if one.lag_s is not None]
    if not known:
        return Finding("recovery_lag_s", Verdict.UNKNOWN, "nothing is known of a recovery standby", ("C2",))
    worst_s, worst = max(known, key=lambda one: one[0])
    last = last_change(journal)
    level = [one for lag_s, one in known if lag_s == 0 and (last is None or one.t_s > last.t_s)]
    text = (
        f"{worst.standby} was at most {worst_s:.2f} s behind (at {clock_text(worst.night_s)}; {len(known)} looks), "
        f"expected at most {expected:g} s"
    )
    if not level:
        return Finding("recovery_lag_s", Verdict.BROKEN, f"{text}; it never had everything after the last fault or operation", ("C2",))
    return Finding("recovery_lag_s", held_if(worst_s <= expected), text, ("C2",))
