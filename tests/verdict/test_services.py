from __future__ import annotations

from dataclasses import replace

from testbed.journal.events import Response, Sample, Service
from testbed.verdict import checks, figures
from testbed.verdict.finding import Finding, Verdict
from tests.journals import NightBuilder, contained_night

FATAL = """exit code -6
Fatal Python error: Aborted

Current thread 0x1 (most recent call first):
  File "app.py", line 7 in main

Extension modules: a, b (total: 2)"""
RAISED = 'exit code 1\nTraceback (most recent call last):\n  File "app.py", line 7, in main\n    go()\nMemoryError'
CUT = 'exit code -6\n  File "app.py", line 7 in main\n\nExtension modules: a (total: 1)'


def finding(night: NightBuilder) -> Finding:
    """Make the check of a night."""
    return checks.load("services")(night.journal(), figures.of(night.journal()), None)


def test_a_service_that_raised_what_it_does_not_handle_is_told() -> None:
    """With how often, all of its processes together, and with the first answer that says what; no scenario plans that."""
    night = contained_night()
    last = [event for event in night.events if isinstance(event, Sample) and event.service == "cf-1"][-1]
    night.events[night.events.index(last)] = replace(last, internal_errors=2)
    failed = next(event for event in night.events if isinstance(event, Response) and event.ended == "failed")
    night.events[night.events.index(failed)] = replace(failed, error="internal error: KeyError: 'x'")
    found = finding(night)
    assert found.verdict is Verdict.UNKNOWN
    assert found.text == "cf-1 raised 2 exceptions that it does not handle; as in: internal error: KeyError: 'x'"
    assert finding(contained_night()).verdict is Verdict.HELD


def test_of_a_traceback_only_the_line_that_says_why_is_told() -> None:
    """The journal has the rest; what is no traceback is told whole."""
    for detail, told in (
        (FATAL, "exit code -6; Fatal Python error: Aborted"),
        (RAISED, "exit code 1; MemoryError"),
        (CUT, "exit code -6"),
        ("exit code 2\nno such lookup", "exit code 2\nno such lookup"),
    ):
        night = contained_night()
        night.events.append(Service(**night.at(3.0), service="ivr", state="died", pid=7, detail=detail))
        assert finding(night).text.endswith(f": {told}")
