"""How long after the first fault every caller hung, in words that say from when that is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.clock import span_text

if TYPE_CHECKING:
    from testbed.verdict.figures import Figures


def since_fault(figures: Figures) -> str:
    """Format `time_to_hang_night_s`: `5 h 48 min of the night after the switchover had ended`; empty without a hang after a fault.

    Where the hang came before that end, it is counted from the begin. What stays active until it is healed ends when it is injected.
    """
    fault, hang, after_s = figures.first_fault, figures.hang, figures.time_to_hang_night_s
    if fault is None or hang is None or after_s is None:
        return ""
    ended = any(end.id == fault.id and end.night_s <= hang.night_s for end in figures.operations)
    how = ("been injected" if fault.id in figures.active_until_night_s else "ended") if ended else "begun"
    return f"{span_text(after_s)} of the night after the {fault.operation} had {how}"
