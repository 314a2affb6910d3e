"""How far the recovery standby was behind (C2)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from testbed.journal.events import Recovery
from testbed.plan.clock import clock_text
from testbed.verdict.changes import last_change
from testbed.verdict.finding import Finding, Verdict, held_if

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.figures import Figures


def check(journal: Journal, figures: Figures, expected: float) -> Finding:
    """Compare the largest lag with the most expected, and check that the standby caught up after the last fault or operation.

    A night of a minute cannot show a lag of five minutes; so a standby that stops following shows by never catching up. Unknown without a
    known lag, without one after the last fault or operation, and where the standby may have been further behind between two looks: by what
    went by since the one before, and what it was behind then.
    """
    samples = sorted(journal.of(Recovery), key=lambda sample: sample.t_s)
    known = [(sample.lag_s, sample) for sample in samples if sample.lag_s is not None]
    if not known:
        return Finding("recovery_lag_s", Verdict.UNKNOWN, "the journal has no lag of a recovery standby", ("C2",))
    worst_s, worst = max(known, key=lambda pair: pair[0])
    last = last_change(journal)
    caught_up = any(lag_s == 0 and (last is None or sample.t_s > last.t_s) for lag_s, sample in known)
    text = (
        f"{worst.standby} was at most {worst_s:.2f} s behind (at {clock_text(worst.night_s)}; {len(known)} samples), "
        f"expected at most {expected:g} s"
    )
    if not caught_up and not any(last is None or sample.t_s > last.t_s for _, sample in known):
        return Finding("recovery_lag_s", Verdict.UNKNOWN, f"{text}; there is none after the last fault or operation", ("C2",))
    if not caught_up:
        return Finding("recovery_lag_s", Verdict.BROKEN, f"{text}; it did not catch up after the last fault or operation", ("C2",))
    between_s = max((lag_s + later.t_s - sample.t_s for (lag_s, sample), (_, later) in pairwise(known)), default=0.0)
    if worst_s <= expected < between_s:
        text = f"{text}; between two of them it may have been {between_s:.2f} s behind"
        return Finding("recovery_lag_s", Verdict.UNKNOWN, text, ("C2",))
    return Finding("recovery_lag_s", held_if(worst_s <= expected), text, ("C2",))
