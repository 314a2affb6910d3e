"""How long before service stopped each thing that could have been watched would have rung: a pure function of a journal (P1).

What rings before the first fault is a false alarm; of a night without any, `Watch.is_warning` says what is one. What rings while an
operator restarts something is the operator's doing, and is left out. What was not looked at is unknown, never "never".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.postmortem.alarm import RULES, Alarm, Moment, Rules, Watch
from testbed.postmortem.gauges import gauges
from testbed.postmortem.request_alarms import errors, in_flight, robots
from testbed.postmortem.service_stop import Stop, service_stop, stopped

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.judge import Judgement


@dataclass(frozen=True, slots=True)
class Lead:
    """How long before service stopped an alarm rang, in real seconds and the night's; negative: after it."""

    t_s: float
    night_s: float


@dataclass(frozen=True, slots=True)
class WarningTimes:
    """When service stopped, and what each alarm would have told; `fault`: when the first fault began (None: there was none)."""

    stop: Stop
    fault: Moment | None
    alarms: tuple[Alarm, ...]
    rules: Rules

    def lead(self, alarm: Alarm) -> Lead | None:
        """Return how long before service stopped it rang; None if it did not ring, or service is not known to have stopped."""
        if alarm.rang is None or self.stop.at is None:
            return None
        return Lead(self.stop.at.t_s - alarm.rang.at.t_s, self.stop.at.night_s - alarm.rang.at.night_s)

    @property
    def false_alarms(self) -> tuple[Alarm, ...]:
        """The alarms that rang before there was anything to tell."""
        return tuple(alarm for alarm in self.alarms if alarm.false_alarm)


def of(journal: Journal, judgement: Judgement, rules: Rules = RULES) -> WarningTimes:
    """Return when each alarm rang, of a journal and its judgement; raises JournalError for one whose times cannot be."""
    stop = service_stop(journal, judgement)
    watch = Watch(journal, rules, stopped(judgement, stop))
    fault = None if watch.fault is None else Moment(watch.fault.t_s, watch.fault.night_s)
    alarms = (*gauges(watch, judgement.figures.evidence), errors(watch), in_flight(watch), *robots(watch))
    return WarningTimes(stop, fault, alarms, rules)
