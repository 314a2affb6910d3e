from __future__ import annotations

from pathlib import Path

import pytest

from testbed.journal import reader
from testbed.journal.events import REFUSED, Healed, OperationEvent, Sample
from testbed.verdict import evidence, figures, judge
from testbed.verdict.checks import counted, crack, errors_per_server, full_first, leaked_connections, monitored
from testbed.verdict.finding import Verdict
from tests.journals import CALLERS, SERVERS, NightBuilder, contained_night

CASES = Path(__file__).parents[1] / "cases"


def night(*, silent: tuple[float, float] = (0.0, 0.0), service: str = "cf-1", error: str | None = "no answer within 2 s") -> NightBuilder:
    """Write a night of fourteen seconds with a look every half second; from `silent[0]` to `silent[1]` a service tells nothing.

    `error`: what a look at it came back with; None for no look at all.
    """
    built = NightBuilder()
    built.switchover(1.0)
    for number in range(28):
        t_s = number / 2
        for name in (*SERVERS, *CALLERS):
            if name != service or not silent[0] <= t_s < silent[1]:
                built.sample(t_s, name)
            elif error is not None:
                built.events.append(Sample(**built.at(t_s), service=name, health=False, health_s=2.0, error=error))
    built.end(13.8)
    return built


def seen(built: NightBuilder) -> evidence.Evidence:
    """Return what monitoring did not see of a night."""
    return evidence.of(built.journal())


def test_a_night_that_was_looked_at_has_no_silence() -> None:
    """Nor has one in which a service told nothing for a moment."""
    assert seen(night()) == seen(night(silent=(4.0, 7.0))) == evidence.Evidence((), (), (), ())


@pytest.mark.parametrize(("error", "how"), [("no answer within 2 s", "told no numbers"), (None, "was not looked at")])
def test_a_service_that_falls_silent_is_a_finding(error: str | None, how: str) -> None:
    """With its name, the length, the time of the night and the reason; and then nothing that follows from its numbers is known."""
    built = night(silent=(3.0, 9.0), error=error)
    journal = built.journal()
    found = monitored.check(journal, figures.of(journal), None)
    assert found.verdict is Verdict.UNKNOWN
    assert found.text.startswith(f"cf-1 {how} for 6.5 s from 22:04:10 of the night")
    assert ("(no answer within 2 s)" in found.text) is (error is not None)
    assert judge.judge(journal).verdict is Verdict.UNKNOWN
    for check, expected in ((crack.check, (0,)), (full_first.check, "nobody")):
        assert check(journal, figures.of(journal), expected).verdict is Verdict.UNKNOWN  # type: ignore[arg-type]


@pytest.mark.parametrize(("looks", "undecided"), [(3, (*SERVERS, *CALLERS)), (4, ())])
def test_who_stands_still_and_was_seen_too_few_times_may_be_stuck(looks: int, undecided: tuple[str, ...]) -> None:
    """Three looks in two seconds, on a busy machine, in all of which everything was full: the crack may be that of an airline."""
    built = night(silent=(12.0, 14.0), error=None)
    built.events = [event for event in built.events if event.t_s < 11.0]
    for number in range(looks):
        built.look(11.0 + number * 0.6, busy=4, leaked=4)
    built.end(11.0 + (looks - 1) * 0.6)
    journal = built.journal()
    assert seen(built).undecided == undecided
    assert {"cf-1", "kiosk"} <= evidence.of(journal).unseen or not undecided
    found = crack.check(journal, figures.of(journal), (6,))
    assert found.verdict is (Verdict.UNKNOWN if undecided else Verdict.HELD)
    assert ("stood still at the end" in monitored.check(journal, figures.of(journal), None).text) is bool(undecided)


def test_a_service_that_is_down_was_seen() -> None:
    """Nothing listens at its address, so that it has no thread and no connection; that is no silence."""
    down = night(silent=(3.0, 20.0), error=REFUSED)
    assert seen(down) == evidence.Evidence((), (), (), ())
    assert figures.of(down.journal()).leaked_connections == {"cf-1": 0, "cf-2": 0}


@pytest.mark.parametrize(("service", "known"), [("cf-1", True), ("kiosk", False)])
def test_a_server_that_replaces_itself_answers_nothing_meanwhile(service: str, *, known: bool) -> None:
    """For as long as its settings may take; a caller does not replace itself."""
    journal = night(silent=(3.0, 9.0), service=service).journal(settings={"application_server": {"let_it_crash_s": 0.5}})
    assert (evidence.of(journal).silences == ()) is known


@pytest.mark.parametrize(
    ("service", "settings", "silenced"),
    [
        ("cf-1", {"let_it_crash_s": 0.5}, ("cf-1",)),
        ("cf-1", {}, ()),
        ("kiosk", {"let_it_crash_s": 0.5}, ()),
    ],
)
def test_a_server_that_replaces_itself_cannot_come_back_while_a_fault_stands_in_its_way(
    service: str, settings: dict[str, float], silenced: tuple[str, ...]
) -> None:
    """So its silence to the end is no doubt; that of any other service is."""
    built = night(silent=(3.0, 20.0), service=service)
    for state in ("begin", "end"):
        built.events.append(OperationEvent(**built.at(2.0), operation="silence", id=2, state=state))  # type: ignore[arg-type]
    built.events = [event for event in built.events if not isinstance(event, Healed)]
    built.events.append(Healed(**built.at(13.8), faults=("silence",)))
    journal = built.journal(settings={"application_server": settings})
    assert evidence.of(journal).silenced == silenced
    assert monitored.check(journal, figures.of(journal), None).verdict is (Verdict.HELD if silenced else Verdict.UNKNOWN)


def test_what_is_not_seen_at_the_end_is_unknown_and_never_zero() -> None:
    """Neither as it was expected nor otherwise; the other server is known."""
    journal = night(silent=(11.5, 20.0)).journal()
    computed = figures.of(journal)
    assert computed.leaked_connections == {"cf-1": None, "cf-2": 0}
    for expected in (0, 4):
        assert leaked_connections.check(journal, computed, expected).verdict is Verdict.UNKNOWN
    assert "cf-1 unknown of 4" in leaked_connections.check(journal, computed, 0).text


def test_errors_that_nobody_counted_are_unknown() -> None:
    """A server without numbers after the fault has not failed in nothing."""
    journal = night(silent=(1.0, 20.0)).journal()
    assert figures.of(journal).failed_operations == {"cf-1": None, "cf-2": 0}
    assert errors_per_server.check(journal, figures.of(journal), 0).verdict is Verdict.UNKNOWN


def test_a_server_without_its_pool_told_not_all_its_numbers() -> None:
    """A metric that has another name is no pool without leaks."""
    built = night()
    built.events = [
        Sample(**{**built.at(event.t_s), "service": event.service, "health": True, "health_s": 0.0, "request_threads": 4, "busy": 0})
        if isinstance(event, Sample) and event.service == "cf-2"
        else event
        for event in built.events
    ]
    assert seen(built).not_before == seen(built).not_at_end == ("cf-2",)


@pytest.mark.parametrize(("healed", "explained"), [(("backlog_full",), True), ((), False)])
def test_a_silence_while_a_fault_is_active_is_what_the_fault_does(healed: tuple[str, ...], *, explained: bool) -> None:
    """Until it is healed; one whose time is over explains nothing that comes after it."""
    built = night(silent=(3.0, 9.0))
    for state in ("begin", "end"):
        built.events.append(OperationEvent(**built.at(2.0), operation="backlog_full", id=2, state=state))  # type: ignore[arg-type]
    built.events = [event for event in built.events if not isinstance(event, Healed)]
    built.events.append(Healed(**built.at(13.8), faults=healed))
    assert (seen(built).silences == ()) is explained


@pytest.mark.parametrize(
    ("service", "healed", "error", "verdict"),
    [
        ("cf-1", ("backlog_full",), "no answer within 2 s", Verdict.HELD),
        ("cf-2", ("backlog_full",), "no answer within 2 s", Verdict.UNKNOWN),  # another was its victim
        ("cf-1", (), "no answer within 2 s", Verdict.UNKNOWN),  # it was healed before
        ("cf-1", ("backlog_full",), None, Verdict.UNKNOWN),  # nobody looked
    ],
)
def test_what_a_fault_holds_silent_to_the_end_is_unknown_and_believed(
    service: str, healed: tuple[str, ...], error: str | None, verdict: Verdict
) -> None:
    """The numbers of the fault's victim are not known; the replay is believed all the same."""
    built = night(silent=(11.0, 20.0), service=service, error=error)
    for state in ("begin", "end"):
        arguments = {"service": "cf-1"}
        event = OperationEvent(**built.at(10.0), operation="backlog_full", id=2, state=state, arguments=arguments)  # type: ignore[arg-type]
        built.events.append(event)
    built.events = [event for event in built.events if not isinstance(event, Healed)]
    built.events.append(Healed(**built.at(13.8), faults=healed))
    journal = built.journal()
    assert monitored.check(journal, figures.of(journal), None).verdict is verdict
    assert figures.of(journal).leaked_connections[service] is None


def test_what_nobody_looked_at_no_fault_explains() -> None:
    """A fault makes a service silent, not the testbed blind."""
    built = night(silent=(3.0, 9.0), error=None)
    built.events.append(OperationEvent(**built.at(2.0), operation="backlog_full", id=2, state="begin"))
    assert [silence.looked for silence in seen(built).silences] == [False]


def test_a_service_that_was_stopped_need_not_tell_anything() -> None:
    """Until it is ready again."""
    built = night(silent=(3.0, 9.9))
    built.service(3.0, "cf-1", "stopped")
    built.service(9.8, "cf-1", "ready")
    assert seen(built).silences == ()


def test_a_calm_night_whose_samples_were_taken_out_is_unknown() -> None:
    """One sample of each service, and then none, held in every point."""
    judgement = judge.judge(reader.read(CASES / "calm_stripped.jsonl"))
    assert judgement.verdict is Verdict.UNKNOWN
    assert {"consistent", "monitored"} <= {finding.check for finding in judgement.doubts}


@pytest.mark.parametrize(("decoupled", "verdict"), [(False, Verdict.UNKNOWN), (True, Verdict.HELD)])
def test_who_has_nothing_under_way_has_answered_everybody(*, decoupled: bool, verdict: Verdict) -> None:
    """Unless passengers wait with a broker, and not in a thread of the caller or a queue for one."""
    night = contained_night()
    night.request(5.2, "kiosk", None)
    night.events.sort(key=lambda event: event.t_s)
    journal = night.journal(settings={"caller": {"decoupled": decoupled}})
    assert counted.check(journal, figures.of(journal), None).verdict is verdict
