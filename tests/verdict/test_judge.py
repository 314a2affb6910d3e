from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from testbed.experiments.matrix import cell
from testbed.journal.events import ClockFactor, Condition, LogLines, OperationEvent, Sample, Step, Threads
from testbed.journal.thread_states import CHECKOUT, SOCKET
from testbed.plan.expectation import SHARE, Expectation
from testbed.verdict import checks, figures, judge
from testbed.verdict.checks import ALWAYS, CONDITION_NOT_SEEN
from testbed.verdict.finding import Finding, Verdict
from tests.journals import CALLERS, SERVERS, NightBuilder, contained_night, hung_night
from tests.nights import RESTART, SWITCHOVER, flown

GROUNDED = {
    "outcome": ["grounded"],
    "crack": [6],
    "leaked_connections": 4,
    "servers_blocked_at": "checkout",
    "callers_blocked_at": "lookup_by_city",
    "health_green": True,
    "switchover": "success",
}


def finding(night: NightBuilder, check: str, expected: Any) -> Finding:
    """Make one check of a night."""
    return checks.load(check)(night.journal(), figures.of(night.journal()), expected)


def test_the_night_of_the_case_holds_in_every_point() -> None:
    """A hung night judged by the case's own expectation holds."""
    judgement = judge.judge(hung_night().journal(expect=GROUNDED))
    assert [finding for finding in judgement.findings if finding.verdict is not Verdict.HELD] == []
    assert judgement.verdict is Verdict.HELD


def test_another_outcome_than_expected_is_broken() -> None:
    """A contained night is not what was expected of the original."""
    assert judge.judge(contained_night().journal(expect=GROUNDED)).verdict is Verdict.BROKEN


def test_a_dump_that_was_not_permitted_gives_unknown() -> None:
    """Without a dump nothing is known of where threads are blocked, and the reason is carried on."""
    night = hung_night(dumps=False)
    for server in SERVERS:
        night.dump(5.4, server, CHECKOUT, error="not permitted; run as root")
    judgement = judge.judge(night.journal(expect={"outcome": ["grounded"], "servers_blocked_at": "checkout"}))
    assert judgement.verdict is Verdict.UNKNOWN
    assert "run as root" in judgement.findings[-1].text


def test_broken_is_worse_than_unknown_and_unknown_than_held() -> None:
    """The worst finding is the verdict."""
    night = hung_night(dumps=False)
    both = {"outcome": ["unharmed"], "servers_blocked_at": "checkout"}
    assert judge.judge(night.journal(expect=both)).verdict is Verdict.BROKEN


def test_an_interrupted_replay_is_unknown_whatever_was_expected() -> None:
    """Nothing is judged of a replay that did not come to its end."""
    night = contained_night()
    night.events.pop()
    assert judge.judge(night.journal(expect=GROUNDED)).verdict is Verdict.UNKNOWN


def test_a_check_that_fails_itself_gives_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error inside a check says nothing of the facility, and never that all is well."""

    def fails(*_: object) -> Finding:
        raise ZeroDivisionError

    monkeypatch.setattr(checks, "load", lambda _: fails)
    judgement = judge.judge(hung_night().journal())
    assert judgement.verdict is Verdict.UNKNOWN
    assert all("ZeroDivisionError" in finding.text for finding in judgement.findings)


@pytest.mark.parametrize(
    ("check", "expected", "held"),
    [
        ("crack", (6,), True),
        ("crack", (1, 2), False),
        ("leaked_connections", 4, True),
        ("leaked_connections", 0, False),
        ("errors_per_server", 4, True),
        ("errors_per_server", 40, False),
        ("health_green", True, True),
        ("health_green", False, False),
        ("switchover", "success", True),
        ("servers_blocked_at", "checkout", True),
        ("callers_blocked_at", "lookup_by_city", True),
        ("callers_blocked_at", "check_in", False),
        ("restored", True, False),
        ("answered_after", 0.5, False),
        ("outcome", ("grounded",), True),
        ("outcome", ("unharmed", "contained"), False),
        ("nothing", None, True),
    ],
)
def test_each_check_holds_of_the_hung_night_what_is_true_of_it(check: str, expected: Any, *, held: bool) -> None:
    """Each check tells the hung night's truth from what is not true of it."""
    assert finding(hung_night(), check, expected).verdict is (Verdict.HELD if held else Verdict.BROKEN)


def test_a_switchover_with_a_step_missing_is_no_success() -> None:
    """Five steps make a switchover (C4); one that says it is complete without them lacks its evidence."""
    night = NightBuilder()
    night.switchover(1.0, steps=4, state="failed")
    assert finding(night, "switchover", "success").verdict is Verdict.BROKEN
    night = NightBuilder()
    night.switchover(1.0, steps=4)
    assert finding(night, "switchover", "success").verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("step_s", "whole_s", "verdict", "took"),
    [
        (0.01, 0.1, Verdict.HELD, "in 0.05 s, the database"),
        (2.0, 400.0, Verdict.HELD, "in 10.00 s, with 390 s between them, the database"),
        (12.1, 60.5, Verdict.BROKEN, "in 60.50 s (limit 60 s)"),
    ],
)
def test_what_people_let_pass_between_two_steps_of_a_switchover_does_not_count(
    step_s: float, whole_s: float, verdict: Verdict, took: str
) -> None:
    """A class talks about each step before it does it; the steps themselves have their limit."""
    night = NightBuilder()
    night.switchover(1.0)
    night.events[:] = [
        replace(event, duration_s=step_s if isinstance(event, Step) else whole_s)
        if isinstance(event, Step | OperationEvent) and event.state == "end"
        else event
        for event in night.events
    ]
    found = finding(night, "switchover", "success")
    assert found.verdict is verdict
    assert took in found.text


def test_one_red_health_check_breaks_the_green() -> None:
    """Every health check from first to last, not the last one only (O8)."""
    night = hung_night()
    night.sample(5.45, "cf-1", busy=4, done=1, failed=4, leaked=4, health=False)
    assert finding(night, "health_green", True).verdict is Verdict.BROKEN


@pytest.mark.fact("W7")
@pytest.mark.parametrize(
    ("failed", "errors", "log", "wanted"),
    [
        (2, 2, LogLines(written=1, lost=1), Verdict.HELD),
        (1, 2, LogLines(written=0, lost=2), Verdict.HELD),  # a call that was made again
        (3, 2, LogLines(written=0, lost=2), Verdict.BROKEN),  # a transaction failed that no server counted
        (2, 2, LogLines(written=0, lost=1), Verdict.BROKEN),  # a line is neither written nor counted as lost
        (2, 2, LogLines(written=2, lost=0), Verdict.UNKNOWN),  # no error met a full disk
        (2, 2, None, Verdict.UNKNOWN),
    ],
)
def test_errors_are_counted_although_their_lines_were_lost(failed: int, errors: int, log: LogLines | None, wanted: Verdict) -> None:
    """At least as many as transactions failed, and each with a line that was written or is known to be lost."""
    night = NightBuilder()
    for _ in range(failed):
        night.request(1.0, "kiosk", "failed")
    night.request(1.0, "kiosk", "failed", transaction="local")  # it never called the facility
    night.sample(2.0, "cf-1", failed=errors)
    sample = night.events.pop()
    assert isinstance(sample, Sample)
    night.events.append(replace(sample, log=log))
    assert finding(night, "errors_counted", "complete").verdict is wanted


@pytest.mark.fact("W7")
@pytest.mark.parametrize(
    ("failed", "ended", "wanted"),
    [
        (3, "cf-1", Verdict.UNKNOWN),  # the third may have failed after the last sample of cf-1
        (2, "cf-1", Verdict.HELD),
        (3, "kiosk", Verdict.BROKEN),  # a caller's end takes no count of a server with it
    ],
)
def test_what_failed_after_the_last_sample_of_a_server_that_was_killed_is_in_no_count(failed: int, ended: str, wanted: Verdict) -> None:
    """Nobody knows whether it was counted; that is unknown, and not broken."""
    night = NightBuilder()
    for _ in range(failed):
        night.request(1.0, "kiosk", "failed")
    night.sample(2.0, "cf-1", failed=2)
    sample = night.events.pop()
    assert isinstance(sample, Sample)
    night.events.append(replace(sample, log=LogLines(written=1, lost=1)))
    night.service(3.0, ended, "stopped")
    assert finding(night, "errors_counted", "complete").verdict is wanted


def test_threads_blocked_elsewhere_are_not_the_cases() -> None:
    """All request threads at a socket is not what the case saw of application servers (O5)."""
    night = hung_night(dumps=False)
    for server in SERVERS:
        night.dump(5.4, server, SOCKET)
    assert finding(night, "servers_blocked_at", "checkout").verdict is Verdict.BROKEN


def test_one_thread_elsewhere_is_enough_to_break() -> None:
    """Three of four is not all."""
    night = hung_night(dumps=False)
    for server in SERVERS:
        night.dump(5.4, server, CHECKOUT, count=3)
    assert finding(night, "servers_blocked_at", "checkout").verdict is Verdict.BROKEN


def test_a_dump_of_a_service_that_was_never_seen_proves_nothing() -> None:
    """No request thread of how many nobody knows is not all of them."""
    night = hung_night(dumps=False)
    for server in SERVERS:
        night.events.append(Threads(**night.at(5.4), service=server, file=f"{server}.json", request_threads=0))
    assert finding(night, "servers_blocked_at", "checkout").verdict is Verdict.BROKEN


def test_a_facility_is_compared_with_what_it_was_before_anything_was_done() -> None:
    """What a restart for maintenance cut off, before the first fault, is not an ill facility."""
    night = NightBuilder()
    night.samples(0.0)
    night.restart(0.5)
    night.request(0.49, "kiosk", "failed", took_s=0.1)
    night.switchover(1.0)
    night.end(2.0)
    assert finding(night, "steady_before", None).verdict is Verdict.HELD


@pytest.mark.parametrize(
    ("expect", "settings", "verdict"),
    [
        ({}, {}, Verdict.UNKNOWN),
        ({"health_green": True}, {}, Verdict.HELD),  # it is asked for, and will break that
        ({}, {"application_server": {"handshaking": True}}, Verdict.HELD),
        ({}, {"application_server": {"let_it_crash_s": 1.0}}, Verdict.HELD),
        ({}, {"application_server": {"fail_fast": True}}, Verdict.UNKNOWN),
    ],
)
def test_a_red_health_check_of_a_night_in_which_nothing_was_done_is_a_doubt(
    expect: dict[str, Any], settings: dict[str, Any], verdict: Verdict
) -> None:
    """Unless the scenario asks for it itself, or the variant makes servers say that they serve nothing; failures are the outcome's."""
    night = NightBuilder()
    night.samples(0.0)
    night.request(0.5, "kiosk", "failed")
    night.end(2.0)
    journal = night.journal(expect=expect, settings=settings)
    assert checks.load("steady_before")(journal, figures.of(journal), None).verdict is Verdict.HELD
    night.samples(1.0, health=False)
    journal = night.journal(expect=expect, settings=settings)
    assert checks.load("steady_before")(journal, figures.of(journal), None).verdict is verdict


@pytest.mark.parametrize(("waited", "code"), [("restart", CONDITION_NOT_SEEN), ("", CONDITION_NOT_SEEN), ("silence", ""), ("heal", "")])
def test_only_a_restart_that_waited_in_vain_is_no_doubt(waited: str, code: str) -> None:
    """It was not needed. A fault that waited was never injected, and the matrix must not call its variant unharmed."""
    night = contained_night()
    night.events.insert(-3, Condition(**night.at(5.4), condition="hung", seen=False, operation=waited))
    found = finding(night, "timeline", None)
    assert (found.verdict, found.code) == (Verdict.UNKNOWN, code)
    known = cell.of(judge.judge(night.journal(expect={"outcome": ["contained"]})))
    assert (known.outcome is None) is (code != CONDITION_NOT_SEEN)


def test_the_journal_has_what_waited_for_a_condition() -> None:
    """By its word."""
    (condition,) = flown("fixed", SWITCHOVER + RESTART).of(Condition)
    assert (condition.condition, condition.seen, condition.operation) == ("hung", False, "restart")


def restored_night(**answered: tuple[int, int]) -> NightBuilder:
    """Write a hung night with a restart; after it so many of so many transactions of each caller are answered, the last ones."""
    night = hung_night()
    night.restart(6.0)
    for caller, (count, of) in answered.items():
        for number in range(of):
            night.request(7.0 + number / 100, caller, "answered" if number >= of - count else "failed")
    return night


@pytest.mark.fact("O9")
@pytest.mark.parametrize(
    ("kiosk", "verdict"),
    [
        ((3, 3), Verdict.HELD),
        ((19, 20), Verdict.HELD),  # one was cut off by the restart itself
        ((1, 100), Verdict.BROKEN),
        ((50, 100), Verdict.BROKEN),
        ((0, 3), Verdict.BROKEN),
        ((2, 2), Verdict.UNKNOWN),
        ((0, 0), Verdict.UNKNOWN),
    ],
)
def test_restored_wants_most_of_every_caller_answered_and_the_last(kiosk: tuple[int, int], verdict: Verdict) -> None:
    """One answer of a hundred is no service; of a caller that nobody asked nothing is known."""
    night = restored_night(kiosk=kiosk, ivr=(4, 4), partner=(4, 4))
    assert finding(night, "restored", True).verdict is verdict
    if verdict is not Verdict.UNKNOWN:
        assert finding(night, "restored", False).verdict is not verdict


WAIT = "threading.py:327 Condition.wait"


def dumped_night(**stacks: tuple[str, ...]) -> NightBuilder:
    """Return a hung night in which the request threads of each service have this stack."""
    night = hung_night(dumps=False)
    for service, stack in stacks.items():
        night.dump(5.4, service.replace("_", "-"), CHECKOUT if service.startswith("cf") else SOCKET)
        dump = night.events[-1]
        assert isinstance(dump, Threads)
        (group,) = dump.groups
        night.events[-1] = replace(dump, groups=(replace(group, stack=stack),))
    return night


@pytest.mark.fact("O7")
@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        (("a.py:2 lookup_by_city", "pool.py:0 wait"), ("a.py:2 lookup_by_city", "pool.py:1 wait"), "pool.py:0 wait, pool.py:1 wait"),
        (
            ("a.py:2 lookup_by_city", "pool.py:5 get", WAIT),
            ("a.py:2 lookup_by_city", "log.py:7 emit", WAIT),
            "log.py:7 emit, pool.py:5 get",
        ),
        (("a.py:2 lookup_by_city", WAIT), ("a.py:3 lookup_by_city", WAIT), "a.py:2 lookup_by_city, a.py:3 lookup_by_city"),
        (("a.py:2 lookup_by_city", WAIT), ("a.py:2 lookup_by_city", WAIT, WAIT), f"nothing further in, {WAIT}"),
    ],
)
def test_servers_whose_stacks_differ_are_not_blocked_at_one_line(one: tuple[str, ...], other: tuple[str, ...], apart: str) -> None:
    """The same state in the same call is not enough, nor is the same innermost line: every thread of every server was at one place."""
    found = finding(dumped_night(cf_1=one, cf_2=other), "servers_blocked_at", "checkout")
    assert found.verdict is Verdict.BROKEN
    assert found.text.endswith(f"but not at one line: {apart}")
    assert finding(dumped_night(cf_1=one, cf_2=one), "servers_blocked_at", "checkout").verdict is Verdict.HELD


@pytest.mark.fact("O6", "O7")
def test_callers_come_to_the_one_line_from_what_they_were_asked() -> None:
    """Outside the call, a kiosk's stack is not a telephone's; from it inwards a single other line is enough to break."""
    inner = ("callers/remote.py:66 RemoteFlightSearch.lookup_by_city", "python3.11/socket.py:706 SocketIO.readinto")
    stacks = {caller: (f"callers/{caller}.py:9 run", *inner) for caller in CALLERS}
    assert finding(dumped_night(**stacks), "callers_blocked_at", "lookup_by_city").verdict is Verdict.HELD
    stacks[CALLERS[-1]] = ("callers/last.py:9 run", inner[0], "http/client.py:1 send", inner[1])
    assert finding(dumped_night(**stacks), "callers_blocked_at", "lookup_by_city").verdict is Verdict.BROKEN


def test_a_late_load_generator_proves_nothing() -> None:
    """Requests that left long after they were due are another load than the trace's."""
    night = contained_night()
    for number in range(20):
        night.request(5.0 + number / 100, "kiosk", "answered", late_s=0.6)
    assert finding(night, "open_loop", None).verdict is Verdict.UNKNOWN


def test_requests_that_were_never_sent_prove_nothing() -> None:
    """All of the trace has to be sent."""
    night = contained_night()
    journal = night.journal(trace=hung_night().journal().header.trace)
    assert checks.load("open_loop")(journal, figures.of(journal), None).verdict is Verdict.UNKNOWN


def test_who_would_have_come_after_a_night_was_stopped_does_not_count_as_unsent() -> None:
    """In a class's night that was ordered to stand still, and did to the end; but not in one that went on."""
    for factors, verdict in (((0.0,), Verdict.HELD), ((0.0, 1.0), Verdict.UNKNOWN), ((), Verdict.UNKNOWN)):
        night = contained_night()
        for number, factor in enumerate(factors):
            night.events.append(ClockFactor(**night.at(20.0 + number), factor=factor))
        journal = night.journal(trace=hung_night().journal().header.trace)
        assert checks.load("open_loop")(journal, figures.of(journal), None).verdict is verdict, factors


def test_a_facility_that_was_ill_before_the_fault_proves_nothing() -> None:
    """A transaction that failed before the first fault was not the fault's."""
    night = contained_night()
    night.request(0.7, "kiosk", "failed")
    assert finding(night, "steady_before", None).verdict is Verdict.UNKNOWN


def test_every_expectation_has_its_check_and_every_check_is_asked_for() -> None:
    """An expectation without a check could not fail, and a check that nobody makes is dead."""
    assert (set(Expectation.model_fields) - set(SHARE)) | set(ALWAYS) | {"nothing"} == set(checks.names())
