from __future__ import annotations

from typing import Any

import pytest

from testbed.journal.events import FacilityNames, Observed, OperationEvent
from testbed.plan.expectation import Outcome
from testbed.verdict import changes, figures, judge, stuck_spans
from testbed.verdict.checks import outcome as outcome_check
from testbed.verdict.checks import steady_before
from testbed.verdict.finding import Verdict
from testbed.verdict.recovery import LAST
from tests.journals import CALLERS, SERVERS, NightBuilder, contained_night, hung_night


@pytest.mark.fact("O10")
def test_a_night_that_ends_with_every_caller_stuck_is_grounded() -> None:
    """The night of the case is grounded, with the crack through the whole airline."""
    journal = hung_night().journal()
    assert (judge.judge(journal).outcome, judge.judge(journal).crack) == (Outcome.GROUNDED, 6)


def test_a_night_with_errors_that_pass_is_contained() -> None:
    """Failed transactions that stop by themselves are contained, and no crack beyond the lookup."""
    journal = contained_night().journal()
    assert (judge.judge(journal).outcome, judge.judge(journal).crack) == (Outcome.CONTAINED, 1)


def test_a_night_in_which_all_is_answered_is_unharmed() -> None:
    """A night without a failed or unanswered transaction is unharmed."""
    night = NightBuilder()
    night.samples(0.0)
    night.request(0.5, "kiosk", "answered")
    night.end(1.0)
    assert judge.judge(night.journal()).outcome == Outcome.UNHARMED
    assert judge.judge(night.journal()).crack == 0


def night_with_answers(*answers: tuple[float, float], failed: int = 0) -> NightBuilder:
    """Write a night with a switchover at 1 s, and check-ins after it: how long each took, and by how much it was sent late."""
    night = NightBuilder()
    night.look(0.2)
    night.switchover(1.0)
    for number, (took_s, late_s) in enumerate(answers):
        night.request(2.0 + number / 100, "kiosk", "answered", took_s=took_s, late_s=late_s)
    for _ in range(failed):
        night.request(1.5, "ivr", "failed")
    for number in range(3 if failed else 0):
        night.request(1.6 + number / 100, "ivr", "answered")
    night.look(11.9)
    night.end(12.0)
    return night


@pytest.mark.parametrize(
    ("answers", "outcome", "code"),
    [
        ([(4.9, 0.0), (0.1, 0.0)], Outcome.UNHARMED, "all_answered"),
        ([(5.1, 0.0), (0.1, 0.0)], Outcome.CONTAINED, "late"),
        ([(4.9, 0.2), (5.1, 0.0)], Outcome.CONTAINED, "late"),
        ([(4.9, 0.2), (0.1, 0.0)], None, "sent_late"),
    ],
)
def test_a_late_answer_does_harm(answers: list[tuple[float, float]], outcome: Outcome | None, code: str) -> None:
    """Five seconds after a transaction was due its answer is late, which is no `unharmed`; what was only sent late shows neither."""
    became = judge.judge(night_with_answers(*answers).journal()).reason
    assert (became.outcome, became.code) == (outcome, code)


@pytest.mark.parametrize(
    ("took_s", "late_s", "busy", "outcome", "code"),
    [
        (6.0, 0.0, 0.1, Outcome.CONTAINED, "late"),
        (6.0, 0.0, 0.2, None, "machine_busy"),
        (7.0, 0.0, 0.2, Outcome.CONTAINED, "late"),
        (5.5, 0.5, 0.2, None, "machine_busy"),
        (4.9, 0.2, 1.0, None, "sent_late"),
        (4.9, 0.0, 1.0, Outcome.UNHARMED, "all_answered"),
    ],
)
def test_an_answer_that_only_the_machine_made_late_shows_nothing(
    took_s: float, late_s: float, busy: float, outcome: Outcome | None, code: str
) -> None:
    """Nor does it show that all was well; what is later than that has its share."""
    night = night_with_answers((took_s, late_s), (0.1, 0.0))
    night.pressure(12.0, busy)
    became = judge.judge(night.journal()).reason
    assert (became.outcome, became.code) == (outcome, code)


@pytest.mark.parametrize(
    ("expected", "verdict"),
    [
        (("unharmed", "contained"), Verdict.HELD),
        (("contained", "grounded"), Verdict.UNKNOWN),
        (("unharmed",), Verdict.UNKNOWN),
        (("grounded",), Verdict.UNKNOWN),
    ],
)
@pytest.mark.parametrize(("took_s", "late_s", "busy"), [(6.0, 0.0, 0.2), (4.9, 0.2, 0.0)], ids=["machine", "sent_late"])
def test_an_unknown_outcome_is_held_if_all_that_it_can_be_is_expected(
    took_s: float, late_s: float, busy: float, expected: tuple[str, ...], verdict: Verdict
) -> None:
    """Everybody was answered, in time or late: that is unharmed or contained, whatever the machine did to it."""
    night = night_with_answers((took_s, late_s), (0.1, 0.0))
    night.pressure(12.0, busy)
    journal = night.journal()
    finding = outcome_check.check(journal, figures.of(journal), expected)
    assert finding.verdict is verdict
    assert finding.text.startswith("outcome unharmed or contained, expected " if verdict is Verdict.HELD else "the outcome is unknown: ")


@pytest.mark.parametrize(
    ("answered", "last", "busy", "code"),
    [
        (3, None, 0.5, "machine_busy"),
        (3, None, 0.2, "not_seen_to_come_back"),
        (2, None, 0.5, "not_seen_to_come_back"),
        (3, "failed", 0.5, "not_seen_to_come_back"),
    ],
)
def test_who_was_not_waited_for_on_a_busy_machine_shows_nothing(answered: int, last: str | None, busy: float, code: str) -> None:
    """The last was under way for 0.6 s; without the time in which no processor was free, for less than the closing window of 0.4 s."""
    night = NightBuilder()
    night.look(0.2)
    night.request(0.3, "kiosk", "failed")
    for number in range(answered):
        night.request(1.0 + number / 10, "kiosk", "answered")
    night.look(2.0, done=answered, failed=1)
    night.request(5.0, "kiosk", last)
    night.pressure(6.0, busy)
    night.look(5.5, done=answered, failed=1)
    night.end(5.6)
    became = judge.judge(night.journal()).reason
    assert (became.outcome, became.code) == (None, code)


def test_one_answer_that_is_late_on_any_machine_is_harm() -> None:
    """It does not become doubtful because others were late for want of a processor."""
    night = night_with_answers((6.0, 0.0), (9.0, 0.0))
    night.pressure(12.0, 0.2)
    assert judge.judge(night.journal()).reason.code == "late"


def test_a_late_answer_is_told_with_its_time() -> None:
    """The reason says how many were late, and which was the worst; recovery is over when the last of them was due."""
    journal = night_with_answers((6.0, 0.0), (7.25, 0.0), (0.1, 0.0)).journal()
    assert judge.judge(journal).reason.text == (
        "all of 3 transactions were answered, but 2 later than 5 s after they were due: at worst after 7.2 s "
        "(kiosk check_in, due at 22:03:21)"
    )
    recovered = figures.of(journal).recovery
    assert recovered is not None
    assert recovered.took_s == pytest.approx(1.01)


def test_late_answers_are_told_beside_failures() -> None:
    """A contained night tells of both."""
    became = judge.judge(night_with_answers((6.0, 0.0), failed=2).journal()).reason
    assert (became.outcome, became.code) == (Outcome.CONTAINED, "served_again")
    assert became.text.startswith("2 of 6 transactions failed, the last due at ")
    assert became.text.endswith("then every caller was served again; 1 answer came later than 5 s after when due")


def test_a_facility_that_answers_late_before_the_fault_was_not_steady() -> None:
    """What comes of the fault later cannot be told from what the machine does."""
    night = NightBuilder()
    night.look(0.2)
    night.request(0.3, "kiosk", "answered", took_s=5.5)
    night.look(5.9, done=1)
    night.switchover(6.0)
    night.look(6.4, done=1)
    night.end(6.5)
    journal = night.journal()
    finding = steady_before.check(journal, figures.of(journal), None)
    assert (finding.verdict, "1 answered later than 5 s" in finding.text) == (Verdict.UNKNOWN, True)


@pytest.mark.fact("O9")
def test_a_night_that_took_a_restart_by_hand_is_grounded() -> None:
    """Service that came back because somebody restarted it did not come back by itself; the reason says who was out of service."""
    night = hung_night()
    night.events = [event for event in night.events if event.event not in ("end", "observed", "healed")]
    night.restart(5.6)
    for number in range(12):
        night.request(6.0 + number / 100, CALLERS[number % 3], "answered")
    night.look(6.5, done=9, failed=4)
    night.end(6.5)
    became = judge.judge(night.journal()).reason
    assert (became.outcome, became.code) == (Outcome.GROUNDED, "restarted_by_hand")
    assert became.text == "servers were restarted by hand at 22:09:20, when kiosk, ivr and partner were out of service"


@pytest.mark.fact("O9")
def test_a_restart_after_service_was_back_counts_as_nothing() -> None:
    """A fixed night in which somebody restarts a server when all is well again was contained without them."""
    night = contained_night()
    night.events = [event for event in night.events if event.event not in ("end", "observed", "healed")]
    night.restart(5.6)
    night.end(6.0)
    became = judge.judge(night.journal()).reason
    assert (became.outcome, became.code) == (Outcome.CONTAINED, "served_again")
    assert became.text.startswith("8 of 18 transactions failed, the last due at 22:04:30 (ivr); then")


def test_a_busy_service_that_makes_progress_is_not_stuck() -> None:
    """Full request threads whose results move on are load, not a hang."""
    night = NightBuilder()
    for number in range(8):
        night.samples(number / 10, busy=4, done=number)
    night.request(0.1, "kiosk", "answered")
    night.end(1.0)
    assert not any(figures.of(night.journal()).spans[service] for service in (*SERVERS, *CALLERS))


def test_requests_that_wait_without_a_stuck_caller_give_no_outcome() -> None:
    """A night that ended before it could be told how it goes on is neither contained nor grounded."""
    night = contained_night()
    night.events = [event for event in night.events if event.event not in ("end", "observed")]
    night.request(5.2, "kiosk", None)
    night.end(5.5)
    assert judge.judge(night.journal()).outcome is None


@pytest.mark.parametrize("reason", ["interrupted", "failed"])
def test_a_replay_that_did_not_end_has_no_outcome(reason: str) -> None:
    """What was cut short tells nothing of what became of the airline."""
    night = hung_night()
    night.events = [event for event in night.events if event.event != "end"]
    night.end(5.6, reason)
    assert judge.judge(night.journal()).outcome is None


@pytest.mark.fact("O1")
def test_time_to_hang_is_the_nights_from_the_end_of_the_switchover() -> None:
    """The hang began with the first stuck sample, on the night's clock, and counts from the switchover's end."""
    assert figures.of(hung_night().journal()).time_to_hang_night_s == pytest.approx((5.0 - 1.1) * 100)
    assert figures.of(contained_night().journal()).time_to_hang_night_s is None


@pytest.mark.parametrize(
    ("services", "level"),
    [(SERVERS[:1], 3), (SERVERS, 4), ((*SERVERS, CALLERS[0]), 5), ((*SERVERS, *CALLERS), 6)],
)
def test_the_crack_goes_as_far_as_the_last_thing_that_got_stuck(services: tuple[str, ...], level: int) -> None:
    """Server, facility, caller, airline: each level needs every service below it that its definition names."""
    night = NightBuilder()
    for number in range(6):
        for service in (*SERVERS, *CALLERS):
            night.sample(number / 10, service, busy=4 if service in services else 0)
    night.request(0.1, "kiosk", None)
    night.end(1.0)
    assert judge.judge(night.journal()).crack == level


def test_transactions_are_counted_by_when_they_were_due_and_none_is_left_out() -> None:
    """Answered, failed and unanswered add up to what was sent, before and after the switchover."""
    journal = hung_night().journal()
    counts = figures.of(journal).transactions
    total = sum(count for names in counts.values() for halves in names.values() for ends in halves.values() for count in ends.values())
    assert total == len(journal.transactions) == 23
    assert counts["kiosk"]["check_in"]["before"] == {"answered": 1, "failed": 0, "unanswered": 0}
    assert counts["kiosk"]["check_in"]["after"] == {"answered": 0, "failed": 3, "unanswered": 4}


def test_failed_operations_count_from_the_first_fault_on() -> None:
    """What failed before the fault is not its."""
    assert figures.failed_operations(hung_night().journal()) == {"cf-1": 4, "cf-2": 4}


def test_blocked_threads_are_those_of_the_last_time_a_service_was_stuck() -> None:
    """A service that was never stuck has none blocked."""
    assert set(figures.of(hung_night().journal()).blocked_request_threads.values()) == {4}
    assert set(figures.of(contained_night().journal()).blocked_request_threads.values()) == {0}


def full(night: NightBuilder, from_s: float, to_s: float, service: str = "kiosk", **fields: Any) -> None:
    """Add samples of a full service, ten a second, from one time to before another."""
    for number in range(round((to_s - from_s) * 10)):
        night.sample(from_s + number / 10, service, busy=4, **fields)


def spans(night: NightBuilder, service: str = "kiosk") -> list[tuple[float, float]]:
    """Return from when to when a service was stuck."""
    return [(round(span.from_s, 1), round(span.to_s, 1)) for span in figures.of(night.journal()).spans[service]]


@pytest.mark.parametrize(("change", "stuck"), [({"done": 4}, []), ({"failed": 4}, [(1.0, 2.9)]), ({"done": 4, "failed": 1}, [(1.0, 2.9)])])
def test_a_slow_service_is_told_from_a_stuck_one_by_what_came_out(change: dict[str, int], stuck: list[tuple[float, float]]) -> None:
    """Answers, after two seconds of nothing: it was slow. Errors, as of a time-out: its threads had been blocked."""
    night = NightBuilder()
    full(night, 1.0, 3.0)
    night.sample(3.0, "kiosk", busy=0, **change)
    night.end(4.0)
    assert spans(night) == stuck


def test_what_takes_longer_than_anybody_waits_is_not_called_slow() -> None:
    """After six seconds, the answer does not count any more."""
    night = NightBuilder()
    full(night, 1.0, 7.0)
    night.sample(7.0, "kiosk", busy=0, done=4)
    night.end(8.0)
    assert spans(night) == [(1.0, 6.9)]


def test_what_goes_on_at_the_end_has_to_go_on_for_the_whole_closing_window() -> None:
    """The window is as long as anything could take; a service that gave something within it is at work."""
    night = NightBuilder()
    full(night, 1.0, 2.0)
    full(night, 2.0, 3.0, done=1)
    night.events.append(Observed(**night.at(3.0), phase="settle", since_s=1.5, until_s=3.0))
    assert spans(night) == []
    night.events.append(Observed(**night.at(3.0), phase="settle", since_s=2.1, until_s=3.0))
    assert spans(night) == [(2.0, 2.9)]


def test_a_sample_without_counts_does_not_end_a_hang() -> None:
    """It says nothing of the threads."""
    night = NightBuilder()
    full(night, 1.0, 2.0)
    night.sample(2.0, "kiosk", busy=None)
    full(night, 2.1, 3.0)
    night.end(3.0)
    assert spans(night) == [(1.0, 2.9)]
    assert stuck_spans.is_stuck_at_end(night.journal(), stuck_spans.find(night.journal()), "kiosk")


@pytest.mark.parametrize("state", ["stopped", "died"])
def test_a_hang_ends_with_its_process(state: str) -> None:
    """Even if the next one hangs at once with the same numbers; and a process that is gone is not stuck at the end."""
    night = NightBuilder()
    full(night, 1.0, 2.0)
    night.service(2.0, "kiosk", state)
    full(night, 2.1, 3.0)
    night.end(3.0)
    assert spans(night) == [(1.0, 1.9), (2.1, 2.9)]
    night.service(3.05, "kiosk", state)
    assert not stuck_spans.is_stuck_at_end(night.journal(), stuck_spans.find(night.journal()), "kiosk")


def test_a_process_that_counts_less_than_before_is_another_one() -> None:
    """Journals of which nobody told that it was restarted are read right, too."""
    night = NightBuilder()
    night.switchover(0.0)
    for t_s, failed in ((0.2, 3), (0.3, 4), (0.4, 1), (0.5, 2)):
        night.sample(t_s, "cf-1", failed=failed)
    assert figures.failed_operations(night.journal())["cf-1"] == 6


def test_failures_of_every_process_of_a_server_are_added_up() -> None:
    """After a restart it counts anew, and may count as far as before or further; of a server that nobody saw, nothing is known."""
    night = NightBuilder()
    night.sample(0.5, "cf-1", failed=1)
    night.switchover(1.0)
    night.sample(2.0, "cf-1", failed=5)
    night.service(2.1, "cf-1", "stopped")
    night.sample(2.2, "cf-1", busy=None)
    night.sample(3.0, "cf-1", failed=7)
    assert figures.failed_operations(night.journal()) == {"cf-1": 11, "cf-2": None}
    assert figures.failed_operations(night.journal(), "check_in") == {"cf-1": 0, "cf-2": None}


def test_leaked_connections_are_those_of_the_end_and_the_crack_is_of_the_worst() -> None:
    """A restart gives them back; that they were lost stays true."""
    night = NightBuilder()
    night.switchover(1.0)
    night.request(1.5, "kiosk", "failed")
    night.sample(2.0, "cf-1", leaked=3)
    night.sample(3.0, "cf-1", leaked=0)
    night.sample(3.1, "cf-1", busy=None)
    night.end(4.0)
    journal = night.journal()
    assert figures.of(journal).leaked_connections == {"cf-1": 0, "cf-2": None}
    assert figures.of(journal).most_leaked_connections == {"cf-1": 3, "cf-2": None}
    assert judge.judge(journal).crack == 2


def test_the_airline_hangs_when_every_caller_does_whatever_the_servers_do() -> None:
    """With more servers than calls, none of them may ever be full."""
    night = NightBuilder()
    night.switchover(0.5)
    for number in range(10):
        for caller in CALLERS:
            night.sample(2.0 + number / 10, caller, busy=4 if caller != "partner" or number > 2 else 0)
    night.end(3.0)
    hung = figures.of(night.journal()).hang
    assert hung is not None
    assert hung.from_s == pytest.approx(2.3)
    assert figures.of(night.journal()).time_to_hang_night_s == pytest.approx((2.3 - 0.6) * 100)


@pytest.mark.parametrize(("fault_s", "took_s"), [(1.0, 90.0), (1.95, 5.0), (2.5, None)])
def test_a_hang_before_anything_was_done_has_no_time_to_it(fault_s: float, took_s: float | None) -> None:
    """It was not the fault's; to one that begins while the fault is still being done, the time is from the fault's begin."""
    night = NightBuilder()
    night.switchover(fault_s)
    for caller in CALLERS:
        full(night, 2.0, 3.0, caller)
    night.end(3.0)
    assert figures.of(night.journal()).time_to_hang_night_s == (None if took_s is None else pytest.approx(took_s))


def restarted(*, fault: bool, trouble: str) -> str | None:
    """Return the outcome of a night with some trouble, then a restart by hand, and then all is well."""
    night = NightBuilder()
    night.samples(0.0)
    night.request(0.5, "kiosk", "answered")
    if fault:
        night.switchover(1.0)
    if trouble == "failed":
        night.request(2.0, "kiosk", "failed")
    if trouble == "unanswered":
        night.request(2.0, "kiosk", None)
    if trouble == "leaked":
        night.sample(2.0, "cf-1", leaked=1)
    if trouble == "stuck":
        full(night, 2.0, 3.0)
    night.restart(4.0)
    if trouble == "cut off":
        night.request(3.99, "kiosk", "failed", took_s=0.1)
    for number in range(LAST):
        night.request(5.0 + number / 100, "kiosk", "answered")
    night.samples(5.5, done=2, failed=1 if trouble == "stuck" else 0)
    night.end(6.0)
    return judge.judge(night.journal()).outcome


@pytest.mark.fact("O9")
@pytest.mark.parametrize(
    ("fault", "trouble", "became"),
    [
        (False, "", Outcome.UNHARMED),
        (True, "", Outcome.UNHARMED),
        (True, "failed", Outcome.GROUNDED),
        (False, "stuck", Outcome.UNHARMED),  # it had answered again a second before
        (True, "unanswered", Outcome.GROUNDED),
        (True, "leaked", Outcome.UNHARMED),  # everybody was served, before the restart and after it
        (False, "leaked", Outcome.UNHARMED),
        (True, "cut off", Outcome.CONTAINED),
        (False, "failed", Outcome.GROUNDED),
    ],
)
def test_a_restart_after_trouble_took_a_hand_and_one_for_maintenance_did_not(*, fault: bool, trouble: str, became: str) -> None:
    """What the restart itself cuts off is not the trouble that it was for."""
    assert restarted(fault=fault, trouble=trouble) == became


def test_a_restart_is_no_fault() -> None:
    """Before and after are told by the first fault, however much was restarted before it."""
    night = NightBuilder()
    night.restart(0.5)
    night.request(0.9, "kiosk", "answered")
    night.switchover(1.0)
    begin, change = changes.first_fault(night.journal()), changes.first_change(night.journal())
    assert begin is not None
    assert change is not None
    assert (begin.operation, change.operation) == ("switchover", "restart")
    assert figures.of(night.journal()).transactions["kiosk"]["check_in"]["before"]["answered"] == 1


@pytest.mark.parametrize(("partner", "became"), [(None, Outcome.CONTAINED), ("local", Outcome.CONTAINED), ("search", None)])
def test_service_is_back_when_everybody_who_asks_for_it_gets_it(partner: str | None, became: str | None) -> None:
    """A caller that nothing failed for need not come back; one that failed, and was not asked often enough since, cannot be told."""
    night = NightBuilder()
    night.switchover(1.0)
    if partner is not None:
        night.request(1.5, "partner", "failed" if partner == "search" else "answered", transaction=partner)
    night.request(2.0, "kiosk", None)
    for number in range(LAST):
        night.request(5.0 + number / 100, "kiosk", "answered")
    night.end(5.5)
    assert judge.judge(night.journal()).outcome == became


def failing_night(failures: int, answered: int) -> NightBuilder:
    """Write a night in which nobody ever hangs: after the switchover so many lookups fail in a row, then so many are answered."""
    night = NightBuilder()
    night.samples(0.0)
    night.request(0.5, "kiosk", "answered")
    night.switchover(1.0)
    for number in range(failures):
        night.request(2.0 + number / 100, CALLERS[number % 3], "failed")
    for number in range(answered):
        night.request(4.0 + number / 100, CALLERS[number % 3], "answered")
    night.request(4.9, "kiosk", "answered", transaction="local")
    night.samples(5.0, done=1 + answered, failed=failures, leaked=4)
    night.end(5.5)
    return night


@pytest.mark.parametrize(
    ("failures", "answered", "became"),
    [(9, 0, "grounded"), (8, 0, None), (9, 1, None), (9, 9, "contained"), (0, 3, "unharmed")],
    ids=[
        "more failed than there are connections",
        "as many as stale connections explain",
        "one is not enough",
        "answered again",
        "none failed",
    ],
)
def test_errors_to_the_end_are_no_service(failures: int, answered: int, became: str | None) -> None:
    """With 8 connections in all: a night in which nothing is answered any more is grounded although no thread is blocked."""
    assert judge.judge(failing_night(failures, answered).journal()).outcome == became


@pytest.mark.parametrize(
    ("servers", "pool", "overflow", "callers", "failures", "became"),
    [
        (16, 40, 0, CALLERS, 640, None),  # as many as stale connections could explain: nobody was seen to be served again
        (16, 40, 0, CALLERS, 641, "grounded"),
        (16, 200, 0, CALLERS, 640, None),
        (1, 5, 0, CALLERS[:1], 6, "grounded"),
        (1, 5, 35, CALLERS[:1], 6, None),
        (1, 5, 35, CALLERS[:1], 41, "grounded"),
        (1, 5, -1, CALLERS[:1], 500, None),  # without a limit there may always be another stale one
    ],
)
def test_what_fails_to_the_last_is_never_contained(
    servers: int, pool: int, overflow: int, callers: tuple[str, ...], failures: int, became: str | None
) -> None:
    """Whatever the size: `contained` asks for answers, and does not follow from failures that are too few."""
    night = NightBuilder()
    night.switchover(1.0)
    for number in range(failures):
        night.request(2.0 + number / 1000, callers[number % len(callers)], "failed")
    night.end(5.5)
    names = tuple(f"cf-{number}" for number in range(1, servers + 1))
    journal = night.journal(
        facility=FacilityNames(names, callers, 4, pool), settings={"application_server": {"pool_max_overflow": overflow}}
    )
    found = judge.judge(journal).reason
    assert found.outcome == became
    if became == "grounded":
        assert f"all night: {failures} of {failures} facility transactions failed, more than the {failures - 1} stale" in found.text


def test_a_caller_that_was_never_served_again_is_not_contained_by_the_others() -> None:
    """Eighty of eighty failed at one, and another is well: the airline's passengers at the first have no service."""
    night = NightBuilder()
    night.switchover(1.0)
    for number in range(8):
        night.request(2.0 + number / 100, "ivr", "failed")
        night.request(2.005 + number / 100, "kiosk", "answered")
    night.end(5.5)
    found = judge.judge(night.journal()).reason
    assert (found.outcome, found.code) == (None, "not_seen_to_come_back")
    assert "ivr was answered 0 transactions after its last failure, fewer than 3" in found.text


@pytest.mark.parametrize("timeout_s", [0.4, 1.0])
def test_the_crack_does_not_hang_on_how_long_a_time_out_is(timeout_s: float) -> None:
    """A thread that its own time-out brings back was not stuck, whether that took longer than a standstill needs or not."""
    night = NightBuilder()
    night.switchover(0.5)
    for number in range(5):
        begin_s = 1.0 + number * 1.5
        full(night, begin_s, begin_s + timeout_s, failed=number)
        night.sample(begin_s + timeout_s, "kiosk", busy=0, failed=number + 1)
    night.request(1.0, "kiosk", "failed")
    night.end(9.0)
    settings = {"caller": {"call_read_timeout_s": timeout_s}}
    assert judge.judge(night.journal(settings=settings)).crack == 1
    assert judge.judge(night.journal()).crack == (5 if timeout_s == 1.0 else 1)  # without one, a standstill that ends in errors was one


def test_what_was_under_way_when_the_fault_came_is_after_it() -> None:
    """It may have failed by it; what had ended before is not the fault's, and trouble begins when something fails."""
    night = NightBuilder()
    night.request(0.2, "kiosk", "answered")
    night.request(0.5, "kiosk", "failed", took_s=2.0)
    night.request(0.6, "ivr", None)
    night.switchover(1.0)
    night.request(1.5, "partner", "failed", took_s=0.1)
    computed = figures.of(night.journal())
    assert computed.transactions["kiosk"]["check_in"] == {
        "before": {"answered": 1, "failed": 0, "unanswered": 0},
        "after": {"answered": 0, "failed": 1, "unanswered": 0},
    }
    assert computed.transactions["ivr"]["flight_status"]["after"]["unanswered"] == 1
    assert computed.first_trouble is not None
    first, night_s = computed.first_trouble
    assert first.request.caller == "ivr"  # the kiosk's failed at 2.5 s, the partner's at 1.6 s
    assert night_s == computed.first_unanswered_night_s == night.at(1.0)["night_s"]  # not before the fault, whenever it was sent


def gone_night(failures: int, answered: int = 0) -> NightBuilder:
    """Write a night in which the kiosk, who is asked for nothing that needs the facility, fails from a fault on; then it may answer."""
    night = NightBuilder()
    night.look(0.1)
    for number in range(3):
        night.request(0.2 + number / 100, "kiosk", "answered", transaction="local")
    night.switchover(1.0)
    for number in range(failures):
        night.request(2.0 + number / 100, "kiosk", "failed", transaction="local")
        night.request(2.005 + number / 100, "ivr", "answered")
    for number in range(answered):
        night.request(4.0 + number / 100, "kiosk", "answered", transaction="local")
    night.end(5.5)
    return night


@pytest.mark.parametrize(
    ("failures", "answered", "outcome", "code"),
    [
        (9, 0, Outcome.GROUNDED, "served_no_more"),
        (8, 0, None, "not_seen_to_come_back"),
        (9, 2, None, "not_seen_to_come_back"),
        (9, 3, Outcome.CONTAINED, "served_again"),
    ],
)
def test_a_caller_that_is_gone_is_out_of_service_whatever_it_is_asked_for(
    failures: int, answered: int, outcome: Outcome | None, code: str
) -> None:
    """Also where nobody asks it for what needs the facility."""
    found = judge.judge(gone_night(failures, answered).journal()).reason
    assert (found.outcome, found.code) == (outcome, code)
    if code == "served_no_more":
        assert found.text.startswith("kiosk served nothing after 22:00:23: 9 of 9 transactions failed, more than the 8 stale")


@pytest.mark.parametrize(("after", "outcome", "code"), [(8, None, "not_seen_to_come_back"), (9, Outcome.GROUNDED, "served_no_more")])
def test_what_a_fault_explains_that_was_healed_does_not_show_that_it_goes_on(after: int, outcome: Outcome | None, code: str) -> None:
    """Forty failed while it was active; only what was due after the healing tells whether service came back."""
    night = NightBuilder()
    night.look(0.1)
    night.request(0.5, "kiosk", "answered")
    for state, t_s in (("begin", 1.0), ("end", 1.1)):
        night.events.append(OperationEvent(**night.at(t_s), operation="refuse", id=1, state=state))  # type: ignore[arg-type]
    for number in range(40):
        night.request(2.0 + number / 100, "kiosk", "failed")
    for state, t_s in (("begin", 3.0), ("end", 3.1)):
        night.events.append(OperationEvent(**night.at(t_s), operation="heal", id=2, state=state, arguments={"of": "refuse"}))  # type: ignore[arg-type]
    for number in range(after):
        night.request(3.2 + number / 100, "kiosk", "failed")
    night.end(5.5)
    found = judge.judge(night.journal()).reason
    assert (found.outcome, found.code) == (outcome, code)
    if outcome:
        assert found.text.startswith("no caller was served after 22:00:51: 9 of 9 facility transactions failed")


def test_callers_that_stand_still_in_turn_are_not_the_airline() -> None:
    """Nor are servers that do so the facility: it is the crack of one of them, at any time."""
    night = NightBuilder()
    night.switchover(0.5)
    for from_s, caller, server in ((1.0, "kiosk", "cf-1"), (3.0, "ivr", "cf-2"), (5.0, "partner", "cf-1")):
        for service in (caller, server):
            full(night, from_s, from_s + 1.5, service)
            night.sample(from_s + 1.6, service, busy=0, failed=1)
    night.request(1.0, "kiosk", "failed")
    night.end(9.0)
    judgement = judge.judge(night.journal())
    assert (judgement.crack, judgement.figures.hang) == (5, None)
    for service in CALLERS:
        night.events = [event for event in night.events if getattr(event, "service", "") != service]
    assert judge.judge(night.journal()).crack == 3


@pytest.mark.parametrize(
    ("delays_s", "healed_s", "code"), [(None, 8.0, "late"), (None, 5.5, "machine_busy"), (0.0, 8.0, "machine_busy"), (6.0, 8.0, "late")]
)
def test_what_a_fault_holds_back_is_late_on_any_machine(delays_s: float | None, healed_s: float, code: str) -> None:
    """Nobody needs a processor while a link is silent for 7 s, or delays by 6; one of 4.5 s makes nothing late by itself."""
    night = NightBuilder()
    night.look(0.2)
    night.events.append(OperationEvent(**night.at(1.0), operation="silence", id=1, state="begin", delays_s=delays_s))
    night.events.append(OperationEvent(**night.at(1.1), operation="silence", id=1, state="end"))
    night.request(1.5, "kiosk", "answered", took_s=7.0)
    for state, at_s in (("begin", healed_s - 0.1), ("end", healed_s)):
        night.events.append(OperationEvent(**night.at(at_s), operation="heal", id=2, state=state, detail="silence: answered"))  # type: ignore[arg-type]
    night.pressure(12.0, 0.9)
    night.end(12.0)
    assert judge.judge(night.journal()).reason.code == code


def test_a_restart_that_brought_nothing_back_is_told() -> None:
    """Whoever restarts half of the servers still has an airline that stands still."""
    night = NightBuilder()
    night.look(0.2)
    night.switchover(0.5)
    for number in range(12):
        night.request(1.0 + number / 100, CALLERS[number % 3], None)
    for caller in CALLERS:
        full(night, 1.5, 9.1, caller)
    night.restart(3.0)
    night.end(9.0)
    found = judge.judge(night.journal()).reason
    assert found.text == (
        "servers were restarted by hand at 22:05:00, when kiosk, ivr and partner were out of service; "
        "all the same kiosk, ivr and partner were stuck to the end"
    )


def test_the_dump_of_a_new_process_does_not_tell_where_the_old_one_was_blocked() -> None:
    """A server that is restarted has no thread at work; where the one before it was blocked is in the dump before."""
    night = NightBuilder()
    full(night, 1.0, 3.0, "cf-1")
    night.dump(2.5, "cf-1", "waiting for a connection")
    night.service(3.0, "cf-1", "stopped")
    night.service(3.5, "cf-1", "ready")
    night.dump(4.0, "cf-1", "idle", count=0)
    night.dump(4.0, "cf-2", "idle", count=0)
    night.end(4.5)
    dumps = figures.of(night.journal()).dumps
    assert {service: dump.t_s for service, dump in dumps.items()} == {"cf-1": 2.5, "cf-2": 4.0}


@pytest.mark.parametrize(
    ("last_s", "words"), [(None, "after the switchover of 22:01:40 was"), (3.5, "after 22:05:50 was"), (3.8, "after 22:06:20 was")]
)
def test_the_reason_says_since_when_nobody_was_served(last_s: float | None, words: str) -> None:
    """Since the fault where nobody was afterwards, and not since the last who was asked for before it."""
    night = hung_night()
    if last_s is not None:
        night.request(last_s, "kiosk", "answered")
    text = judge.judge(night.journal()).reason.text
    assert f"nothing that needs the facility and was due {words} answered" in text
