from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from testbed.concurrency import cancel_and_wait
from testbed.errors import FacilityError, ServiceError
from testbed.facility.facility import ActiveFault
from testbed.facility.link import ToxicOn
from testbed.facility.probe import ProbeResult
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.service import START_S
from testbed.fakes.virtual_time import run
from testbed.faults.rack_loss import RackLoss
from testbed.journal import reader
from testbed.journal.events import Service, Step, Threads
from testbed.journal.writer import JournalWriter
from testbed.operations.heal import Heal
from testbed.operations.restart import restart_alone
from testbed.plan.clock import NightClock
from testbed.plan.topology import FacilityPlan
from testbed.replay.actions import HEALED, Actions
from testbed.replay.recorder import Recorder
from testbed.replay.state import FacilityState
from tests.journals import header
from tests.nights import sample

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from pathlib import Path

    from testbed.journal.reader import Journal

PLAN = FacilityPlan(application_servers=2, request_threads=4, pool_size=4, callers=("kiosk",))
CLOCK = NightClock(79_200.0, 100.0)
CUT = ToxicOn("timeout")


def acted(directory: Path, do: Callable[[Actions, FakeBuilder], Awaitable[None]]) -> Journal:
    """Run a function on a fake facility in virtual time; return its journal."""

    async def acting() -> None:
        builder = FakeBuilder(PLAN)
        with JournalWriter(directory / "a.jsonl", header()) as writer:
            recorder = Recorder(writer, CLOCK, origin_s=asyncio.get_running_loop().time())
            facility = await builder.build()
            state = FacilityState(facility.application_servers, facility.callers)
            await do(Actions(facility, state, recorder, directory / "original", "restart", 2), builder)

    run(acting())
    return reader.read(directory / "a.jsonl")


def add_stuck_samples(actions: Actions, *services: str, from_s: float = 0.0) -> None:
    """Add samples in which services are stuck, from a moment on."""
    for number in range(6):
        for service in services:
            actions.state.take(sample(from_s + number / 10, service, busy=4))


def test_before_the_night_its_clock_stands_and_then_both_clocks_go() -> None:
    """The night starts when it is told to, and what came before is not negative."""

    async def timed() -> list[tuple[float, float]]:
        recorder = Recorder(None, CLOCK, origin_s=asyncio.get_running_loop().time())  # type: ignore[arg-type]  # nothing is written
        await asyncio.sleep(2.0)
        times = [recorder.now()]
        recorder.night_start_s = asyncio.get_running_loop().time() + 1.0
        times.append(recorder.now())
        await asyncio.sleep(3.0)
        return [*times, recorder.now()]

    assert run(timed()) == [(2.0, 79_200.0), (2.0, 79_200.0), (5.0, 79_400.0)]


def test_each_step_is_written_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    """With the operation's word and number, and how long it took."""

    async def steps(actions: Actions, _: FakeBuilder) -> None:
        async with actions.step(1, "wait a little"):
            await asyncio.sleep(0.25)

    begin, end = acted(tmp_path, steps).of(Step)
    assert (begin.operation, begin.id, begin.number, begin.step, begin.state) == ("restart", 2, 1, "wait a little", "begin")
    assert (end.state, end.duration_s, end.t_s) == ("end", pytest.approx(0.25), pytest.approx(begin.t_s + 0.25))


def test_a_step_that_fails_says_why_and_passes_it_on(tmp_path: Path) -> None:
    """The journal has the reason; whoever called it has to deal with it."""

    async def fails(actions: Actions, _: FakeBuilder) -> None:
        with pytest.raises(FacilityError):
            async with actions.step(4, "start the database server on db-2"):
                raise FacilityError("no power")

    assert [(step.state, step.detail) for step in acted(tmp_path, fails).of(Step)] == [("begin", ""), ("failed", "no power")]


def test_a_server_that_cannot_be_started_again_was_stopped_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was killed is told, once, and what was seen of it is forgotten, whatever becomes of its restart."""

    async def no_start(*_: object) -> None:
        raise ServiceError("cf-1 cannot be started: no memory")

    async def restarts(actions: Actions, builder: FakeBuilder) -> None:
        actions.state.take(sample(1.0, "cf-1", busy=4))
        monkeypatch.setattr(type(builder.runtime), "start", no_start)
        with pytest.raises(ServiceError, match="no memory"):
            await actions.restart("cf-1")
        assert "cf-1" not in actions.state.last

    assert [(event.service, event.state) for event in acted(tmp_path, restarts).of(Service)] == [("cf-1", "stopped")]


def test_a_restart_is_told_with_both_processes_and_what_was_seen_is_forgotten(tmp_path: Path) -> None:
    """Stopped with the old process id, started and ready with the new one; nobody thinks it stuck."""
    pids: list[int | None] = []

    async def restarts(actions: Actions, builder: FakeBuilder) -> None:
        add_stuck_samples(actions, "cf-1")
        pids.append(await builder.runtime.pid("cf-1"))
        await actions.restart("cf-1")
        assert not actions.state.is_stuck("cf-1")
        await actions.wait_ready(["cf-1"])
        pids.append(await builder.runtime.pid("cf-1"))

    events = acted(tmp_path, restarts).of(Service)
    assert [(event.service, event.state) for event in events] == [("cf-1", "stopped"), ("cf-1", "started"), ("cf-1", "ready")]
    assert [event.pid for event in events] == [pids[0], pids[1], pids[1]]
    assert pids[0] != pids[1]
    assert events[2].t_s - events[1].t_s == pytest.approx(START_S)


def test_a_service_killed_on_purpose_is_down_and_told_so(tmp_path: Path) -> None:
    """It was stopped, and did not die by itself."""

    async def kills(actions: Actions, _: FakeBuilder) -> None:
        await actions.kill("kiosk")
        assert actions.facility.down == {"kiosk"}

    assert [(service.service, service.state) for service in acted(tmp_path, kills).of(Service)] == [("kiosk", "stopped")]


def test_a_dump_is_of_every_service_at_once(tmp_path: Path) -> None:
    """Together they take as long as one, and each has its own file beside the journal."""
    took: list[float] = []

    async def dumps(actions: Actions, _: FakeBuilder) -> None:
        add_stuck_samples(actions, "cf-1")
        started = actions.recorder.t_s()
        await actions.collect_evidence("hung")
        took.append(actions.recorder.t_s() - started)

    dumped = sorted(acted(tmp_path, dumps).of(Threads), key=lambda dump: dump.service)
    assert [(dump.service, dump.file) for dump in dumped] == [(name, f"original/threads/{name}.json") for name in ("cf-1", "cf-2", "kiosk")]
    assert took == [pytest.approx(0.3)]
    assert [dump.request_threads for dump in dumped] == [4, 0, 0]  # of those that were never seen, nothing is claimed


def test_what_is_stuck_is_dumped_once_and_anew_when_it_is_stuck_anew(tmp_path: Path) -> None:
    """The second dump is of those that were not stuck; after a restart and another hang, of the one that hangs again, too."""

    async def dumps(actions: Actions, _: FakeBuilder) -> None:
        add_stuck_samples(actions, "cf-1")
        await actions.collect_evidence("hung")
        await actions.collect_evidence("hung")
        await actions.restart("cf-1")
        add_stuck_samples(actions, "cf-1", from_s=actions.recorder.t_s())
        await actions.collect_evidence("hung")

    files = [dump.file.rpartition("/")[2] for dump in acted(tmp_path, dumps).of(Threads)]
    assert [file for file in files if file.startswith("cf-1")] == ["cf-1.json", "cf-1-2.json"]
    assert [file for file in files if file.startswith("cf-2")] == ["cf-2.json", "cf-2-2.json", "cf-2-3.json"]


def test_nothing_is_dumped_twice_while_all_hangs(tmp_path: Path) -> None:
    """Also of those that are not stuck themselves: nothing moves anywhere."""

    async def dumps(actions: Actions, _: FakeBuilder) -> None:
        add_stuck_samples(actions, "kiosk")
        await actions.collect_evidence("hung")
        await actions.collect_evidence("hung")

    assert len(acted(tmp_path, dumps).of(Threads)) == 3


def test_a_dump_that_failed_is_tried_again(tmp_path: Path) -> None:
    """What was not to be had is no evidence."""

    async def dumps(actions: Actions, builder: FakeBuilder) -> None:
        add_stuck_samples(actions, "kiosk")
        builder.not_permitted = "not permitted"
        await actions.collect_evidence("hung")
        builder.not_permitted = None
        await actions.collect_evidence("hung")

    errors = [dump.error for dump in acted(tmp_path, dumps).of(Threads) if dump.service == "cf-2"]
    assert errors == ["not permitted", None]


def test_a_service_that_does_not_run_cannot_be_dumped_and_hinders_no_other(tmp_path: Path) -> None:
    """The journal says so of that one."""

    async def dumps(actions: Actions, builder: FakeBuilder) -> None:
        builder.runtime.die("cf-2")
        await actions.collect_evidence("hung")

    errors = {dump.service: dump.error for dump in acted(tmp_path, dumps).of(Threads)}
    assert errors == {"cf-1": None, "cf-2": "the threads of cf-2 cannot be dumped: it does not run", "kiosk": None}


def test_what_cannot_be_done_twice_at_a_time_is_done_one_after_the_other(tmp_path: Path) -> None:
    """Two who work on the same part wait for each other; on different parts they do not."""
    order: list[str] = []

    async def works(actions: Actions, _: FakeBuilder) -> None:
        async def work(part: str, name: str) -> None:
            async with actions.alone_on(part):  # type: ignore[arg-type]
                order.append(f"{name} begins")
                await asyncio.sleep(1.0)
                order.append(f"{name} ends")

        await asyncio.gather(work("database", "first"), work("database", "second"), work("services", "other"))

    acted(tmp_path, works)
    assert order == ["first begins", "other begins", "first ends", "other ends", "second begins", "second ends"]


def test_of_two_who_heal_a_fault_at_a_time_one_does(tmp_path: Path) -> None:
    """The other says so; a step that had begun to heal all others goes on."""
    healings: list[str] = []

    async def heals(actions: Actions, _: FakeBuilder) -> None:
        def fault(word: str, id_: int) -> ActiveFault:
            async def heal(_: Actions) -> str:
                healings.append(word)
                await asyncio.sleep(1.0)
                return "well"

            active = ActiveFault(word, heal, id_)
            active.ended.set()
            return active

        first, second = fault("latency", 1), fault("silence", 2)
        actions.facility.active = [first, second]
        everything = asyncio.create_task(Heal().perform(actions))
        await asyncio.sleep(0.5)
        assert await Heal("latency").perform(actions) == "latency: well"
        assert await everything == "silence: well; latency: another step heals it"
        assert (actions.facility.active, healings) == ([], ["silence", "latency"])

    acted(tmp_path, heals)


def test_a_rack_that_comes_back_while_somebody_restarts_its_server_waits_for_that(tmp_path: Path) -> None:
    """Both would kill and start the same server, and one of them would find its port taken."""

    async def both(actions: Actions, _: FakeBuilder) -> None:
        await replace(actions, word="rack_loss", id=1).inject(RackLoss(1))
        (lost,) = actions.facility.active
        restarted, back = await asyncio.gather(
            restart_alone(replace(actions, word="restart", id=2), ("cf-1",)), replace(actions, word="heal", id=3).heal(lost)
        )
        assert (restarted, back) == ("restarted cf-1", "rack_loss: rack 1 is back, with nobody")

    steps = [step.step for step in acted(tmp_path, both).of(Step) if step.state == "begin" and step.operation != "rack_loss"]
    assert steps == ["restart cf-1", "wait until they are ready", "start nobody again", "wait until they are ready"]


class LastingProbe:
    """A probe that goes on until it is ended."""

    def __init__(self) -> None:
        self.ended = False

    async def wait_held(self) -> None:
        """Wait for long."""
        await asyncio.sleep(3600)

    async def wait_result(self) -> ProbeResult:
        """Wait for long."""
        await asyncio.sleep(3600)
        return ProbeResult("answered", 0.0)

    async def end(self) -> None:
        """Record that it was ended."""
        self.ended = True


@pytest.mark.parametrize(
    "do",
    [
        lambda actions: actions.require_link(1, "database", HEALED, "answered"),
        lambda actions: actions.cut_idle("database", CUT, {"timeout": 1}, "closed"),
    ],
    ids=["require_link", "cut_idle"],
)
def test_a_probe_ends_with_the_fault_that_is_cancelled(tmp_path: Path, do: Callable[[Actions], Coroutine[Any, Any, ProbeResult]]) -> None:
    """In a container it is a process, which would go on."""

    async def cancelled(actions: Actions, _: FakeBuilder) -> None:
        probe = LastingProbe()
        actions.facility.instruments = replace(actions.facility.instruments, prober=lambda *_: probe)
        doing = asyncio.create_task(do(actions))
        await asyncio.sleep(1.0)
        await cancel_and_wait([doing])
        assert probe.ended

    acted(tmp_path, cancelled)


def test_what_faults_that_were_not_healed_have_is_released(tmp_path: Path) -> None:
    """As a replay does that is interrupted: their probes end, and what they hold, such as a session of the database, is closed."""

    async def ended(actions: Actions, _: FakeBuilder) -> None:
        closed: list[str] = []
        held = actions.facility.held["slow_database"] = AsyncExitStack()
        held.callback(closed.append, "session")
        probe = actions.facility.waiting["cf-1"] = LastingProbe()
        await actions.facility.release()
        assert (probe.ended, actions.facility.waiting) == (True, {})
        assert (closed, actions.facility.held) == (["session"], {})

    acted(tmp_path, ended)
