"""How long service was gone: from when every caller hung until all of them were served again, by both clocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.classroom.saying import say
from testbed.plan.clock import clock_text
from testbed.verdict.recovery import facility_transactions
from testbed.verdict.stuck_spans import together

if TYPE_CHECKING:
    from testbed.classroom.inquiry.examination import Examination
    from testbed.classroom.saying import Said
    from testbed.postmortem.alarm import Moment


@dataclass(frozen=True, slots=True)
class Restoration:
    """When service stopped and when it was back (None: it never was, or that is not known), and what was seen.

    `known`: whether it is known; where it is and there is no `stopped`, service did not stop.
    """

    known: bool
    text: Said
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
        return Restoration(stop.known, say("did_not_stop", why=stop.text) if stop.known else say("stop_unknown", why=stop.text))
    callers = examined.journal.header.facility.callers
    if figures.stuck_at_end:
        return Restoration(True, say("hung_to_the_end", services=list(figures.stuck_at_end)), stop.at)
    last_s = max((span.to_s for span in together(figures.spans, callers)), default=stop.at.t_s)
    back = []
    for caller in callers:
        asked = facility_transactions(examined.journal, caller)
        answers = [transaction.response for transaction in asked if transaction.response and transaction.ended == "answered"]
        later = [response for response in answers if response.answered_s > last_s]
        if later:
            back.append(min(later, key=lambda response: response.answered_s))
        elif any(transaction.request.sent_s > last_s for transaction in asked):
            return Restoration(True, say("never_served", caller=caller), stop.at)
        elif asked:
            return Restoration(False, say("nobody_asked_after", caller=caller), stop.at)
    if not back:
        return Restoration(False, say("nobody_asked"), stop.at)
    last = max(back, key=lambda response: response.answered_s)
    restored = type(stop.at)(last.answered_s, last.night_s)
    text = say("served_again", stopped=clock_text(stop.at.night_s), restored=clock_text(restored.night_s))
    return Restoration(True, text, stop.at, restored)
