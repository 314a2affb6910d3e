"""How long service was gone: from when every caller hung until all of them were served again, by both clocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.plan.clock import clock_text
from testbed.verdict.recovery import facility_transactions
from testbed.verdict.stuck_spans import together

if TYPE_CHECKING:
    from testbed.classroom.inquiry.examination import Examination
    from testbed.postmortem.alarm import Moment


@dataclass(frozen=True, slots=True)
class Restoration:
    """When service stopped and when it was back (None: it never was, or that is not known), and what was seen, in a clause.

    `known`: whether it is known; where it is and there is no `stopped`, service did not stop.
    """

    known: bool
    text: str
    stopped: Moment | None = None
    restored: Moment | None = None

    @property
    def took_s(self) -> float | None:
        """For how many real seconds service was gone; None where it did not come back, or did not stop."""
        return None if self.stopped is None or self.restored is None else self.restored.t_s - self.stopped.t_s

    @property
    def took_night_s(self) -> float | None:
        """For how many seconds of the night."""
        return None if self.stopped is None or self.restored is None else self.restored.night_s - self.stopped.night_s


def of(examined: Examination) -> Restoration:
    """Return how long service was gone; where it hung more than once, until after the last time.

    A caller is served again with the first transaction that needs the facility and is answered after every caller hung for the last time.
    """
    figures, stop = examined.judgement.figures, examined.times.stop
    if stop.at is None:
        return Restoration(stop.known, f"service did not stop: {stop.text}" if stop.known else f"it is not known if it did: {stop.text}")
    callers = examined.journal.header.facility.callers
    if figures.stuck_at_end:
        return Restoration(True, f"{', '.join(figures.stuck_at_end)} hung to the end of the night", stop.at)
    last_s = max((span.to_s for span in together(figures.spans, callers)), default=stop.at.t_s)
    back = []
    for caller in callers:
        asked = facility_transactions(examined.journal, caller)
        answers = [transaction.response for transaction in asked if transaction.response and transaction.ended == "answered"]
        later = [response for response in answers if response.answered_s > last_s]
        if later:
            back.append(min(later, key=lambda response: response.answered_s))
        elif any(transaction.request.sent_s > last_s for transaction in asked):
            return Restoration(True, f"{caller} was never served again", stop.at)
        elif asked:
            return Restoration(False, f"nobody asked {caller} for anything after it, so it is not known if it was served again", stop.at)
    if not back:
        return Restoration(False, "nobody asked for anything that needs the facility", stop.at)
    last = max(back, key=lambda response: response.answered_s)
    restored = type(stop.at)(last.answered_s, last.night_s)
    text = f"service stopped at {clock_text(stop.at.night_s)}, and all were served again at {clock_text(restored.night_s)}"
    return Restoration(True, text, stop.at, restored)
