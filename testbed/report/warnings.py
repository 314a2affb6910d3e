"""What could have warned of a night, and how long before service stopped, as a table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.clock import clock_text, span_text
from testbed.report.fitted import Column, FittedTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.postmortem.alarm import Alarm
    from testbed.postmortem.service_stop import Stop
    from testbed.postmortem.warning_time import Lead, WarningTimes

HEADINGS = ("what could have been watched", "rang", "before or after service stopped", "what it said")
CAPTION = (
    "before, after: of the night (real seconds), from when it rang to when service stopped; a robot is derived from the next real "
    "transaction of its kind, if nothing was done to the facility until that had ended"
)


def table(times: WarningTimes) -> FittedTable:
    """Return a table with a row for each alarm: when it rang, how long before service stopped, and what it said, or when it rings."""
    drawn = FittedTable([Column(heading) for heading in HEADINGS], title=f"What could have warned; {stop_text(times)}", caption=CAPTION)
    for row in rows(times):
        drawn.add_row(*row)
    return drawn


def rows(times: WarningTimes) -> Iterator[tuple[str, str, str, str]]:
    """Yield a row for each alarm, and one below it if it gave a false alarm: in the order in which they rang, then those that did not."""
    for alarm in sorted(times.alarms, key=_rang_s):
        said = alarm.rang.text if alarm.rang else alarm.doubt or f"it rings when {alarm.rule}"
        yield alarm.what, _rang(alarm), lead_text(times.lead(alarm)), said
        if ring := alarm.false_alarm:
            yield "", f"false alarm {clock_text(ring.at.night_s, seconds=False)}", "", ring.text


def line(times: WarningTimes, alarm: Alarm) -> str:
    """Format an alarm in a line: `the health check of the callers: never`."""
    lead = lead_text(times.lead(alarm))
    false_alarm = f"; false alarm {clock_text(alarm.false_alarm.at.night_s, seconds=False)}" if alarm.false_alarm else ""
    doubt = f" ({alarm.doubt})" if alarm.doubt else ""
    return f"{alarm.what}: {_rang(alarm)}{f', {lead}' if lead else ''}{doubt}{false_alarm}"


def stop_text(times: WarningTimes) -> str:
    """Format when service stopped, with how that is known."""
    stop: Stop = times.stop
    if stop.at is not None:
        return f"service stopped at {clock_text(stop.at.night_s)} ({stop.text})"
    return f"service did not stop for good ({stop.text})" if stop.known else f"when service stopped is unknown ({stop.text})"


def lead_text(lead: Lead | None) -> str:
    """Format how long before service stopped an alarm rang: `5 h 40 min before (2.31 s)`; empty without any."""
    if lead is None:
        return ""
    return f"{span_text(abs(lead.night_s))} {'after' if lead.night_s < 0 else 'before'} ({abs(lead.t_s):.2f} s)"


def _rang_s(alarm: Alarm) -> float:
    return float("inf") if alarm.rang is None else alarm.rang.at.t_s


def _rang(alarm: Alarm) -> str:
    if alarm.rang is None:
        return "unknown" if alarm.is_unknown else "never"
    return f"{clock_text(alarm.rang.at.night_s, seconds=False)}{', perhaps earlier' if alarm.doubt else ''}"
