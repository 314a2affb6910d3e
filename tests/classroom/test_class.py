"""Classes over fakes: real sockets, browsers without a screen, and a facility in the event loop."""

from __future__ import annotations

import asyncio
import resource
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from testbed.classroom.inquiry import examination, prevention
from testbed.classroom.lessons import lesson
from testbed.classroom.lessons.plan import LessonSpeed
from testbed.classroom.live import night as live_night
from testbed.classroom.live import service_look
from testbed.classroom.saying import say
from testbed.errors import FacilityError, ServiceError, TestbedError, UsageError, WaitError
from testbed.experiments import run_folders
from testbed.fakes.backend import FakeBackend
from testbed.fakes.runtime import FakeRuntime
from testbed.journal import reader
from testbed.journal.events import ClockFactor, End, EvidenceTaken, Note, OperationEvent, Request, Sample, Service, Threads
from testbed.replay import look, timeline
from testbed.replay.actions import Actions
from testbed.replay.running import Replay
from testbed.verdict import judge
from tests.classroom.conftest import held, quick
from tests.classroom.player import EVERYTHING, WITHIN_S, player, switch_over

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from testbed.facility.facility import Facility
    from testbed.facility.runtime import ServiceSpec
    from testbed.replay.recorder import Recorder
    from testbed.replay.state import FacilityState
    from tests.classroom.conftest import Class
    from tests.classroom.player import Player


FLOODERS = 5
FLOOD: tuple[tuple[str, dict[str, Any]], ...] = (("sessions", {}), ("note", {"text": "x"}), ("locks", {}), ("go_on", {}))


async def begin(trainer: Player) -> None:
    """Let the night begin once the facility is ready."""
    await trainer.until(lambda state: state["phase"] == "ready")
    await trainer.order("begin")


def without_clock(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state but for what changes all the time."""
    return {key: value for key, value in state.items() if key != "clock"}


def journal_of(a_class: Class) -> reader.Journal:
    """Read the only journal of a class."""
    (path,) = a_class.runs.rglob("*.jsonl")
    return reader.read(path)


async def test_a_class_plays_the_night_from_the_switchover_to_the_score(runs: Path) -> None:
    """As in the case: all hangs, and a restart brings service back; what everybody did stands in the journal."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer, player(a_class.at.of_class) as ann:
        await ann.order("join", name="Ann", roles=list(EVERYTHING))
        await begin(trainer)
        task = await ann.until(lambda state: state.get("task"))
        assert (task["order"], task["role"]) == ("switchover", "operator")
        await ann.until(lambda state: state["clock"]["speed"] == 0.0)
        assert await switch_over(ann) == say("database_runs", host="db-2")
        assert (ann.state["virtual_ip"], ann.state["hosts.db-2"], ann.state["hosts.db-1"]) == (
            "db-2",
            {"state": "active"},
            {"state": "standby"},
        )
        await ann.until(lambda state: all(state[f"services.{name}"]["stuck"] for name in ("kiosk", "ivr", "partner")))
        await ann.until(lambda state: {each["service"] for each in state.get("at_risk", ())} >= {"cf-1", "cf-2"})
        opened_s = ann.state["choice"]["night_s"]
        assert ann.state["choice"] == {"open": True, "chosen": None, "night_s": opened_s}
        await trainer.until(lambda state: state["clock"]["night_s"] > opened_s + 60)
        await ann.order("decide", choice="look")
        choice = await ann.until(lambda state: state["choice"] if state["choice"]["chosen"] else None)
        assert (choice["open"], choice["chosen"], choice["night_s"]) == (False, "look", opened_s)
        assert choice["chosen_at_s"] > opened_s + 60
        await ann.order("note", text="all hang, all is green")
        await ann.order("collect")
        assert await ann.until(lambda state: "at_risk" not in state)
        reply = await ann.reply(await ann.send("restart", service="cf-1", evidence=True))
        there = reply["text"]["detail"]
        assert reply["text"] == say("with", what=say("restarted", services=["cf-1"]), detail=there)
        assert there == say("dumped_already", service="cf-1", at=there["at"])
        assert there in [value["text"] for key, value in ann.state.items() if key.startswith("log.")]
        await ann.order("restart", service="cf-2", evidence=False)
        await trainer.until(lambda state: set(state["notes_due"]) >= {0, 1, 2, 3, 4, 5, 7})
        assert "notes" not in ann.welcome
        assert trainer.welcome["notes"][trainer.state["notes_due"][-1]]["when"] == "recovered"
        await ann.order("answer", question="cause", value="lost")
        parts = ["cf-1", "cf-2", "kiosk", "ivr", "partner", "db-1", "db-2"]
        assert await ann.refused("answer", question="line", value="banana") == say("no_place_named", found="banana", parts=parts)
        assert "answers.line" not in ann.state
        for value in ("None", "lookup/original.py:16"):
            await ann.order("answer", question="line", value=value)
        await trainer.order("end")
        await ann.until(lambda state: state["phase"] == "over")
    journal = journal_of(a_class)
    assert journal.is_complete
    assert [note.text for note in journal.of(Note)] == [
        "look first, then restore service",
        "all hang, all is green",
        "cause: lost",
        "line: None",
        "line: lookup/original.py:16",
    ]
    assert [event.operation for event in journal.of(OperationEvent) if event.state == "end"] == ["switchover", "restart", "restart"]
    assert [event.factor for event in journal.of(ClockFactor)] == [0.0, 1.0, 0.0]


async def test_what_was_done_in_secret_is_not_on_the_board_before_the_reveal(runs: Path) -> None:
    """Neither the variant, nor a leaked connection, nor a fault's word is in anything that a browser was sent."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer, player(a_class.at.of_class) as ann:
        await begin(trainer)
        await ann.order("join", name="Ann", roles=["operator"])
        await ann.until(lambda state: state.get("task"))
        await switch_over(ann)
        await ann.until(lambda state: state["services.cf-1"]["stuck"])
        told = f"{ann.welcome} {ann.state}"
        assert "original" not in told
        explanation = quick().explanation
        assert not any(line in told or line in str(trainer.welcome) for line in explanation.splitlines())
        assert ann.state["services.cf-1"]["pool"]["leaked"] is None
        await trainer.order("reveal")
        await ann.until(lambda state: state.get("revealed"))
        assert ann.state["revealed"]["explanation"] == explanation
        assert ann.state["revealed"]["variant"] == "original"
        assert ann.state["services.cf-1"]["pool"]["leaked"] == 40


async def test_everybody_may_do_what_their_role_may_and_nothing_else(runs: Path) -> None:
    """The trainer everything; who only looks on, nothing; and a class's address makes nobody a trainer."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer, player(a_class.at.of_class) as ann:
        await begin(trainer)
        assert await ann.refused("switchover") == say("no_role_yet", allowed=["operator"])
        await ann.order("join", name="Ann", roles=["database"])
        assert (await ann.order("sessions"))["columns"][0] == "pid"
        for order in ("begin", "pause", "reveal", "end", "switchover"):
            assert (await ann.refused(order))["roles"] == ["database"]
        assert "trainer" in (await ann.refused("join", name="Ann", roles=["trainer"]))["why"]
        assert (await trainer.order("health", service="cf-1"))["status"] is None  # fakes have no port


async def test_the_night_stands_still_and_goes_on_as_the_trainer_orders(runs: Path) -> None:
    """While it stands no time of the night goes by; and it goes by as many times as fast as ordered."""
    slow = lesson.read("the_night", "processes")  # its first hour takes more than a minute: no other pace comes in between
    of_night = slow.scenario.night.clock().speed_at(slow.scenario.night.from_s)
    async with held(runs, slow) as a_class, player(a_class.at.trainer) as trainer:
        await trainer.until(lambda state: state["phase"] == "ready")
        await trainer.order("begin")
        await trainer.until(lambda state: state["clock"]["night_s"] > 79_200)
        await trainer.order("pause")
        await trainer.until(lambda state: state["clock"]["held"] == say("clock_stopped"))
        stood = trainer.state["clock"]
        await trainer.until(lambda state: state["clock"]["t_s"] > stood["t_s"] + 0.5)
        assert trainer.state["clock"]["night_s"] == stood["night_s"]
        assert trainer.state["clock"]["speed"] == 0.0
        await trainer.order("speed", factor=2)
        ordered_s = trainer.state["clock"]["t_s"]
        await trainer.until(lambda state: state["clock"]["t_s"] > ordered_s + 0.3)
        assert trainer.state["clock"]["speed"] == 0.0
        await trainer.order("go_on")
        await trainer.until(lambda state: state["clock"]["night_s"] > stood["night_s"])
        assert trainer.state["clock"]["speed"] == pytest.approx(2 * of_night)
        await trainer.order("step")
        await trainer.until(lambda state: state["clock"]["held"] != "")


async def test_a_lesson_that_has_bounds_for_its_speed_keeps_them(runs: Path) -> None:
    """The trainer alone is told of them, and why; within them it is as ordered."""
    bounds = LessonSpeed(slowest=1, fastest=2, why="It depends on real seconds.")
    async with (
        held(runs, replace(quick(), speed=bounds)) as a_class,
        player(a_class.at.trainer) as trainer,
        player(a_class.at.of_class) as ann,
    ):
        assert trainer.welcome["speed"] == {"slowest": 1, "fastest": 2, "why": "It depends on real seconds."}
        assert "speed" not in ann.welcome
        await trainer.until(lambda state: state["phase"] == "ready")
        for factor in (0.5, 2.5):
            why = await trainer.refused("speed", factor=factor)
            assert why == say("speed_bounded", slowest="1", fastest="2", why="It depends on real seconds.")
        await trainer.order("speed", factor=2)


def points(state: dict[str, Any]) -> dict[str, int]:
    """Return the points by part."""
    return {part["id"]: part["points"] for part in state["score"]["parts"]}


@pytest.mark.parametrize("before", [True, False])
async def test_a_prevention_counts_if_it_is_chosen_before_the_reveal(
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: bool,  # noqa: FBT001 - pytest's
) -> None:
    """In the order of the README: end, choose, reveal, see it held. Later it is replayed for nothing, and told so."""

    async def held_well(*_: object, **__: object) -> prevention.Replayed:
        run_folders.runs_directory(runs, "the_night", leads=False)
        return prevention.Replayed("contained", 1, "held", "all were served.", held=True)

    monkeypatch.setattr(prevention, "replay", held_well)
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
        await trainer.order("end")
        await trainer.until(lambda state: state["phase"] == "over")
        if not before:
            await trainer.order("reveal")
            await trainer.until(lambda state: state.get("score"))
        reply = await trainer.reply(await trainer.send("prevent", variant="fixed"))
        await trainer.order("reveal")
        await trainer.until(lambda state: not state["replays.fixed"]["running"] and state.get("score"))
        assert (runs / "latest" / a_class.journal.name).samefile(a_class.journal)
        if before:
            await trainer.until(lambda state: points(state)["held"] == 15)
            assert points(trainer.state)["prevention"] == 5
            assert reply["text"] == say("being_replayed", variant="fixed")
        else:
            assert (points(trainer.state)["prevention"], points(trainer.state)["held"]) == (0, 0)
            assert reply["text"] == say("no_points", what=say("being_replayed", variant="fixed"))


async def test_a_prevention_that_is_chosen_while_the_night_goes_on_waits_for_its_end(runs: Path) -> None:
    """Two facilities would be in each other's way; the reply says so."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
        reply = await trainer.reply(await trainer.send("prevent", variant="fixed"))
        assert reply["text"] == say("to_be_replayed", variant="fixed")


async def test_everybody_has_the_steps_of_a_switchover_before_it_begins(runs: Path) -> None:
    """As they come: of whoever looks after one, those of the way back."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer, player(a_class.at.of_class) as ann:
        await ann.order("join", name="Ann", roles=["operator"])
        await begin(trainer)
        steps = ann.welcome["switchover_steps"]
        assert steps[0] == say("switchover_step", step="stop", host="db-1")
        number = await ann.send("switchover")
        for step in range(1, 6):
            shown = await ann.until(lambda state, step=step: state["switchover"] if state.get("switchover", {}).get("step") == step else {})
            assert (shown["next"] or steps[step - 1], shown["done"]) == (steps[step - 1], steps[: step - 1])
            await ann.order("next_step")
        assert (await ann.reply(number))["ok"]
        await ann.order("note", text="It went well.")
        async with player(a_class.at.of_class) as bob:
            assert bob.welcome["switchover_steps"][0] == say("switchover_step", step="stop", host="db-2")
        await trainer.order("end")
        await trainer.until(lambda state: state["phase"] == "over")
    assert [(note.who, note.role, note.text) for note in journal_of(a_class).of(Note)] == [("Ann", "operator", "It went well.")]


async def test_a_browser_that_comes_back_is_where_the_class_is(runs: Path) -> None:
    """With its name and roles, and the same state as one that was there all the time."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        async with player(a_class.at.of_class) as ann:
            await ann.order("join", name="Ann", roles=["operator"])
            secret = ann.welcome["you"]["id"]
        await begin(trainer)
        await trainer.until(lambda state: state["people.2"] == {"name": "Ann", "roles": ["operator"], "here": False})
        async with player(a_class.at.of_class, secret) as ann:
            assert (ann.welcome["you"]["name"], ann.welcome["you"]["roles"]) == ("Ann", ["operator"])
            await trainer.order("pause")
            await ann.until(lambda state: state["clock"]["held"])
            await trainer.until(lambda state: state["people.2"]["here"])
            await switch_over(ann)
            await ann.until(lambda state: without_clock(state) == without_clock(trainer.state))
        async with player(a_class.at.of_class, "a guess") as somebody:
            assert somebody.welcome["you"]["name"] == ""


async def test_a_night_that_is_ended_in_the_middle_of_a_switchover_ends_in_order(runs: Path) -> None:
    """The switchover is told to have failed, whoever ordered it gets a reply, and the journal is complete."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
        number = await trainer.send("switchover")
        await trainer.until(lambda state: state.get("switchover"))
        assert await trainer.refused("switchover") == say("under_way")
        await trainer.order("next_step")
        await trainer.order("end")
        reply = await trainer.reply(number)
        assert (reply["ok"], reply["text"]) == (False, say("ended_before_step", step=say("switchover_step", step="unmount", host="db-1")))
        await trainer.until(lambda state: state["phase"] == "over")
        assert await trainer.refused("switchover") == say("night_ended")
    assert journal_of(a_class).is_complete


async def test_an_order_that_comes_after_the_end_is_told_so_while_the_facility_is_up(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shows that it is ending until its last evidence was read; who orders something meanwhile is told that, too."""
    seen, ending = asyncio.Event(), asyncio.Event()

    async def wait_seen(*_: object) -> bool:
        if not seen.is_set():
            ending.set()
        return await seen.wait()

    monkeypatch.setattr(Replay, "wait_until", wait_seen)
    async with held(runs) as a_class:
        seen.set()
        async with player(a_class.at.trainer) as trainer:
            await begin(trainer)
            await trainer.until(lambda state: state["phase"] == "night")
            seen.clear()
            await trainer.order("end")
            async with asyncio.timeout(WITHIN_S):
                await ending.wait()
            await trainer.until(lambda state: state["phase"] == "ending")
            for order in (("dump", {"service": "cf-1"}), ("restart", {"service": "cf-1", "evidence": False}), ("pause", {}), ("locks", {})):
                assert await trainer.refused(order[0], **order[1]) == say("night_ended")
            seen.set()
            await trainer.until(lambda state: state["phase"] == "over")


async def test_in_a_flood_no_order_is_refused_because_nothing_is_up_while_something_is(runs: Path) -> None:
    """Of all who order as soon as it is ready, and until after its end, each has a reply, and is refused because of that end alone."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer, AsyncExitStack() as stack:
        players = [await stack.enter_async_context(player(a_class.at.trainer)) for _ in range(FLOODERS)]

        async def flood(one: Player, phase: str) -> list[dict[str, Any]]:
            """Order without a pause, and once more when a phase is seen; return the replies."""
            numbers: list[int] = []
            while not numbers or one.state["phase"] != phase:
                numbers += [await one.send(order, **fields) for order, fields in FLOOD]
                await one.reply(numbers[-1])
            numbers += [await one.send(order, **fields) for order, fields in FLOOD]
            return [await one.reply(number) for number in numbers]

        await asyncio.gather(*(one.until(lambda state: state["phase"] == "ready") for one in players))
        before = await asyncio.gather(*(flood(one, "ready") for one in players))
        assert [reply["text"] for replies in before for reply in replies if not reply["ok"]] == []
        await trainer.order("begin")
        floods = [asyncio.create_task(flood(one, "over")) for one in players]
        await trainer.until(lambda state: state["clock"]["night_s"] > 79_300)
        await trainer.order("end")
        during = await asyncio.gather(*floods)
    refused = [reply["text"] for replies in during for reply in replies if not reply["ok"]]
    assert refused
    assert [told for told in refused if told != say("night_ended")] == []


async def test_a_facility_that_cannot_be_built_is_told_on_the_page_which_stays(runs: Path) -> None:
    """Whoever looks sees why; the error is raised when the class is over."""
    async with held(runs, backend=FakeBackend(failures=[FacilityError("no PostgreSQL here; install it")])) as a_class:
        async with player(a_class.at.trainer) as trainer:
            await trainer.until(lambda state: state["phase"] == "gone")
            assert trainer.state["gone.why"] == "no PostgreSQL here; install it"
            assert a_class.gone == ["no PostgreSQL here; install it"]
            assert await trainer.refused("begin") == say("not_up")
        a_class.task.cancel()
        with pytest.raises(FacilityError, match="no PostgreSQL here"):
            await a_class.task
    end = journal_of(a_class).end
    assert end is not None
    assert (end.reason, end.detail) == ("failed", "no PostgreSQL here; install it")


async def test_a_load_generator_that_dies_is_told_on_the_page(runs: Path) -> None:
    """The night is over then, and the journal says why."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
        await trainer.until(lambda state: state["clock"]["night_s"] > 79_200)
        generator = a_class.backend.builders[0].generator
        assert generator is not None
        generator.die()
        await trainer.until(lambda state: state["phase"] == "gone")
        assert "the load generator ended" in trainer.state["gone.why"]
        assert trainer.state["clock"]["speed"] == 0.0  # or the page would say how fast the night goes by
        assert await trainer.refused("switchover") == say("not_up")
        end = journal_of(a_class).end
        assert end is not None
        assert (end.reason, "the load generator ended" in end.detail) == ("failed", True)
        a_class.task.cancel()
        with pytest.raises(ServiceError):
            await a_class.task


@pytest.mark.parametrize(("stalls_s", "phase"), [(0.5, "over"), (4.0, "gone")])
async def test_a_machine_that_stands_still_for_a_while_does_not_end_a_class(
    runs: Path, monkeypatch: pytest.MonkeyPatch, stalls_s: float, phase: str
) -> None:
    """It bears more than a replay does; one that never gets on again is told."""
    assert live_night.SAMPLES_WITHIN_S > look.SAMPLES_WITHIN_S
    monkeypatch.setattr(live_night, "SAMPLES_WITHIN_S", 2.0)
    record_dead, is_due, has_stalled = look.record_dead, asyncio.Event(), asyncio.Event()

    async def stall(facility: Facility, recorder: Recorder, state: FacilityState) -> None:
        await record_dead(facility, recorder, state)
        if is_due.is_set() and not has_stalled.is_set():
            await asyncio.sleep(stalls_s)
            has_stalled.set()

    monkeypatch.setattr(look, "record_dead", stall)
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
        await trainer.until(lambda state: state["phase"] == "night")
        is_due.set()
        if phase == "over":
            await asyncio.wait_for(has_stalled.wait(), WITHIN_S)
            await trainer.order("end")
        await trainer.until(lambda state: state["phase"] == phase)
        if phase == "gone":
            a_class.task.cancel()
            with pytest.raises(WaitError, match="no samples for 2 s"):
                await a_class.task


@pytest.mark.parametrize("service", ["cf-1", "partner"])
async def test_a_night_that_is_ended_during_a_restart_saw_what_came_of_it(
    runs: Path, monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    """The service told its numbers again before the journal's end, or the whole night would have to be doubted, and give no points."""
    wait_ready = Actions.wait_ready

    async def wait_ready_unseen(actions: Actions, services: Iterable[str]) -> None:
        await wait_ready(actions, services)
        actions.state.forget(service)  # nobody looked at it while it started

    monkeypatch.setattr(Actions, "wait_ready", wait_ready_unseen)
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
        await trainer.until(lambda state: state["clock"]["night_s"] > 79_300)
        number = await trainer.send("restart", service=service, evidence=False)
        await trainer.order("end")
        assert (await trainer.reply(number))["ok"]
        await trainer.until(lambda state: state["phase"] == "over")
    journal = journal_of(a_class)
    assert journal.is_complete
    ready_s = max(event.t_s for event in journal.of(Service) if (event.service, event.state) == (service, "ready"))
    assert any(sample.service == service and sample.busy is not None and sample.t_s > ready_s for sample in journal.of(Sample))


async def test_whoever_has_ordered_what_a_facility_that_dies_breaks_off_is_told_so(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators in the middle of a switchover, and all who wait for the same look."""

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Actions, "dump", never)
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer, player(a_class.at.trainer) as other:
        await begin(trainer)
        await trainer.until(lambda state: state.get("task"))
        orders = [(trainer, await trainer.send("switchover"))]
        await trainer.until(lambda state: state.get("switchover"))
        orders += [(each, await each.send("dump", service="cf-1")) for each in (trainer, other)]
        generator = a_class.backend.builders[0].generator
        assert generator is not None
        generator.die()
        for each, number in orders:
            reply = await each.reply(number)
            assert (reply["ok"], reply["text"]) == (False, say("not_up"))
        await trainer.until(lambda state: state["phase"] == "gone")
        await trainer.until(lambda state: not {"switchover", "task"} & state.keys())  # nobody can do a next step any more
        a_class.task.cancel()
        with pytest.raises(ServiceError):
            await a_class.task


@pytest.mark.parametrize("starts", [False, True])
async def test_a_restart_that_fails_is_told_and_what_was_seen_stays_seen(
    runs: Path, monkeypatch: pytest.MonkeyPatch, *, starts: bool
) -> None:
    """The night is known if the server was not started; one that dies by itself at its start makes it unknown, and the board says why."""
    start, number = FakeRuntime.start, 0

    async def fail_the_second_time(runtime: FakeRuntime, spec: ServiceSpec) -> None:
        nonlocal number
        number += spec.name == "cf-1"
        if spec.name == "cf-1" and number == 2 and not starts:
            raise ServiceError("cf-1 cannot be started: no memory")
        await start(runtime, spec)
        if spec.name == "cf-1" and number == 2:
            runtime.die("cf-1", 1)

    monkeypatch.setattr(FakeRuntime, "start", fail_the_second_time)
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
        await trainer.until(lambda state: state["clock"]["night_s"] > 79_300)
        why = await trainer.refused("restart", service="cf-1", evidence=False)
        assert why["code"] == "failed"
        await trainer.until(lambda state: state["services.cf-1"]["busy"] is None)
        await trainer.order("restart", service="cf-1", evidence=False)
        await trainer.order("end")
        await trainer.until(lambda state: state["phase"] == "over")
        await trainer.order("reveal")
        became = await trainer.until(lambda state: state.get("replays.original"))
    judgement = judge.judge(journal_of(a_class))
    told = {finding.check: finding.text for finding in judgement.findings}
    doubted = {finding.check for finding in judgement.doubts}  # of a busy machine there may be others
    assert f"failed: {why['why']}" in told["timeline"]
    assert not doubted & {"timeline", "consistent"}
    assert ("services" in doubted) is starts
    if starts:
        assert "cf-1 died at" in told["services"]
        assert became["text"] == say("became_unknown", why=judgement.doubts[0].text)


async def test_at_its_end_the_night_stands_still(runs: Path) -> None:
    """Nobody more will come; who goes on then does not make it longer, and the facility is there until the trainer ends it."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await trainer.until(lambda state: state["phase"] == "ready")
        await trainer.order("speed", factor=100)
        await trainer.order("begin")
        await trainer.until(lambda state: state.get("task"))
        await switch_over(trainer)
        await trainer.until(lambda state: state["clock"]["held"] == say("night_over"))
        stood_s = trainer.state["clock"]["night_s"]
        await trainer.order("go_on")
        await trainer.order("collect")
        assert trainer.state["clock"]["night_s"] == stood_s
        await trainer.order("end")
        await trainer.until(lambda state: state["phase"] == "over")
    assert journal_of(a_class).is_complete


async def test_what_is_told_before_the_reveal_names_no_variant_in_any_path(runs: Path) -> None:
    """A journal that cannot be written any more is told on every page, with its path."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer, player(a_class.at.of_class) as ann:
        await begin(trainer)
        (path,) = runs.rglob("*.jsonl")
        assert not any("original" in each.as_posix() for each in runs.rglob("*"))
        told = f"{ann.welcome} {ann.state} {path}"
        assert "original" not in told


@pytest.mark.parametrize("revealed", [False, True])
async def test_the_metrics_of_a_service_do_not_tell_what_leaked_before_the_reveal(revealed: bool) -> None:  # noqa: FBT001 - pytest's
    """All else is there, as text, and a health check as it is."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text='pool_connections{state="out"} 40.0\npool_connections{state="leaked"} 40.0\npool_size 40.0\n')

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    async with TestServer(application) as service:
        answer = await service_look.ask(str(service.make_url("")).rstrip("/"), "metrics", revealed=revealed)
    assert answer["status"] == 200
    assert ("leaked" in answer["text"]) == revealed
    assert 'pool_connections{state="out"} 40.0\n' in answer["text"]
    assert "pool_size 40.0\n" in answer["text"]


async def test_a_hundred_looks_at_once_are_one(runs: Path) -> None:
    """Each is replied to, and the next look of somebody else does not wait for a hundred dumps."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer, player(a_class.at.of_class) as ann:
        await begin(trainer)
        await ann.order("join", name="Ann", roles=["owner", "commander"])
        numbers = [await ann.send("dump", service="cf-1") for _ in range(20)]
        numbers += [await ann.send("collect") for _ in range(10)]
        await trainer.order("dump", service="cf-2")
        assert all([(await ann.reply(number))["ok"] for number in numbers])
        await trainer.order("end")
        await trainer.until(lambda state: state["phase"] == "over")
    journal = journal_of(a_class)
    assert len([dump for dump in journal.of(Threads) if dump.service == "cf-1"]) < 20
    assert isinstance(journal.events[-1], End)


@pytest.mark.parametrize("evidence", [False, True])
async def test_a_night_that_is_ended_during_a_dump_and_behind_restarts_ends_in_order(runs: Path, *, evidence: bool) -> None:
    """What was begun is brought to its end, before that of the journal; what only waited dumps nothing; and each has a reply."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer, player(a_class.at.of_class) as ann:
        await begin(trainer)
        await ann.order("join", name="Ann", roles=["operator", "owner"])
        restarts = [await ann.send("restart", service="cf-1", evidence=evidence) for _ in range(3)]
        dump = await trainer.send("dump", service="kiosk")
        await trainer.order("end")
        replies = [await ann.reply(number) for number in restarts]
        assert replies[0]["ok"]
        assert (replies[2]["ok"], replies[2]["text"]) == (False, say("ended_before_step", step=say("restart_one", service="cf-1")))
        assert (await trainer.reply(dump))["ok"]
        await trainer.until(lambda state: state["phase"] == "over")
    journal = journal_of(a_class)
    assert journal.is_complete
    assert isinstance(journal.events[-1], End)
    done = sum(reply["ok"] for reply in replies)
    assert len([taken for taken in journal.of(EvidenceTaken) if taken.why == "restart"]) == (done if evidence else 0)


async def test_a_night_that_is_ended_before_it_begins_has_an_end_and_a_score(runs: Path) -> None:
    """Nothing is known of it, and nobody is told to be wrong."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await trainer.until(lambda state: state["phase"] == "ready")
        await trainer.order("answer", question="cause", value="lost")
        await trainer.order("end")
        await trainer.until(lambda state: state["phase"] == "over")
        await trainer.order("reveal")
        await trainer.until(lambda state: state.get("score"))
        assert trainer.state["compared.cause"]["right"] is not False
        assert await trainer.refused("begin") == say("night_ended")
    assert journal_of(a_class).is_complete


async def test_of_a_facility_that_is_gone_nothing_is_replayed(runs: Path) -> None:
    """Whoever chooses a prevention then is told so: it would wait for ever."""
    async with held(runs, backend=FakeBackend(failures=[FacilityError("none")])) as a_class, player(a_class.at.trainer) as trainer:
        await trainer.until(lambda state: state["phase"] == "gone")
        assert await trainer.refused("prevent", variant="fixed") == say("gone_for_good")
        assert not any(key.startswith("replays.") for key in trainer.state)


async def test_journals_that_cannot_be_kept_are_an_error_before_any_page(tmp_path: Path) -> None:
    """It says where, and what to give instead."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match=r"no directory for journals at .*; give another with --runs"):
        async with held(tmp_path / "file"):
            pass


async def test_what_obeys_no_terminal_stays_visible_in_the_journal(runs: Path) -> None:
    """A note is read in terminals, too."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
        await trainer.order("note", text="\x1b[31mred\u202e")
        await trainer.until(lambda state: any("red" in value["text"] for key, value in state.items() if key.startswith("log.")))
    (note,) = journal_of(a_class).of(Note)
    assert note.text == "\\u001b[31mred\\u202e"


async def test_a_disk_that_is_full_is_told_on_the_page_and_what_was_written_can_be_read(runs: Path) -> None:
    """Whoever orders something meanwhile has a reply, too; nothing is said of what runs."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
        await trainer.until(lambda state: state["clock"]["night_s"] > 79_200)
        (path,) = runs.rglob("*.jsonl")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))
        try:
            number = await trainer.send("note", text="x")
            assert not (await trainer.reply(number))["ok"]
            await trainer.until(lambda state: state["phase"] == "gone")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert "cannot be written: File too large; free space there" in trainer.state["gone.why"]
        assert "original" not in str(trainer.state)
        a_class.task.cancel()
        with pytest.raises(TestbedError, match="cannot be written"):
            await a_class.task
    journal = journal_of(a_class)
    assert journal.of(Request)
    assert journal.end is None


async def test_a_bug_in_the_night_is_told_on_the_page_which_stays(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a facility that dies; it is raised when the class is over."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(timeline, "carry_out", broken)
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
        await trainer.until(lambda state: state["phase"] == "gone")
        assert trainer.state["gone.why"] == say("bug", why="ZeroDivisionError: by nought")
        a_class.task.cancel()
        with pytest.raises(ZeroDivisionError):
            await a_class.task
    end = journal_of(a_class).end
    assert end is not None
    assert end.reason == "failed"


async def test_a_bug_in_what_comes_after_the_night_does_not_take_the_page_away(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither one of the comparison nor one of a replay: that is told in the place of its outcome."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(examination, "of", broken)
    monkeypatch.setattr(prevention, "replay", broken)
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await trainer.until(lambda state: state["phase"] == "ready")
        await trainer.order("end")
        await trainer.until(lambda state: state["phase"] == "over")
        await trainer.order("prevent", variant="fixed")
        replayed = await trainer.until(lambda state: state["replays.fixed"] if not state["replays.fixed"]["running"] else None)
        assert replayed["text"] == say("bug", why="ZeroDivisionError: by nought")
        assert (await trainer.refused("reveal"))["code"] == "bug"
        assert trainer.state["revealed"]["variant"] == "original"
        assert not a_class.task.done()
    assert "ZeroDivisionError" in capfd.readouterr().err


async def test_a_class_that_is_interrupted_again_while_it_ends_takes_all_down(runs: Path) -> None:
    """Somebody who presses Ctrl-C twice leaves nothing, and a journal that has its end."""
    async with held(runs) as a_class, player(a_class.at.trainer) as trainer:
        await begin(trainer)
        await trainer.until(lambda state: state["phase"] == "night")
        await trainer.send("dump", service="cf-1")
        for _ in range(3):
            a_class.task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([a_class.task])
    assert a_class.backend.calls == ["enter", "exit"]
    assert a_class.backend.builders[0].calls[-1] == "tear_down"
    journal = journal_of(a_class)
    assert journal.end is not None
    assert journal.end.reason == "interrupted"
