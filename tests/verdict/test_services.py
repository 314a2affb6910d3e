from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.journal.events import BY_HAND, Healed, OperationEvent, Part, Response, Sample, Service
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


@pytest.mark.parametrize(
    ("service", "settings", "died_s", "detail", "verdict"),
    [
        ("cf-1", {"let_it_crash_s": 0.5}, 3.0, "exit code 3\nno connection within 10 s", Verdict.HELD),
        ("cf-1", {"let_it_crash_s": 0.5}, 3.0, "exit code 1\nKeyError: 'x'", Verdict.UNKNOWN),
        ("cf-1", {"let_it_crash_s": 0.5}, 0.9, "exit code 3\nno connection within 10 s", Verdict.UNKNOWN),
        ("cf-1", {}, 3.0, "exit code 3\nno connection within 10 s", Verdict.UNKNOWN),
        ("kiosk", {"let_it_crash_s": 0.5}, 3.0, "exit code 3\nno connection within 10 s", Verdict.UNKNOWN),
    ],
)
def test_a_server_that_replaces_itself_may_fail_to_start_while_a_fault_stands_in_its_way(
    service: str, settings: dict[str, float], died_s: float, detail: str, verdict: Verdict
) -> None:
    """Not before the fault, not for another reason, and not if it does not replace itself."""
    night = contained_night()
    for state in ("begin", "end"):
        night.events.append(OperationEvent(**night.at(1.5), operation="silence", id=2, state=state))  # type: ignore[arg-type]
    night.events = [event for event in night.events if not isinstance(event, Healed)]
    night.events.append(Healed(**night.at(9.0), faults=("silence",)))
    night.events.append(Service(**night.at(died_s), service=service, state="died", pid=7, detail=detail))
    journal = night.journal(settings={"application_server": settings})
    found = checks.load("services")(journal, figures.of(journal), None)
    assert found.verdict is verdict
    assert ("cf-1 replaced itself, and could not start" in found.text) is (verdict is Verdict.HELD)


@pytest.mark.parametrize(
    ("states", "number", "fault", "detail", "verdict"),
    [
        (("started",), BY_HAND + 1, "silence", "exit code 3\nno connection within 10 s", Verdict.HELD),
        (("started",), BY_HAND + 1, "silence", "exit code -9\n", Verdict.UNKNOWN),
        (("started",), BY_HAND + 1, "nothing", "exit code 3\nno connection within 10 s", Verdict.UNKNOWN),
        (("started",), BY_HAND, "silence", "exit code 3\nno connection within 10 s", Verdict.UNKNOWN),
        (("started", "ready"), BY_HAND + 1, "silence", "exit code 3\nno connection within 10 s", Verdict.UNKNOWN),
        ((), BY_HAND + 1, "silence", "exit code 3\nno connection within 10 s", Verdict.UNKNOWN),
    ],
)
def test_a_server_that_was_restarted_by_hand_may_fail_to_start_while_a_fault_stands_in_its_way(
    states: tuple[str, ...], number: int, fault: str, detail: str, verdict: Verdict
) -> None:
    """Not for another reason, not without a fault, not in a restart of the timeline, and not once it was ready, or not restarted at all."""
    night = contained_night()
    for at_s, word, id_, state in ((1.5, fault, 2, "begin"), (1.5, fault, 2, "end"), (2.0, "restart", number, "begin")):
        night.events.append(OperationEvent(**night.at(at_s), operation=word, id=id_, state=state))  # type: ignore[arg-type]
    for state in ("stopped", *states):
        night.events.append(Service(**night.at(2.1), service="cf-1", state=state, pid=7))  # type: ignore[arg-type]
    night.events.append(OperationEvent(**night.at(3.0), operation="restart", id=number, state="failed", detail=detail))
    night.events.append(Service(**night.at(3.1), service="cf-1", state="died", pid=None, detail=detail))
    night.events = [event for event in night.events if not isinstance(event, Healed)]
    night.events.append(Healed(**night.at(9.0), faults=(fault,)))
    found = finding(night)
    assert found.verdict is verdict
    assert ("cf-1 was restarted by hand, and could not start" in found.text) is (verdict is Verdict.HELD)


def test_what_services_stand_on_may_fail_by_itself() -> None:
    """A database server that dies makes everybody fail, and no code is to blame for it."""
    night = contained_night()
    night.events.insert(0, Part(**night.at(1.5), part="db-1", state="died", detail="SIGKILL"))
    night.events.insert(1, Part(**night.at(1.6), part="toxiproxy", state="stopped", detail="stopped by a signal"))
    found = finding(night)
    assert found.verdict is Verdict.UNKNOWN
    assert found.text == "db-1 died at 22:02:30: SIGKILL; toxiproxy stood still at 22:02:40: stopped by a signal"
