"""What could have warned, and how long before service stopped: on nights of the fakes, and on hand-written ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from testbed.journal.events import FaultOver, OperationEvent, Sample
from testbed.postmortem import questions, warning_time
from testbed.postmortem.alarm import RULES, Rules
from testbed.report import warnings
from testbed.report.terminal import plain_console
from testbed.verdict import judge
from tests.journals import CALLERS, EVENING_S, SERVERS, SPEED, NightBuilder, contained_night, hung_night
from tests.nights import RESTART, SWITCHOVER, flown

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.postmortem.alarm import Alarm
    from testbed.postmortem.warning_time import WarningTimes

ROBOTS = ("robot_kiosk_check_in", "robot_ivr_flight_status", "robot_partner_search")
HEALTH = ("health_application_servers", "health_callers")
EVERY = Rules(robot_every_night_s=0.5 * SPEED)  # a robot that asks at 0.0, 0.5, 1.0 s, and so on


def told(journal: Journal, rules: Rules = RULES) -> WarningTimes:
    """Return what each alarm would have told of a journal."""
    return warning_time.of(journal, judge.judge(journal), rules)


def alarm(times: WarningTimes, code: str) -> Alarm:
    """Return an alarm by its code."""
    (found,) = [alarm for alarm in times.alarms if alarm.code == code]
    return found


def rang_s(times: WarningTimes, code: str) -> float | None:
    """Return when an alarm rang (`t_s`)."""
    ring = alarm(times, code).rang
    return None if ring is None else ring.at.t_s


def sampled(until_s: float = 6.0, *, every_s: float = 0.1, **fields: object) -> NightBuilder:
    """Return a night that is sampled to its end, and in which a passenger asks each caller every half second."""
    night = NightBuilder()
    for number in range(round(until_s * 2) - 1):
        for caller in CALLERS:
            night.request(number / 2 + 0.2, caller, "answered")
    for number in range(round(until_s / every_s) + 1):
        night.look(number * every_s, **fields)  # type: ignore[arg-type]
    return night


@pytest.mark.fact("O8", "P1")
def test_over_the_code_that_failed_everything_rings_but_the_health_checks() -> None:
    """A robot's transaction fails hours before the pool is empty, and that is long before every caller hangs."""
    times = told(flown("original"))
    assert [alarm.code for alarm in times.alarms if alarm.rang is None] == [*HEALTH]
    assert not any(alarm(times, code).is_unknown for code in HEALTH)
    assert times.false_alarms == ()
    leads = {alarm.code: lead.night_s for alarm in times.alarms if (lead := times.lead(alarm))}
    assert leads["robot_kiosk_check_in"] > 4 * 3600
    assert leads["robot_kiosk_check_in"] > leads["leaked"] > leads["pool_low"] >= leads["pool_empty"] > leads["busy_callers"] >= 0


def test_over_the_code_that_holds_nothing_of_the_pools_rings() -> None:
    """Errors are seen, and so are they by a robot; nothing leaks, waits or hangs, and service does not stop."""
    times = told(flown("fixed"))
    assert {alarm.code for alarm in times.alarms if alarm.rang} == {"errors", *ROBOTS, "robot_partner_book"}
    assert (times.stop.at, times.stop.known, times.false_alarms) == (None, True, ())
    assert all(times.lead(alarm) is None for alarm in times.alarms)


def test_a_night_in_which_nothing_is_done_rings_nothing() -> None:
    """No false alarm, and every alarm is known not to have rung."""
    times = told(flown("original", timeline=""))
    assert times.fault is None
    assert [(alarm.code, alarm.doubt) for alarm in times.alarms if alarm.rang or alarm.false_alarm or alarm.doubt] == []


def test_what_an_operator_s_restart_makes_red_is_no_alarm() -> None:
    """A server that is being restarted answers no health check, and nobody has to be told."""
    times = told(flown("original", timeline=SWITCHOVER + RESTART))
    assert [alarm(times, code).rang for code in HEALTH] == [None, None]
    assert times.stop.text == "every caller hung"


def test_a_hang_is_when_service_stopped() -> None:
    """In the night of a few lines, at 5 s; the lead is the difference on each clock."""
    times = told(hung_night().journal())
    assert times.stop.at is not None
    assert (times.stop.at.t_s, times.stop.known) == (5.0, True)
    assert rang_s(times, "leaked") == 3.0
    lead = times.lead(alarm(times, "leaked"))
    assert lead is not None
    assert (lead.t_s, lead.night_s) == (2.0, 2.0 * SPEED)
    assert rang_s(times, "errors") == pytest.approx(2.21)


def served_no_more() -> Journal:
    """Return a night grounded by errors: the last answer at 1.21 s, a switchover at 2.5 s, and from 3 s on only failures."""
    night = sampled(2.0)
    night.switchover(2.5)
    for number in range(30):
        night.request(3.0 + number / 20, CALLERS[number % 3], "failed")
    night.request(4.6, "kiosk", "answered", transaction="local")
    for number in range(21, 60):
        night.look(number / 10, done=3, failed=number)
    night.end(6.0)
    return night.journal()


@pytest.mark.fact("P1")
def test_without_a_hang_service_stopped_with_the_first_transaction_after_the_last_answer() -> None:
    """Of a night that was grounded by errors: not with that answer, hours before it, and a boarding pass needs nothing but the kiosk."""
    journal = served_no_more()
    assert judge.judge(journal).reason.code == "served_no_more"
    stop = told(journal).stop
    assert stop.at is not None
    assert (stop.at.t_s, stop.at.night_s) == (3.0, EVENING_S + 3.0 * SPEED)
    assert stop.text == "from then on kiosk, ivr, partner answered nothing"


@pytest.mark.fact("P1")
def test_a_switchover_between_the_last_answer_and_the_first_failure_came_before_the_stop() -> None:
    """In a quiet night nothing was asked for hours, and it is not said to have begun after service had stopped."""
    journal = served_no_more()
    judgement = judge.judge(journal)
    cause, *_ = questions.of(journal, judgement, (), warning_time.of(journal, judgement), None)
    assert cause.answer == "It was carried out, and service stopped after it; what lies between was not seen."


def test_a_night_that_is_contained_did_not_stop() -> None:
    """What rang has no lead, because there is nothing to lead to."""
    times = told(contained_night().journal())
    assert (times.stop.at, times.stop.known) == (None, True)
    assert alarm(times, "errors").rang is not None
    assert times.lead(alarm(times, "errors")) is None


def test_a_killed_replay_leaves_unknown_what_had_not_rung() -> None:
    """Nobody knows what came after; what had rung is known all the same, and so is the hang."""
    night = hung_night()
    night.events = night.events[:-3]
    times = told(night.journal())
    assert times.stop.text == "every caller hung"
    assert alarm(times, "leaked").rang
    assert not alarm(times, "leaked").doubt
    assert all(alarm(times, code).is_unknown and "did not come to its end" in alarm(times, code).doubt for code in HEALTH)


def test_without_samples_every_gauge_is_unknown() -> None:
    """Requests are seen all the same."""
    night = hung_night()
    night.events = [event for event in night.events if event.event != "sample"]
    times = told(night.journal())
    for code in (*HEALTH, "pool_low", "pool_empty", "pool_waiting", "leaked", "busy_application_servers", "busy_callers"):
        assert alarm(times, code).is_unknown, code
        assert "was never looked at" in alarm(times, code).doubt
    assert alarm(times, "errors").rang


def test_a_fault_before_the_first_sample_may_have_been_seen_earlier() -> None:
    """The first sample shows a leak already, and nobody knows since when."""
    night = NightBuilder()
    for caller in CALLERS:
        night.request(0.2, caller, "answered")
    night.switchover(0.5)
    for number in range(10, 60):
        night.look(number / 10, done=1, leaked=1)
    night.end(6.0)
    leaked = alarm(told(night.journal()), "leaked")
    assert leaked.rang is not None
    assert (leaked.rang.at.t_s, leaked.doubt) == (1.0, "cf-1 was not seen before the fault")


def test_what_is_looked_at_every_three_seconds_is_unknown_until_it_rings() -> None:
    """A red check, or an empty pool, could have passed unseen between two looks."""
    night = NightBuilder()
    for number in range(11):
        night.look(number * 3.1)
    for number in range(60):
        night.request(number / 2 + 0.2, CALLERS[number % 3], "answered")
    night.end(31.0)
    times = told(night.journal())
    assert alarm(times, "health_callers").doubt == "kiosk was looked at every 3.1 s only"
    assert alarm(times, "leaked").is_unknown
    assert not alarm(times, "errors").is_unknown


@pytest.mark.parametrize(("code", "service", "fields"), [(HEALTH[0], "cf-2", {"health": False}), (HEALTH[1], "ivr", {"health": False})])
def test_a_red_health_check_rings_for_its_kind_of_service(code: str, service: str, fields: dict[str, bool]) -> None:
    """One is enough; the other kind stays silent."""
    night = sampled()
    night.switchover(2.0)
    night.sample(3.05, service, **fields)  # type: ignore[arg-type]
    night.end(6.0)
    times = told(night.journal())
    assert rang_s(times, code) == 3.05
    assert [alarm(times, other).rang for other in HEALTH if other != code] == [None]


def test_what_rings_before_the_fault_is_a_false_alarm_and_no_warning() -> None:
    """Such as a red check a second before it."""
    night = sampled()
    night.sample(1.05, "cf-1", health=False)
    night.switchover(2.0)
    night.end(6.0)
    times = told(night.journal())
    assert [found.code for found in times.false_alarms] == [HEALTH[0]]
    assert alarm(times, HEALTH[0]).rang is None
    assert "false alarm 22:01" in warnings.line(times, alarm(times, HEALTH[0]))


def faultless_night(*, hangs: bool) -> NightBuilder:
    """Return a night in which nothing is done: a red check at 1 s, leaks from 3 s on; from 4.5 s nothing is answered, if it hangs."""
    night = NightBuilder()
    for caller in CALLERS:
        night.request(0.5, caller, "answered")
    for tenth in range(5, 30):
        night.look(tenth / 10, done=1)
    night.sample(1.05, "cf-1", health=False)
    for tenth in range(30, 50):
        night.look(tenth / 10, done=1, leaked=2)
    for number in range(12):
        night.request(4.5 + number / 100, CALLERS[number % 3], None if hangs else "answered")
    for tenth in range(50, 90):
        night.look(tenth / 10, busy=4 if hangs else 0, done=1 if hangs else 5, leaked=2)
    night.end(8.9)
    return night


@pytest.mark.fact("P1")
def test_in_a_night_without_a_fault_that_stopped_service_what_rang_of_it_is_a_warning() -> None:
    """The trouble lies in the variant then. The leak was not over when service stopped, and the red check long before it was."""
    times = told(faultless_night(hangs=True).journal())
    assert times.fault is None
    assert times.stop.at is not None
    assert times.stop.at.t_s == 5.0
    assert {found.code for found in times.false_alarms} == {HEALTH[0]}
    assert (rang_s(times, HEALTH[0]), rang_s(times, "leaked")) == (None, 3.0)
    assert rang_s(times, "in_flight") == pytest.approx(5.5)
    assert rang_s(times, "busy_callers") == pytest.approx(5.1)
    assert rang_s(told(faultless_night(hangs=True).journal(), EVERY), ROBOTS[0]) == pytest.approx(2.0)
    _, _, _, detection, _ = questions.of(
        faultless_night(hangs=True).journal(), judge.judge(faultless_night(hangs=True).journal()), (), times, None
    )
    assert detection.answer == "By leaked connections, 3 min 20 s before."


@pytest.mark.parametrize("took_s", [0.01, 2.0])
def test_a_robot_of_the_first_transaction_that_failed_of_a_night_without_a_fault_is_a_warning(took_s: float) -> None:
    """It asks before that one, and rings before it failed; where service did not stop there was nothing to tell."""
    for hangs in (True, False):
        night = faultless_night(hangs=hangs)
        night.request(1.9, "kiosk", "failed", took_s=took_s)
        times = told(night.journal(), EVERY)
        robot, age = alarm(times, ROBOTS[0]), alarm(times, "in_flight")
        (rang, false_alarm) = (robot.rang, robot.false_alarm) if hangs else (robot.false_alarm, robot.rang)
        assert rang is not None
        assert (rang.at.t_s, false_alarm) == (pytest.approx(1.0 + min(took_s, 1.0)), None)
        if took_s > 1.0:
            assert (age.false_alarm is None) is hangs


def test_a_robot_of_a_late_answer_of_a_night_without_a_fault_is_a_false_alarm() -> None:
    """It was answered, before anything failed."""
    night = faultless_night(hangs=True)
    night.request(1.9, "kiosk", "answered", took_s=2.0)
    assert alarm(told(night.journal(), EVERY), ROBOTS[0]).false_alarm is not None


def test_in_a_night_without_a_fault_in_which_service_did_not_stop_every_alarm_is_a_false_one() -> None:
    """There was nothing to tell."""
    times = told(faultless_night(hangs=False).journal(expect={"outcome": ["unharmed"]}))
    assert (times.stop.at, times.stop.known) == (None, True)
    assert {found.code for found in times.false_alarms} == {HEALTH[0], "leaked"}
    assert not any(found.rang for found in times.alarms)


def test_a_moment_s_demand_is_no_alarm() -> None:
    """Request threads that are all at work in one sample are at rest in the next."""
    once, twice = sampled(), sampled()
    for night, count in ((once, 1), (twice, 2)):
        night.switchover(2.0)
        for number in range(count):
            night.sample(3.01 + number / 50, "kiosk", busy=4)
        night.end(6.0)
    assert rang_s(told(once.journal()), "busy_callers") is None
    assert rang_s(told(twice.journal()), "busy_callers") == pytest.approx(3.03)


def test_what_is_slow_for_want_of_a_processor_says_nothing() -> None:
    """It is neither an alarm nor known to be none."""
    night = sampled()
    night.pressure(6.0, 0.95)
    for number in range(3):
        night.sample(3.01 + number / 50, "kiosk", busy=4)
    night.request(3.0, "ivr", "answered", took_s=1.5)
    night.end(6.0)
    times = told(night.journal(), EVERY)
    for code in ("busy_callers", "in_flight", ROBOTS[1]):
        assert alarm(times, code).false_alarm is None
        assert "no processor free" in alarm(times, code).doubt
    idle = told(replace(night.journal(), events=tuple(event for event in night.journal().events if event.event != "pressure")), EVERY)
    assert {found.code for found in idle.false_alarms} == {"busy_callers", "in_flight", ROBOTS[1]}


def test_a_health_check_without_an_answer_for_want_of_a_processor_is_unknown() -> None:
    """It is not red, and nobody knows that it was green."""
    night = sampled()
    night.pressure(6.0, 0.95)
    red = Sample(**night.at(4.0), service="cf-2", health=False, health_s=2.0, error="no answer within 2.0 s")
    night.events.append(red)
    night.end(6.0)
    found = alarm(told(night.journal()), HEALTH[0])
    assert (found.rang, found.false_alarm) == (None, None)
    assert found.doubt == "cf-2 had no answer at 22:06:40, when the machine had no processor free"


def test_the_age_of_a_request_counts_until_it_ends() -> None:
    """It rings a second after the request was sent, if nothing had come back by then."""
    night = sampled()
    night.switchover(2.0)
    night.request(3.0, "ivr", "answered", took_s=0.9)
    night.request(3.5, "ivr", "failed", took_s=1.1)
    night.end(6.0)
    assert rang_s(told(night.journal()), "in_flight") == pytest.approx(4.5)


def test_a_request_that_is_younger_than_the_bound_when_the_journal_ends_leaves_it_unknown() -> None:
    """It may have come back, or not."""
    night = sampled()
    night.switchover(2.0)
    night.request(5.5, "ivr", None)
    night.end(6.0)
    found = alarm(told(night.journal()), "in_flight")
    assert (found.is_unknown, found.doubt) == (True, "the journal ends 0.5 s after a request that was never answered")


def robot_night(ended: str | None, *, asked_s: float = 4.2) -> NightBuilder:
    """Return a night with a switchover at 2 s to 2.1 s, and a single check-in after it."""
    night = NightBuilder()
    for number in range(60):
        night.look(number / 10, done=1)
    night.request(1.2, "kiosk", "answered")
    night.switchover(2.0)
    night.request(asked_s, "kiosk", ended)
    return night


def test_a_robot_fares_as_the_next_real_transaction_of_its_kind() -> None:
    """It asks at 2.5 s, the first time after the switchover; the real one fails at 4.2 s, 10 ms after it was sent."""
    night = robot_night("failed")
    night.end(6.0)
    times = told(night.journal(), EVERY)
    assert rang_s(times, ROBOTS[0]) == pytest.approx(2.51)
    assert alarm(times, ROBOTS[0]).false_alarm is None  # what it asked before the switchover tells nothing of the time after it


def test_a_robot_that_has_no_answer_rings_when_it_gives_up() -> None:
    """A second after it asked."""
    night = robot_night(None)
    night.end(6.0)
    assert rang_s(told(night.journal(), EVERY), ROBOTS[0]) == pytest.approx(3.5)


@pytest.mark.parametrize("kind", ["operation", "over"])
def test_a_robot_s_fate_is_not_told_across_a_change(kind: str) -> None:
    """A fault or an operation at 3.2 s, or a fault that is over then: only what the robot asks at 3.5 s and later is told."""
    night = robot_night("failed")
    if kind == "operation":
        night.switchover(3.2, id_=2, hosts=("db-2", "db-1"))
    else:
        night.events.append(FaultOver(**night.at(3.2), fault="switchover", id=1, detail=""))
    night.end(6.0)
    assert rang_s(told(night.journal(), EVERY), ROBOTS[0]) == pytest.approx(3.51)


@pytest.mark.parametrize(
    ("caller", "transaction", "settings", "rings_s"),
    [
        ("ivr", "flight_status", {}, 3.51),
        ("ivr", "flight_status", {"facility": {"service_groups": True}}, 2.51),  # it has a server of its own
        ("kiosk", "local", {}, 2.51),  # needs no server
    ],
)
@pytest.mark.parametrize(("ended", "later_s"), [("failed", 0.0), (None, 0.99)])
def test_a_robot_does_not_ring_while_its_servers_answered_another(
    caller: str, transaction: str, settings: dict[str, object], rings_s: float, ended: str | None, later_s: float
) -> None:
    """Somebody was answered at 3.01 s: what the robot asks before then tells nothing, if the same servers did it."""
    night = robot_night(ended)
    night.request(3.0, caller, "answered", transaction=transaction)
    night.end(6.0)
    assert rang_s(told(night.journal(settings=settings), EVERY), ROBOTS[0]) == pytest.approx(rings_s + later_s)


def test_a_robot_of_whom_the_servers_answered_others_all_the_time_is_unknown() -> None:
    """Only at 5 s did anything go wrong, and what a robot would have met before that is not told."""
    night = robot_night(None, asked_s=4.9)
    for number in range(27):
        night.request(2.2 + number / 10, "ivr", "answered")
    night.end(6.0)
    found = alarm(told(night.journal(), EVERY), ROBOTS[0])
    assert (found.rang, found.is_unknown) == (None, True)


def test_what_was_under_way_when_the_fault_came_is_no_false_alarm_of_a_robot() -> None:
    """The real transaction failed by the fault, and the robot's would have been over."""
    night = NightBuilder()
    for number in range(60):
        night.look(number / 10, done=1)
    night.request(1.95, "kiosk", "failed", took_s=0.2)
    night.switchover(2.0)
    night.end(6.0)
    assert alarm(told(night.journal(), EVERY), ROBOTS[0]).false_alarm is None


def test_a_robot_of_which_no_real_transaction_tells_is_unknown() -> None:
    """Nobody asked the ivr or the partner after the fault."""
    night = robot_night("answered")
    night.end(6.0)
    times = told(night.journal(), EVERY)
    assert alarm(times, ROBOTS[0]).doubt.startswith("nothing tells what became of 1 of the 197 that it asked, the first at 22:03:20")
    assert alarm(times, ROBOTS[1]).doubt == "nobody asked ivr for flight_status from which it could be told"


@pytest.mark.parametrize(
    ("asked", "moves_s", "is_unknown"),
    [
        (8, [], False),
        (8, [3.02], True),  # between what was asked at 3.0 s and the next real one
        (3, [], True),  # the last real one was at 3.04 s
    ],
)
def test_a_robot_never_rang_only_if_each_of_its_moments_is_told(asked: int, moves_s: list[float], *, is_unknown: bool) -> None:
    """From the first fault on, but for the night's last seconds; the others of the same night are known."""
    night = NightBuilder()
    for number in range(60):
        night.look(number / 10, done=1)
    for number in range(asked):
        for caller in CALLERS:
            night.request(2.2 + number * 0.42, caller, "answered")
    for number, moved_s in enumerate([1.9, *moves_s]):
        night.switchover(moved_s, id_=number + 1)
    night.end(6.0)
    found = alarm(told(night.journal(), EVERY), ROBOTS[0])
    assert (found.rang, found.is_unknown) == (None, is_unknown)


def test_a_robot_that_rang_after_a_moment_that_tells_nothing_may_have_rung_earlier() -> None:
    """What it asked while the fault was injected tells nothing."""
    night = robot_night("failed")
    night.end(6.0)
    found = alarm(told(night.journal(), EVERY), ROBOTS[0])
    assert found.rang is not None
    assert found.doubt.startswith("nothing tells what became of")


def test_a_robot_takes_nothing_from_a_transaction_that_needs_only_the_caller() -> None:
    """A boarding pass is printed, whatever becomes of the facility, and no robot asks for one."""
    times = told(hung_night().journal())
    assert [found.code for found in times.alarms if found.code.startswith("robot")] == [*ROBOTS]


def test_nothing_done_but_a_restart_makes_no_false_alarm() -> None:
    """A restart of a facility that is well is the operator's doing, and no fault."""
    night = sampled()
    night.restart(3.0)
    night.sample(3.15, "cf-1", busy=None)
    night.end(6.0)
    times = told(night.journal())
    assert (times.fault, times.false_alarms) == (None, ())
    assert any(event.operation == "restart" for event in night.journal().of(OperationEvent))


def test_an_empty_journal_tells_nothing() -> None:
    """All of it is unknown, when service stopped, too."""
    times = told(NightBuilder().journal())
    assert not times.stop.known
    assert all(found.is_unknown for found in times.alarms)


def test_the_lines_are_as_people_say_it() -> None:
    """Of an alarm that never rang, and of one that did."""
    times = told(flown("original"))
    assert warnings.line(times, alarm(times, HEALTH[1])) == "the health check of the callers: never"
    line = warnings.line(times, alarm(times, ROBOTS[0]))
    assert line.startswith("a robot at kiosk (check_in): 23:")
    assert " min before (" in line


def test_the_table_has_a_row_for_each_alarm_and_says_when_service_stopped() -> None:
    """And those of a killed night say that they are unknown."""
    night = hung_night()
    night.events = night.events[:-3]
    for journal, stopped in ((flown("original"), "service stopped at"), (night.journal(), "service stopped at 22:08:20")):
        times = told(journal)
        console = plain_console(width=250)
        with console.capture() as printed:
            console.print(warnings.table(times))
        text = printed.get()
        assert stopped in text
        assert all(found.what in text for found in times.alarms)


def test_the_rows_stand_in_the_order_in_which_the_alarms_rang() -> None:
    """Those that did not ring come last, and what gave a false alarm has that below it; the heading fits what rang after the stop, too."""
    times = told(hung_night().journal())
    rows = list(warnings.rows(times))
    by_name = {found.what: found for found in times.alarms}
    rang = [by_name[what].rang for what, *_ in rows]
    at_s = [ring.at.t_s for ring in rang if ring is not None]
    assert at_s == sorted(at_s)
    assert len(at_s) < len(rang)
    assert rang[len(at_s) :] == [None] * (len(rang) - len(at_s))
    leads = [lead for _, _, lead, _ in rows if lead]
    assert any(" before (" in lead for lead in leads)
    assert any(" after (" in lead for lead in leads)
    assert warnings.HEADINGS[2] == "before or after service stopped"
    late = list(warnings.rows(told(faultless_night(hangs=True).journal())))
    place = next(number for number, row in enumerate(late) if row[0] == "the health check of the application servers")
    assert late[place][1] == "never"
    assert late[place + 1][:2] == ("", "false alarm 22:01")


def test_the_hand_written_nights_are_what_the_tests_take_them_for() -> None:
    """The night's clock starts at 22:00, and both servers have 4 connections."""
    header = hung_night().journal().header
    assert (header.night.from_s, header.facility.pool_size, header.facility.application_servers) == (EVENING_S, 4, SERVERS)
