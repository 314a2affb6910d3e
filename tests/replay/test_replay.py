from __future__ import annotations

import asyncio
import dataclasses
import time
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file
from testbed.errors import EngineError, FacilityError, ServiceError, TestbedError
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.monitoring import FakeMonitoring
from testbed.fakes.probe import FakeProbe
from testbed.fakes.virtual_time import run
from testbed.journal.events import Condition, End, Observed, OperationEvent, Sample, Service, Size, Step, Threads
from testbed.plan.clock import HOUR_S, parse_time
from testbed.plan.expectation import Outcome
from testbed.replay.look import SAMPLE_EVERY_S, Looker
from testbed.replay.state import FacilityState
from testbed.verdict import changes, figures, judge, stuck_spans
from testbed.verdict.finding import Verdict
from tests.nights import ONE_CALLER, RATE, RESTART, SMALL, SWITCHOVER, Flight, FullDisk, Notes, flown, scenario

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testbed.facility.address import Address
    from testbed.facility.facility import Facility
    from testbed.journal.reader import Journal
    from testbed.replay.actions import Actions

NOTHING = '[[timeline]]\nat = "{at}"\nfault = "nothing"\n'


def operations(journal: Journal) -> list[tuple[str, int, str]]:
    """Return the operations and faults that were carried out, in the order of the journal."""
    return [(operation.operation, operation.id, operation.state) for operation in journal.of(OperationEvent)]


def verdict_of(journal: Journal, check: str) -> Verdict:
    """Return the verdict of one check."""
    return next(finding.verdict for finding in judge.judge(journal).findings if finding.check == check)


def judged(journal: Journal) -> Verdict:
    """Return the verdict of a journal."""
    return judge.judge(journal).verdict


@pytest.mark.parametrize(("variant", "became", "crack"), [("original", "grounded", 6), ("fixed", "contained", 1)])
def test_the_night_comes_out_on_fakes_as_its_file_expects_of_the_real_one(tmp_path: Path, variant: str, became: str, crack: int) -> None:
    """The scenario's own file, replayed in virtual time: the same outcome and crack, and every check of the file holds."""
    plan = scenario_file.load(scenario_file.find("the_night"))
    judgement = judge.judge(Flight(plan, variant, tmp_path).fly())
    assert (judgement.outcome, judgement.crack) == (became, crack)
    assert [finding for finding in judgement.findings if finding.verdict is not Verdict.HELD] == []


def test_a_night_takes_no_real_time_on_fakes(tmp_path: Path) -> None:
    """The processor's time for a night of seven hours is well under a second."""
    flight = Flight(scenario(tmp_path), "original", tmp_path)
    started = time.process_time()
    flight.fly()
    assert time.process_time() - started < 1.0


def test_the_same_night_twice_is_the_same_journal(tmp_path: Path) -> None:
    """There is no chance in a fake: event for event, the second replay is the first."""
    assert Flight(scenario(tmp_path), "original", tmp_path).fly().events == flown("original").events


def test_every_service_is_looked_at_ten_times_a_second() -> None:
    """From before the night starts to the end, no service misses a round."""
    journal = flown("fixed")
    end = journal.end
    assert end is not None
    for service in stuck_spans.services(journal):
        samples = stuck_spans.samples_of(journal, service)
        assert len(samples) == pytest.approx((end.t_s - samples[0].t_s) / SAMPLE_EVERY_S, abs=2)


def test_the_end_is_the_last_line_and_the_only_one() -> None:
    """Nothing is written after the end."""
    journal = flown("fixed")
    assert [place for place, event in enumerate(journal.events) if isinstance(event, End)] == [len(journal.events) - 1]


def test_the_facility_is_seen_at_rest_before_anything_is_sent() -> None:
    """Every service has been looked at twice before the first passenger comes."""
    journal = flown("fixed")
    first = min(transaction.request.sent_s for transaction in journal.transactions)
    for service in stuck_spans.services(journal):
        assert sum(sample.t_s < first for sample in stuck_spans.samples_of(journal, service)) >= 2


@pytest.mark.fact("O9")
def test_the_evidence_is_dumped_before_a_restart(tmp_path: Path) -> None:
    """Every service has its dump when the first is killed, and service is back afterwards."""
    flight = Flight(scenario(tmp_path, SWITCHOVER + RESTART), "original", tmp_path)
    journal = flight.fly()
    begin = next(place for place, event in enumerate(journal.events) if isinstance(event, Step) and event.operation == "restart")
    assert {event.service for event in journal.events[:begin] if isinstance(event, Threads)} == set(stuck_spans.services(journal))
    assert [call for call in flight.builder.runtime.calls if call[0] == "kill"] == [("kill", "cf-1"), ("kill", "cf-2")]
    assert judged(journal) is Verdict.HELD
    assert figures.of(journal).leaked_connections == {"cf-1": 0, "cf-2": 0}
    assert figures.of(journal).most_leaked_connections == {"cf-1": 10, "cf-2": 10}


@pytest.mark.fact("O9")
def test_the_evidence_is_not_taken_twice_of_the_same_hang() -> None:
    """What was dumped when all hung is not dumped again for the restart: the outage would only last longer."""
    journal = flown("original", SWITCHOVER + RESTART)
    assert sorted(dump.service for dump in journal.of(Threads)) == sorted(stuck_spans.services(journal))


def test_each_hang_has_its_own_evidence() -> None:
    """After a second switchover it hangs anew: other dumps, in other files, and a second restart."""
    again = '[[timeline]]\nwhen = "recovered"\nfault = "switchover"\n'
    journal = flown("original", SWITCHOVER + RESTART + again + RESTART, rate=4 * RATE)
    assert [operation.operation for operation in journal.of(OperationEvent) if operation.state == "end"] == [
        "switchover",
        "restart",
        "switchover",
        "restart",
    ]
    dumps = [dump for dump in journal.of(Threads) if dump.service == "cf-1"]
    assert [dump.file for dump in dumps] == ["original/threads/cf-1.json", "original/threads/cf-1-2.json"]
    assert figures.failed_operations(journal) == {"cf-1": 20, "cf-2": 20}


def test_a_step_is_carried_out_at_its_time_of_the_night() -> None:
    """To within a hundredth of a real second, which is half a minute of this night."""
    journal = flown("fixed")
    begin = changes.first_fault(journal)
    assert begin is not None
    assert begin.night_s == pytest.approx(parse_time("23:00"), abs=36)


def test_a_step_that_waits_for_a_condition_holds_up_none_that_is_due() -> None:
    """The first step of the timeline waits for a hang that comes at dawn; the second is due at 23:00 and is done then."""
    journal = flown("original", RESTART + SWITCHOVER)
    assert operations(journal) == [("switchover", 2, "begin"), ("switchover", 2, "end"), ("restart", 1, "begin"), ("restart", 1, "end")]
    assert [(condition.condition, condition.seen) for condition in journal.of(Condition)] == [("hung", True)]


def test_a_condition_is_looked_for_only_after_the_step_before() -> None:
    """All is well all evening, so `recovered` would be seen at once; behind a switchover, it is seen after it."""
    recovered = '[[timeline]]\nwhen = "recovered"\noperation = "nothing"\n'
    journal = flown("fixed", recovered + SWITCHOVER + recovered)
    assert operations(journal)[:2] == [("nothing", 1, "begin"), ("nothing", 1, "end")]
    assert operations(journal)[2:] == [("switchover", 2, "begin"), ("switchover", 2, "end"), ("nothing", 3, "begin"), ("nothing", 3, "end")]


def test_a_condition_that_is_not_seen_leaves_its_step_undone_and_the_verdict_unknown() -> None:
    """Over the fixed lookup nothing hangs, so nothing is restarted, and nobody claims that the timeline was carried out."""
    journal = flown("fixed", SWITCHOVER + RESTART)
    assert [(condition.condition, condition.seen) for condition in journal.of(Condition)] == [("hung", False)]
    assert {operation.operation for operation in journal.of(OperationEvent)} == {"switchover"}
    assert judged(journal) is Verdict.UNKNOWN


def test_a_condition_that_cannot_come_any_more_is_not_waited_for() -> None:
    """When the night is over and everything has come back, the rest of `within_s` is spared."""
    journal = flown("fixed", SWITCHOVER + RESTART)
    assert journal.end is not None
    last = max(transaction.response.answered_s for transaction in journal.transactions if transaction.response)
    assert journal.end.t_s < last + 2.0


def test_a_condition_is_waited_for_no_longer_than_the_scenario_says() -> None:
    """Half a second after the step before, in the middle of the night."""
    soon = RESTART + "within_s = 0.5\n"
    journal = flown("original", SWITCHOVER + soon)
    end = next(operation for operation in journal.of(OperationEvent) if operation.state == "end")
    condition = journal.of(Condition)[0]
    assert not condition.seen
    assert condition.t_s == pytest.approx(end.t_s + 0.5, abs=2 * SAMPLE_EVERY_S)


def test_an_operation_that_fails_is_in_the_journal_and_the_night_goes_on(tmp_path: Path) -> None:
    """The step says why, the rest of the switchover is not done, the replay comes to its end, and the verdict is unknown."""
    flight = Flight(scenario(tmp_path), "original", tmp_path)
    flight.builder.database.broken = FacilityError("db-2 has no power")
    journal = flight.fly()
    assert [(step.number, step.state) for step in journal.of(Step)][-2:] == [(4, "begin"), (4, "failed")]
    assert [(operation.state, operation.detail) for operation in journal.of(OperationEvent)] == [
        ("begin", ""),
        ("failed", "db-2 has no power"),
    ]
    assert journal.end is not None
    assert journal.end.reason == "complete"
    assert judged(journal) is Verdict.UNKNOWN


def test_steps_of_the_same_time_are_done_in_the_order_of_the_file() -> None:
    """Three at 23:30."""
    journal = flown("original", NOTHING.format(at="23:30") * 3)
    assert [operation.id for operation in journal.of(OperationEvent) if operation.state == "begin"] == [1, 2, 3]


def test_two_switchovers_never_overlap() -> None:
    """Of two that are due at the same time, the second begins its first step when the first has ended its last."""
    journal = flown("fixed", SWITCHOVER * 2)
    steps = [(step.id, step.number) for step in journal.of(Step) if step.state == "end"]
    assert steps == [(id_, number) for id_ in (1, 2) for number in range(1, 6)]
    assert [operation.detail for operation in journal.of(OperationEvent) if operation.state == "end"] == [
        "the database runs on db-2",
        "the database runs on db-1",
    ]


def test_several_switchovers_cost_each_stale_connection_once_each_time() -> None:
    """With enough passengers in between to meet every stale connection."""
    often = "".join(SWITCHOVER.replace("23:00", at) for at in ("23:00", "04:20", "04:45"))
    journal = flown("fixed", often, rate=4 * RATE)
    assert figures.failed_operations(journal) == {"cf-1": 30, "cf-2": 30}
    assert judge.judge(journal).outcome == Outcome.CONTAINED


def test_a_step_at_the_nights_very_end_is_carried_out() -> None:
    """The end of the night is inside it."""
    journal = flown("fixed", SWITCHOVER + NOTHING.format(at="05:10"))
    assert operations(journal)[-2:] == [("nothing", 2, "begin"), ("nothing", 2, "end")]


@pytest.mark.parametrize("timeline", ["", NOTHING.format(at="22:00")])
def test_a_night_without_faults_is_unharmed(timeline: str) -> None:
    """Nothing happens, whatever the code."""
    journal = flown("original", timeline)
    judgement = judge.judge(journal)
    assert (judgement.outcome, judgement.crack, judgement.figures.time_to_hang_night_s) == (Outcome.UNHARMED, 0, None)


def test_a_restart_for_maintenance_grounds_nobody(tmp_path: Path) -> None:
    """One named server, in a quiet hour of a night in which nothing was wrong."""
    planned = '[[timeline]]\nat = "02:30"\noperation = "restart"\nservices = ["cf-1"]\n'
    flight = Flight(scenario(tmp_path, planned), "original", tmp_path)
    journal = flight.fly()
    assert [call for call in flight.builder.runtime.calls if call[0] == "kill"] == [("kill", "cf-1")]
    assert [(service.service, service.state) for service in journal.of(Service)][-3:] == [
        ("cf-1", "stopped"),
        ("cf-1", "started"),
        ("cf-1", "ready"),
    ]
    assert (judge.judge(journal).outcome, judge.judge(journal).crack) == (Outcome.UNHARMED, 0)


def test_half_a_restart_still_took_a_hand() -> None:
    """The pools are empty before anything hangs; both servers count as blocked, and are restarted in time for nobody to hang."""
    early = RESTART.replace("hung", "pool_empty")
    journal = flown("original", SWITCHOVER + early)
    assert [operation.detail for operation in journal.of(OperationEvent) if operation.state == "end"][-1] == "restarted cf-1, cf-2"
    assert (judge.judge(journal).outcome, judge.judge(journal).crack) == (Outcome.GROUNDED, 2)


@pytest.mark.parametrize(
    "facility",
    [
        SMALL + "application_servers = 1\n" + ONE_CALLER,
        SMALL + "application_servers = 2\n" + ONE_CALLER,
        SMALL + "application_servers = 3",
        "request_threads = 12\npool_size = 3",
        "request_threads = 1\npool_size = 10",
        "request_threads = 1\npool_size = 1\napplication_servers = 1\n" + ONE_CALLER,
    ],
)
def test_a_facility_of_any_size_is_grounded_by_the_leak_and_contained_without_it(facility: str) -> None:
    """Every caller ends with all its threads blocked, and how long that took is told; over the fixed lookup, nothing is ever stuck."""
    original, fixed = (flown(variant, facility=facility) for variant in ("original", "fixed"))
    sizes = original.header.facility
    assert (judge.judge(original).outcome, judge.judge(original).crack) == (Outcome.GROUNDED, 6)
    assert {figures.of(original).blocked_request_threads[caller] for caller in sizes.callers} == {sizes.request_threads}
    took_s = figures.of(original).time_to_hang_night_s
    assert took_s is not None
    assert 0 < took_s < 6.5 * HOUR_S
    assert (judge.judge(fixed).outcome, judge.judge(fixed).crack) == (Outcome.CONTAINED, 1)
    assert figures.failed_operations(fixed) == dict.fromkeys(sizes.application_servers, sizes.pool_size)


def test_a_service_that_dies_is_told_once_and_leaves_the_verdict_unknown(tmp_path: Path) -> None:
    """With its exit code and its last lines."""
    flight = Flight(scenario(tmp_path), "fixed", tmp_path)

    async def dies() -> None:
        asyncio.get_running_loop().call_later(2.0, flight.builder.runtime.die, "cf-2", 137)
        await flight.replay()

    run(dies())
    died = [service for service in flight.read().of(Service) if service.state == "died"]
    assert [(service.service, service.pid) for service in died] == [("cf-2", None)]
    assert died[0].detail == "exit code 137\nthe fake was told to die"
    assert verdict_of(flight.read(), "services") is Verdict.UNKNOWN


def test_where_nobody_says_any_more_who_died_the_replay_fails_and_services_are_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a container engine's events cannot be read: silence is not life."""
    flight = Flight(scenario(tmp_path), "fixed", tmp_path)

    async def unheard(_: object, name: str) -> None:
        if asyncio.get_running_loop().time() > 2.0:
            raise EngineError(f"whether {name} has ended is unknown")

    monkeypatch.setattr(type(flight.builder.runtime), "exit", unheard)

    async def replayed() -> None:
        with pytest.raises(EngineError):
            await flight.replay()

    run(replayed())
    journal = flight.read()
    assert journal.end is not None
    assert (journal.end.reason, journal.end.detail) == ("failed", "whether cf-1 has ended is unknown")
    assert {verdict_of(journal, check) for check in ("complete", "services")} == {Verdict.UNKNOWN}
    assert judged(journal) is Verdict.UNKNOWN


class Sluggish(FakeMonitoring):
    """Monitoring of a facility in which one caller takes seconds to answer."""

    async def read(self, service: str, address: Address, now: Callable[[], tuple[float, float]]) -> Sample:
        """Sample a service, at once or after a while."""
        if service == "ivr":
            await asyncio.sleep(1.5)
        return await super().read(service, address, now)


class SluggishBuilder(FakeBuilder):
    """Builds that facility."""

    async def build(self) -> Facility:
        """Build it, with that monitoring."""
        facility = await super().build()
        facility.instruments = dataclasses.replace(facility.instruments, monitoring=lambda: Sluggish(self.runtime))
        return facility


def test_a_service_that_is_slow_to_answer_its_monitoring_holds_up_no_other(tmp_path: Path) -> None:
    """It is seen as often as it answers, the others ten times a second; and it has been seen before the night begins."""
    flight = Flight(scenario(tmp_path), "fixed", tmp_path)
    flight.builder = SluggishBuilder(flight.builder.plan, flight.builder.settings)
    journal = flight.fly()
    counts = {service: len(stuck_spans.samples_of(journal, service)) for service in stuck_spans.services(journal)}
    assert counts["cf-1"] == counts["kiosk"] > 10 * counts["ivr"] > 10
    assert judged(journal) is Verdict.HELD


@dataclasses.dataclass(frozen=True)
class PowerCut:
    """A fault as one would add it: an application server is gone from one moment to the next."""

    async def inject(self, actions: Actions) -> str:
        """Kill it as a crash would."""
        async with actions.step(1, "cut the power of cf-2"):
            await actions.kill("cf-2")
        return "cf-2 is dead"


def test_what_a_fault_kills_did_not_die_by_itself(tmp_path: Path) -> None:
    """It was stopped, and the verdict is about what became of the airline: by turns, half of all calls go to a dead server."""
    flight = Flight(scenario(tmp_path), "fixed", tmp_path)
    cut = dataclasses.replace(flight.plan.steps[0], word="power_cut", action=PowerCut())
    flight.night = dataclasses.replace(flight.night, steps=(cut,))
    journal = flight.fly()
    assert [(service.service, service.state) for service in journal.of(Service)][5:] == [("cf-2", "stopped")]
    assert figures.of(journal).died == ()
    assert verdict_of(journal, "services") is Verdict.HELD
    assert judge.judge(journal).outcome == Outcome.GROUNDED


class Endless(FakeBuilder):
    """A builder whose facility is never taken down."""

    async def tear_down(self) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


def interrupted(flight: Flight, after_s: float) -> None:
    """Cancel a replay so many seconds after its start, as Ctrl-C does."""

    async def cancelled() -> None:
        task = asyncio.create_task(flight.replay())
        asyncio.get_running_loop().call_later(after_s, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    run(cancelled())


@pytest.mark.parametrize("after_s", [0.1, 0.5, 1.62, 2.0, 3.0])
def test_an_interrupted_replay_leaves_a_journal_that_can_be_read_and_says_so(tmp_path: Path, after_s: float) -> None:
    """Before all is ready, before the night, in the middle of the switchover, in the night: the end says it, the verdict is unknown."""
    flight = Flight(scenario(tmp_path), "original", tmp_path)
    interrupted(flight, after_s)
    journal = flight.read()
    assert journal.end is not None
    assert (journal.end.reason, journal.events[-1]) == ("interrupted", journal.end)
    assert judged(journal) is Verdict.UNKNOWN
    assert flight.builder.calls[-1] == "tear_down"


def test_an_interrupted_replay_ends_the_probes_of_its_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that go on until the fault is healed, which it is not any more."""
    ended: list[str] = []

    async def end(probe: FakeProbe) -> None:
        ended.append(probe.spec.kind)

    monkeypatch.setattr(FakeProbe, "end", end)
    interrupted(Flight(scenario(tmp_path, SWITCHOVER.replace("switchover", "backlog_full")), "original", tmp_path), 3.0)
    assert ended == ["queue"]


async def test_an_interruption_that_comes_together_with_a_sample_is_not_lost() -> None:
    """Or a replay would go on to its end, and whoever runs several would go on to the next."""
    none = SimpleNamespace()
    looker = Looker(none, none, none, none)  # type: ignore[arg-type]  # it waits, and looks at nothing
    waiting = asyncio.create_task(looker.wait_round())
    await asyncio.sleep(0.01)
    looker.wake()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_an_interruption_while_a_complete_replay_is_taken_down_leaves_it_complete(tmp_path: Path) -> None:
    """The journal had its end already, and keeps it."""
    flight = Flight(scenario(tmp_path), "fixed", tmp_path)
    flight.builder = Endless(flight.builder.plan, flight.builder.settings)
    interrupted(flight, 60.0)
    assert [end.reason for end in flight.read().of(End)] == ["complete"]


def test_a_load_generator_that_ends_in_the_night_is_an_error_at_once(tmp_path: Path) -> None:
    """It is not taken for passengers who stay away: the replay fails, and everything is taken down."""
    flight = Flight(scenario(tmp_path), "original", tmp_path)

    async def killed() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(2.0, lambda: flight.builder.generator and flight.builder.generator.die())
        with pytest.raises(ServiceError, match="the load generator ended"):
            await flight.replay()
        assert loop.time() < 2.0 + SAMPLE_EVERY_S

    run(killed())
    journal = flight.read()
    assert journal.end is not None
    assert (journal.end.reason, journal.end.detail) == ("failed", "the load generator ended before the night was over; see its log")
    assert flight.builder.calls[-1] == "tear_down"


@pytest.mark.parametrize("room", [0, 3, 40, 300])
def test_a_full_disk_ends_the_replay_at_once_with_a_message_that_helps(tmp_path: Path, room: int) -> None:
    """Wherever in the night it is met, in the background or not; the journal can be read up to there."""
    flight = Flight(scenario(tmp_path), "original", tmp_path)
    flight.writer = type("Full", (FullDisk,), {"room": room})
    with pytest.raises(TestbedError, match="No space left on device; free space there"):
        flight.fly()
    assert len(flight.read().events) == room
    assert flight.builder.calls[-1] == "tear_down"


def test_a_facility_that_cannot_be_built_is_taken_down_and_told(tmp_path: Path) -> None:
    """The journal has a header and the reason."""
    flight = Flight(scenario(tmp_path), "original", tmp_path)
    flight.builder.broken = ServiceError("cf-1 was not ready within 30 s")
    with suppress(ServiceError):
        flight.fly()
    journal = flight.read()
    assert [(event.event, getattr(event, "detail", "")) for event in journal.events] == [("end", "cf-1 was not ready within 30 s")]
    assert flight.builder.calls == ["build", "tear_down"]


def test_an_error_of_ours_becomes_the_journals_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is, in the middle of the night too: a journal without an end is that of a killed run."""
    flight = Flight(scenario(tmp_path), "original", tmp_path)

    def fail(*_: object) -> bool:
        raise ZeroDivisionError("by us")

    monkeypatch.setattr(FacilityState, "hung_since_s", fail)
    with pytest.raises(ZeroDivisionError):
        flight.fly()
    end = flight.read().end
    assert end is not None
    assert (end.reason, end.detail) == ("failed", "an error of the testbed itself: ZeroDivisionError: by us")
    assert flight.builder.calls[-1] == "tear_down"


def test_what_a_time_out_would_still_bring_back_is_waited_for() -> None:
    """Callers that wait three seconds stand at the night's end, but come back: nothing stays unanswered, and none of them was stuck."""
    patient = '[variants.patient.settings]\ncaller = { call_read_timeout_s = 3.0 }\n[variants.patient.expect]\noutcome = "contained"'
    journal = flown("patient", variants=patient)
    assert {transaction.ended for transaction in journal.transactions} == {"answered", "failed"}
    assert judge.judge(journal).crack == 4
    assert not any(stuck_spans.is_stuck_at_end(journal, stuck_spans.find(journal), caller) for caller in journal.header.facility.callers)


@pytest.mark.fact("A5")
def test_slow_answers_at_the_nights_end_are_waited_for() -> None:
    """An answer that takes seconds is no silence: everybody is answered, if late, and nothing was ever stuck."""
    slow = '[[timeline]]\nat = "05:05"\nfault = "latency"\nlatency_ms = 700\n'
    journal = flown("original", slow)
    became = judge.judge(journal)
    assert (became.outcome, became.reason.code, became.crack) == (Outcome.CONTAINED, "late", 0)
    slowest_s = max(
        transaction.response.answered_s - transaction.request.due_s for transaction in journal.transactions if transaction.response
    )
    assert slowest_s > 5.0


@pytest.mark.fact("A5")
@pytest.mark.parametrize(("at", "latency_ms"), [("04:30", 3000), ("05:05", 3000), ("04:50", 5000)])
def test_answers_that_are_only_late_ground_nobody_whenever_the_first_comes(at: str, latency_ms: int) -> None:
    """A fault that delays is waited for, for as long as it may take, although no slow answer was seen before the load ended."""
    journal = flown("original", f'[[timeline]]\nat = "{at}"\nfault = "latency"\nlatency_ms = {latency_ms}\n')
    assert judge.judge(journal).reason.code == "late"
    assert {transaction.ended for transaction in journal.transactions} == {"answered"}


@pytest.mark.fact("A5")
def test_a_delay_longer_than_anybody_looks_is_unknown() -> None:
    """A minute for each answer: what has not come back after half a minute may still come."""
    journal = flown("original", '[[timeline]]\nat = "05:00"\nfault = "latency"\nlatency_ms = 60000\n')
    became = judge.judge(journal).reason
    assert (became.outcome, became.code) == (None, "delay_longer_than_seen")
    assert "a fault may delay a transaction by 720 s, and the closing window was 30 s" in became.text


@pytest.mark.fact("O5")
def test_slow_answers_of_a_single_thread_are_not_taken_for_a_hang() -> None:
    """With one request thread every service is full whenever it does anything, and each answer takes over a second: late, and not stuck."""
    slow = '[[timeline]]\nat = "04:30"\nfault = "latency"\nlatency_ms = 200\n'
    journal = flown("original", slow, facility="request_threads = 1\n" + ONE_CALLER, rate=0.1)
    assert (
        max(transaction.response.answered_s - transaction.request.sent_s for transaction in journal.transactions if transaction.response)
        > 1.0
    )
    assert (judge.judge(journal).reason.code, judge.judge(journal).crack) == ("late", 0)


def test_the_closing_window_is_as_long_as_the_look_that_it_tells_of() -> None:
    """In the window nothing came back, and samples were taken until its end."""
    journal = flown("original")
    window = journal.of(Observed)[0]
    assert window.until_s - window.since_s >= 0.4
    assert not any(transaction.response and transaction.response.answered_s >= window.since_s for transaction in journal.transactions)
    assert max(sample.t_s for sample in journal.of(Sample)) >= window.until_s - SAMPLE_EVERY_S


def test_threads_that_may_not_be_dumped_leave_the_verdict_unknown_with_the_reason(tmp_path: Path) -> None:
    """The night itself comes out as ever."""
    variant = '[variants.seen.settings]\n[variants.seen.expect]\noutcome = "grounded"\nservers_blocked_at = "checkout"'
    flight = Flight(scenario(tmp_path, variants=variant), "seen", tmp_path)
    flight.builder.not_permitted = "operation not permitted; run as root"
    judgement = judge.judge(flight.fly())
    assert (judgement.outcome, judgement.verdict) == ("grounded", Verdict.UNKNOWN)
    assert "run as root" in judgement.findings[-1].text


def test_a_display_hears_that_nothing_moves_any_more_when_nothing_is_left_to_do(tmp_path: Path) -> None:
    """At the hang when nobody will restart, and otherwise only at the night's end."""
    updates = []
    for timeline in (SWITCHOVER, SWITCHOVER + RESTART, SWITCHOVER + NOTHING.format(at="05:10")):
        flight = Flight(scenario(tmp_path, timeline), "original", tmp_path)
        flight.path.unlink(missing_ok=True)
        display = flight.display = Notes()
        flight.fly()
        updates.append(display.notes.index("quiet") - display.notes.index("the night goes on"))
    assert updates == [1, 2, 2]


class GrowingLog:
    """Resource usage of one log, which grows by a byte with every look."""

    every_s = 0.5
    looks = 0

    async def look(self, now: Callable[[], tuple[float, float]]) -> tuple[Size, ...]:
        """Return its size."""
        self.looks += 1
        t_s, night_s = now()
        return (Size(t_s=t_s, night_s=night_s, kind="log", name="cf-1", size_bytes=self.looks),)


@pytest.mark.fact("S7")
def test_resource_usage_is_recorded_at_the_interval_of_the_scenario(tmp_path: Path) -> None:
    """Each look goes into the journal with its time, from before the night to its end; where nobody asked, there is none."""
    flight = Flight(scenario(tmp_path), "fixed", tmp_path)
    flight.builder.resources = GrowingLog()
    journal = flight.fly()
    looks = journal.of(Size)
    assert journal.end is not None
    assert [size.size_bytes for size in looks] == list(range(1, len(looks) + 1))
    assert len(looks) == pytest.approx((journal.end.t_s - looks[0].t_s) / 0.5, abs=2)
    assert flown("fixed").of(Size) == ()
