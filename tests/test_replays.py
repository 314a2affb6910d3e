from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from scenarios import replays
from scenarios.conftest import PLANS, left_out
from scenarios.replays import ALL, Room, SuiteBatch
from testbed.errors import ServiceError
from testbed.facility.runtime import RUNTIMES
from testbed.journal.events import OperationEvent
from testbed.plan.expectation import Outcome
from testbed.plan.topology import FacilityPlan
from testbed.verdict.busyness import MACHINE_BUSY
from testbed.verdict.checks import CONDITION_NOT_SEEN
from testbed.verdict.finding import Finding, Verdict
from testbed.verdict.judge import judge
from testbed.verdict.outcome import Reason
from testbed.verdict.result import Result
from tests.journals import contained_night

if TYPE_CHECKING:
    from testbed.plan.scenario import Scenario

WANTED = " with --every-variant"
HALF, THIRD = Fraction(1, 2), Fraction(1, 3)


class Visits:
    """Visits to a room: in which order they came, and the most that was taken at once."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.came: list[str] = []
        self.most = Fraction(0)

    async def visit(self, name: str, part: Fraction, leave: asyncio.Event) -> None:
        """Come, and stay until `leave` is set."""
        async with self.room.of(part):
            self.came.append(name)
            self.most = max(self.most, self.room.taken)
            await leave.wait()


async def settle() -> None:
    """Run the event loop until nothing more can happen."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_there_is_room_for_so_many_and_nobody_passes_who_waits_for_more() -> None:
    """Two halves fit; a visit that needs all of it comes when both have left, and a small one that asked later comes after it."""
    visits, first, second, whole = Visits(Room()), asyncio.Event(), asyncio.Event(), asyncio.Event()
    tasks = [
        asyncio.create_task(visits.visit("first", HALF, first)),
        asyncio.create_task(visits.visit("second", HALF, second)),
        asyncio.create_task(visits.visit("whole", ALL, whole)),
        asyncio.create_task(visits.visit("small", THIRD, whole)),
    ]
    await settle()
    assert visits.came == ["first", "second"]
    first.set()
    await settle()
    assert visits.came == ["first", "second"]  # a third would fit, but would pass the one before it
    second.set()
    await settle()
    assert visits.came == ["first", "second", "whole"]
    whole.set()
    await asyncio.gather(*tasks)
    assert visits.came == ["first", "second", "whole", "small"]
    assert visits.most == ALL
    assert visits.room.taken == 0


async def test_who_gives_up_waiting_takes_no_room() -> None:
    """A visit that is cancelled, waiting or inside, leaves the room to the next."""
    visits, never = Visits(Room()), asyncio.Event()
    there = asyncio.create_task(visits.visit("there", ALL, never))
    waiting = asyncio.create_task(visits.visit("waiting", ALL, never))
    following = asyncio.create_task(visits.visit("following", ALL, never))
    await settle()
    waiting.cancel()
    there.cancel()
    await settle()
    assert visits.came == ["there", "following"]
    following.cancel()
    await settle()
    assert visits.room.taken == 0


@pytest.mark.parametrize("cores", [1, 2, 64])
def test_every_facility_finds_room_and_takes_more_if_its_resources_are_sampled(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No facility needs more than there is, on any machine; the longer the nights, the more go on at a time, three a core at most."""
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    small = FacilityPlan(application_servers=1, request_threads=10, callers=("ivr",))
    for plan in (small, FacilityPlan(), FacilityPlan(application_servers=16, request_threads=200)):
        for night_s in (3.0, 10.0, 60.0):
            sampled = replays.part_of(plan.model_copy(update={"resources_every_s": 0.5}), "processes", night_s)
            assert Fraction(1, 3 * cores) <= replays.part_of(plan, "processes", night_s) <= sampled <= ALL
            assert sampled >= HALF
    parts = [replays.part_of(FacilityPlan(), "processes", night_s) * cores for night_s in (3.0, 7.0, 60.0)]
    assert parts == [Fraction(3, 5), HALF, THIRD]
    assert replays.part_of(small, "processes", 7.0) == replays.part_of(FacilityPlan(), "processes", 7.0)
    assert replays.part_of(small, next(runtime for runtime in RUNTIMES if runtime != "processes"), 7.0) == HALF


def test_the_largest_come_first_then_what_stands_on_the_same_and_of_these_the_longest() -> None:
    """So no capacity is idle between large ones, no project is made twice, and no long night is left when all others have ended."""
    plans = [PLANS[name] for name in ("calm", "longevity", "restore", "refuse", "retry_storm", "two_minutes")]
    wanted = [(plan, plan.variants[0].name) for plan in plans]

    def names(runtime: str, stands: dict[str, str]) -> list[str]:
        return [plan.name for plan, _ in replays.in_order(wanted, runtime, lambda plan, _: stands.get(plan.name, ""))]

    assert names("processes", {}) == ["longevity", "retry_storm", "restore", "two_minutes", "refuse", "calm"]
    large = dict.fromkeys(("calm", "restore"), "large")
    assert names("containers", large) == ["retry_storm", "two_minutes", "longevity", "refuse", "restore", "calm"]


def test_only_a_busy_machine_is_a_reason_to_replay_again() -> None:
    """A replay that was broken is not tried until it holds."""
    journal = contained_night().journal()
    judgement = judge(journal)

    def why_late(check: str, verdict: Verdict, code: str = "") -> str:
        findings = [*judgement.findings[:-1], Finding(check, verdict, "it was late", code=code)]
        return replays.why_late(Result(journal, replace(judgement, findings=tuple(findings)), 1.0))

    for check in ("open_loop", "timeline", "monitored"):
        assert why_late(check, Verdict.UNKNOWN) == "it was late"
    assert why_late("timeline", Verdict.UNKNOWN, CONDITION_NOT_SEEN) == ""
    assert why_late("outcome", Verdict.BROKEN) == ""
    assert why_late("healed", Verdict.UNKNOWN) == ""
    busy = replace(judgement, reason=Reason(None, MACHINE_BUSY, "answers were late"))
    assert replays.why_late(Result(journal, busy, 1.0)) == "answers were late"
    assert why_late("health_green", Verdict.UNKNOWN, MACHINE_BUSY) == "it was late"


def test_what_is_unknown_is_replayed_again_and_what_is_broken_is_not() -> None:
    """Alone more may be seen: of the outcome, or of what a check asks for."""
    journal = contained_night().journal()
    judgement = judge(journal)

    def why_unknown(verdict: Verdict) -> str:
        findings = [*judgement.findings[:-1], Finding("root", verdict, "too little was seen")]
        return replays.why_unknown(Result(journal, replace(judgement, findings=tuple(findings)), 1.0))

    assert (why_unknown(Verdict.UNKNOWN), why_unknown(Verdict.BROKEN)) == ("root: too little was seen", "")
    unknown = replace(judgement, reason=Reason(None, "served_no_more", "nobody asked any more"))
    assert replays.why_unknown(Result(journal, unknown, 1.0)) == "nobody asked any more"


def test_a_fault_that_was_hardly_there_is_replayed_again() -> None:
    """Where a standby took so long to come up that it was time to heal, nothing was asked of it."""
    journal = contained_night().journal()

    def why_short(there_s: float) -> str:
        moments = (("read_only", "begin", 1.0), ("read_only", "end", 2.0), ("heal", "begin", 2.0 + there_s))
        operations = [OperationEvent(t_s=t_s, night_s=t_s, operation=operation, id=1, state=state) for operation, state, t_s in moments]
        night = replace(journal, events=[event for event in journal.events if not isinstance(event, OperationEvent)] + operations)
        return replays.why_short(Result(night, judge(journal), 1.0))

    least_s = replays.LEAST_S["read_only"]
    assert (why_short(least_s), why_short(0.25)) == ("", "read_only was there for 0.25 s only")
    assert replays.why_short(Result(journal, judge(journal), 1.0)) == ""


class ScriptedBatch(SuiteBatch):
    """A batch whose replays come out as told, one after the other."""

    def come_out(self, *scripted: Result | Exception) -> ScriptedBatch:
        """Set how they come out."""
        self.scripted, self.below = list(scripted), []
        return self

    async def _once(self, _plan: Scenario, _variant: str, below: str) -> Result:
        self.below.append(below)
        result = self.scripted.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


def test_what_shows_nothing_is_replayed_again_alone_until_it_shows_something() -> None:
    """A facility that did not come up, and an outcome that is not known; each try is named, and has a place of its own."""
    plan = PLANS["the_night"]
    journal = contained_night().journal()
    judgement = judge(journal)
    seen = Result(journal, judgement, 1.0)
    unknown = Result(journal, replace(judgement, reason=Reason(None, "served_no_more", "nobody asked any more")), 1.0)
    late = ServiceError("cf-1 was not ready after 60 s\nits last lines")
    batch = ScriptedBatch("processes", ()).come_out(late, unknown, seen)
    assert asyncio.run(batch._replay(plan, "original", 0)) is seen  # noqa: SLF001 - the batch's own loop is for real backends
    whose = "the_night, original, in processes"
    assert batch.again == [f"{whose}: cf-1 was not ready after 60 s", f"{whose}: nobody asked any more"]
    assert len(set(batch.below)) == 3
    never = ScriptedBatch("processes", ()).come_out(*[late] * replays.TRIES)
    with pytest.raises(ServiceError, match="cf-1 was not ready"):
        asyncio.run(never._replay(plan, "original", 0))  # noqa: SLF001 - as above
    assert (len(never.again), never.scripted) == (replays.TRIES - 1, [])


class SlowBatch(ScriptedBatch):
    """One in which only the first replay ends at once."""

    async def _once(self, plan: Scenario, variant: str, below: str) -> Result:
        if self.below:
            await settle()
        result = await super()._once(plan, variant, below)
        if len(self.below) > 1:
            await settle()
        return result


def test_nobody_judges_a_result_while_other_replays_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their requests are sent by the same process, and would be late."""
    monkeypatch.setattr(replays.backends, "of", lambda _: nullcontext(SimpleNamespace(builder=lambda *_: None)))
    journal = contained_night().journal()
    seen, wanted = Result(journal, judge(journal), 1.0), [(PLANS[name], "original") for name in ("silence", "refuse", "reset_idle")]
    batch = SlowBatch("processes", wanted).come_out(*[seen] * len(wanted))
    assert batch.result(*wanted[0]) is seen
    assert [task.done() for task in batch._tasks.values()] == [True] * len(wanted)  # noqa: SLF001 - nobody else has a list of them
    batch.close()


class CommandLine:
    """A command line of pytest, as far as `left_out` reads it."""

    def __init__(self, *, every_variant: bool = False) -> None:
        self.every_variant = every_variant

    def getoption(self, name: str) -> bool:
        """Return the option."""
        assert name == "--every-variant"
        return self.every_variant


@pytest.mark.parametrize(
    ("scenario", "variant", "runtime", "why"),
    [
        ("the_night", "fixed", "processes", ""),
        ("the_night", "fixed", "containers", ""),
        ("silence", "original", "processes", ""),
        (
            "silence",
            "hardened",
            "processes",
            "of silence, hardened is expected to come out as original does, and is replayed",
        ),
        ("longevity", "purged", "processes", ""),  # expected to be as steady, but of settings of its own
        ("calm", "original", "containers", ""),
        ("refuse", "original", "containers", "of refuse, original is replayed in containers"),
        ("dead_connection_detection", "original", "containers", ""),
    ],
)
def test_what_shows_nothing_new_is_left_out_unless_every_variant_is_wanted(scenario: str, variant: str, runtime: str, why: str) -> None:
    """With a reason, in a line."""
    assert left_out(PLANS[scenario], variant, runtime, CommandLine()).removesuffix(WANTED) == why  # type: ignore[arg-type]
    assert left_out(PLANS[scenario], variant, runtime, CommandLine(every_variant=True)) == ""  # type: ignore[arg-type]


def test_what_a_runtime_lacks_is_left_out_always() -> None:
    """Also where every variant is wanted."""
    assert "needs 'balancers'" in left_out(PLANS["balancer_loss"], "original", "processes", CommandLine(every_variant=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_every_expectation_of_the_project_can_be_broken(plan: Scenario) -> None:
    """None allows whatever may come, nor every outcome."""
    allowing = [
        variant.name for variant in plan.variants if set(variant.expect.outcome) == set(Outcome) or not variant.expect.can_be_broken
    ]
    assert allowing == []
