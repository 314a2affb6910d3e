"""Alarms: when one rings, and whether it is known that it did not. `Rules` has every threshold."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from testbed.errors import JournalError
from testbed.journal.consistency import LONGEST_NIGHT_S
from testbed.journal.events import FaultOver, Observed, OperationEvent
from testbed.plan.clock import MINUTE_S, clock_text
from testbed.verdict.busyness import stalled_s
from testbed.verdict.changes import HARMLESS, RESTART, first_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from testbed.journal.reader import Journal


@dataclass(frozen=True, slots=True)
class Rules:
    """When each alarm rings. Real seconds, but for `…_night_s`, which are the night's.

    `free_share`: of the connections that a pool may open, fewer are free. `busy_share`: of the request threads, at least so many are at
    work. `samples`: that many in a row must show either, or that threads wait for a connection; a moment's demand is no trouble. `errors`:
    so many requests failed within `errors_within_night_s`. `robot_every_night_s`: how often a robot asks. `answer_within_s`: a robot, or
    whoever watches the oldest request that is under way, takes what has no answer by then for lost. `machine_busy_share`: where something
    waited for a processor for at least this share of the time that an alarm looks at, what is slow or waits says nothing of the facility.
    Measured, where something was slow: at least 0.79 in 60 nights in which nothing was done, several at once on two processors; in 33
    nights of the case the median is 0.49, and where it is more than this, it is not known what rang.
    """

    free_share: float = 0.2
    busy_share: float = 0.8
    samples: int = 2
    errors: int = 3
    errors_within_night_s: float = 10.0 * MINUTE_S
    robot_every_night_s: float = 5.0 * MINUTE_S
    answer_within_s: float = 1.0
    machine_busy_share: float = 0.75


RULES = Rules()


@dataclass(frozen=True, slots=True)
class Moment:
    """A time on both clocks."""

    t_s: float
    night_s: float


@dataclass(frozen=True, slots=True)
class Ring:
    """That an alarm rang: when, and what it would have said.

    `slow_s`: from when to when (`t_s`) something was slow or waited, if so. `until_s`: when it was first seen to be over (`t_s`), infinity
    if it never was; None: what rings for a moment only, such as a failed request. `failed_s`: when a real transaction failed that it
    rings for, which may be later than it rings (`t_s`); None: it rings for none that failed.
    """

    at: Moment
    text: str
    slow_s: tuple[float, float] | None = None
    until_s: float | None = None
    failed_s: float | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """When the first transaction failed or was not answered any more, and when service stopped (`t_s`)."""

    trouble_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """What one thing that could have been watched would have told.

    `code`: its name for programs; `what`: for people; `rule`: when it rings. `rang`: the first time that there was something to tell;
    `false_alarm`: the first time that there was not (`Watch.is_warning` tells which). `doubt`: why it may have rung (earlier) all the same.
    """

    code: str
    what: str
    rule: str
    rang: Ring | None
    false_alarm: Ring | None
    doubt: str

    @property
    def is_unknown(self) -> bool:
        """Whether it is not known if it rang: it was not seen to, and not everything was seen."""
        return self.rang is None and bool(self.doubt)


class Watch:
    """Somebody who watches a night with these rules: a journal with its two clocks, and what no alarm is asked of.

    `stopped`: None where service did not stop, or where it is not known to have.
    """

    def __init__(self, journal: Journal, rules: Rules, stopped: Stopped | None = None) -> None:
        self.journal = journal
        self.rules = rules
        self.stopped = stopped
        stamps = sorted((event.t_s, event.night_s) for event in journal.events)
        self._t_s = [t_s for t_s, _ in stamps]
        self._night_s = list(accumulate((night_s for _, night_s in stamps), max))  # rounding may turn it back by a trifle
        self._require_times()
        operations = journal.of(OperationEvent)
        self.fault = first_fault(journal)
        changes = (event.t_s for event in operations if event.operation not in HARMLESS)
        self.changes_s = sorted((*changes, *(event.t_s for event in journal.of(FaultOver))))
        begins = [event for event in operations if event.operation == RESTART and event.state == "begin"]
        ends = {event.id: event.t_s for event in operations if event.state != "begin"}
        self.restarts_s = [(begin.t_s, ends.get(begin.id, float("inf"))) for begin in begins]
        windows = journal.of(Observed)
        self.until_s = windows[-1].until_s if windows else self._t_s[-1] if self._t_s else 0.0

    def _require_times(self) -> None:
        """Raise JournalError for times that no replay writes: robots would be asked for as long as the night is."""
        night = self.journal.header.night
        for time_s in (night.from_s, night.to_s, *self._t_s, *self._night_s):
            if not 0 <= time_s <= LONGEST_NIGHT_S:
                raise JournalError(
                    f"no post-mortem of the journal {self.journal.path}: it has a time of {time_s:g} s; allowed: 0 to {LONGEST_NIGHT_S:g} s"
                )

    def at(self, t_s: float) -> Moment:
        """Return a real time on both clocks."""
        return Moment(t_s, _between(self._t_s, self._night_s, t_s))

    def at_night(self, night_s: float) -> Moment:
        """Return a time of the night on both clocks."""
        return Moment(_between(self._night_s, self._t_s, night_s), night_s)

    def alarm(self, code: str, what: str, rule: str, rings: Iterable[Ring], doubts: Iterable[tuple[float, str]] = ()) -> Alarm:
        """Return an alarm by all the times at which it rings, and the doubts about it, each with the time from which on it holds."""
        ordered = [ring for ring in sorted(rings, key=lambda ring: ring.at.t_s) if not self._is_restarted(ring.at.t_s)]
        warnings = [ring for ring in ordered if self.is_warning(ring)]
        false = [ring for ring in ordered if not self.is_warning(ring)]
        rang, false_alarm = self._first(warnings), self._first(false)
        rang_s = float("inf") if rang is None else rang.at.t_s
        excused = (
            (ring.at.t_s, f"{ring.text} at {clock_text(ring.at.night_s)}, when the machine had no processor free")
            for ring in (warnings if self.fault or self.stopped else false)[:1]
            if ring not in (rang, false_alarm)
        )
        doubt = next((text for from_s, text in (*doubts, *excused, *self._cut_off()) if from_s < rang_s), "")
        return Alarm(code, what, rule, rang, false_alarm, doubt)

    def is_warning(self, ring: Ring) -> bool:
        """Whether there was something to tell when it rang; otherwise it is a false alarm.

        There is from the first fault on. In a night without any, such as one whose trouble lies in the variant itself, there is only if
        service stopped: from when the first transaction failed or was not answered any more, and before that where what rang was not over
        when service stopped. What was slow counts at its end, and what rings for a real transaction that failed, when that did: a robot
        asks before it, and whoever watches its age rings while it is under way.
        """
        if self.fault is not None:
            return ring.at.t_s >= self.fault.t_s
        if self.stopped is None:
            return False
        told_s = max(ring.at.t_s, 0.0 if ring.slow_s is None else ring.slow_s[1], 0.0 if ring.failed_s is None else ring.failed_s)
        return told_s >= self.stopped.trouble_s or (ring.until_s is not None and ring.until_s > self.stopped.stop_s)

    def _first(self, rings: Sequence[Ring]) -> Ring | None:
        """Return the first that is not the machine's doing."""
        return next((ring for ring in rings if not self._is_of_the_machine(ring)), None)

    def changed_between(self, from_s: float, to_s: float) -> bool:
        """Whether a fault or an operation began or ended after the one time and by the other."""
        return any(from_s < t_s <= to_s for t_s in self.changes_s)

    def _is_of_the_machine(self, ring: Ring) -> bool:
        """Whether what was slow, or waited, was so for want of a processor."""
        if ring.slow_s is None:
            return False
        from_s, to_s = ring.slow_s
        return stalled_s(self.journal, from_s, to_s) >= self.rules.machine_busy_share * (to_s - from_s)

    def _is_restarted(self, t_s: float) -> bool:
        return any(from_s <= t_s <= to_s for from_s, to_s in self.restarts_s)

    def _cut_off(self) -> Iterator[tuple[float, str]]:
        if not self.journal.is_complete:
            yield self.until_s, f"the replay did not come to its end; the journal goes to {clock_text(self.at(self.until_s).night_s)}"


def _between(known: Sequence[float], values: Sequence[float], asked: float) -> float:
    """Return the value at a place between two known ones, on the straight line between theirs; beyond them, that of the last."""
    after = bisect_left(known, asked)
    if after == 0 or after == len(known):
        return values[min(after, len(values) - 1)] if values else asked
    share = (asked - known[after - 1]) / (known[after] - known[after - 1])
    return values[after - 1] + share * (values[after] - values[after - 1])
