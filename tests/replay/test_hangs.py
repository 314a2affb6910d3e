from __future__ import annotations

import asyncio
import itertools
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from testbed.journal.events import EvidenceTaken, HangLeftOut, Threads
from testbed.journal.failures import Failures
from testbed.replay.display import SilentDisplay
from testbed.replay.hangs import AGAIN_S
from testbed.replay.running import Replay
from tests.nights import sample
from tests.replay.test_actions import acted
from tests.replay.test_evidence import ThreeQuestions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from testbed.fakes.builder import FakeBuilder
    from testbed.journal.reader import Journal
    from testbed.replay.actions import Actions

EVERY_S = 3.0


class Storm:
    """A replay whose only caller is stuck again and again, and answers something between."""

    def __init__(self, actions: Actions) -> None:
        nobody: Any = SimpleNamespace()
        actions.facility.questions = ThreeQuestions()
        looker: Any = SimpleNamespace(wake=lambda: None)
        self.actions = actions
        load: Any = SimpleNamespace(failures=Failures(frozenset()))
        self.replay = Replay(nobody, actions.facility, actions.recorder, actions.state, actions, load, looker, SilentDisplay())
        self.done = 0

    async def hang(self, *stuck: str, leaked: int = 0) -> None:
        """Hang for a second, with these servers stuck as well; then one request is answered, and it takes some time until the next."""
        until_s = self.actions.recorder.t_s() + EVERY_S
        for round_ in range(12):
            t_s = self.actions.recorder.t_s()
            is_over = round_ > 9
            self.done += is_over
            for service in self.actions.facility.services:
                is_stuck = service in ("kiosk", *stuck) and not is_over
                pool = None if service == "kiosk" else leaked
                self.actions.state.take(sample(t_s, service, busy=4 if is_stuck else 0, done=self.done, leaked=pool))
            self.replay.after_round()
            await asyncio.sleep(0.1)
        await asyncio.sleep(until_s - self.actions.recorder.t_s())


def stormed(directory: Path, do: Callable[[Storm], Awaitable[None]]) -> Journal:
    """Return the journal of a storm."""

    async def acting(actions: Actions, _: FakeBuilder) -> None:
        storm = Storm(actions)
        await do(storm)
        assert storm.replay.dumping is not None
        await storm.replay.dumping

    return acted(directory, acting)


def test_a_storm_of_hangs_costs_a_bounded_number_of_looks(tmp_path: Path) -> None:
    """Of a hundred hangs that show the same there is evidence once in a while, and of each of the others it is told that there is none."""

    async def storm(storm: Storm) -> None:
        for _ in range(100):
            await storm.hang("cf-1", "cf-2")

    journal = stormed(tmp_path, storm)
    taken, left_out = journal.of(EvidenceTaken), journal.of(HangLeftOut)
    assert 1 < len(taken) <= 1 + 100 * EVERY_S / AGAIN_S
    assert len(taken) + len(left_out) == 100
    assert len(journal.of(Threads)) == 3 * len(taken)
    assert all(later.t_s - earlier.t_s >= AGAIN_S - EVERY_S for earlier, later in itertools.pairwise(taken))


def test_a_hang_with_a_new_trouble_is_looked_at_at_once(tmp_path: Path) -> None:
    """Such as a server that is stuck now, too, or has lost all of its connections; the same once more is none."""

    async def worse(storm: Storm) -> None:
        await storm.hang("cf-1")
        await storm.hang("cf-1")
        await storm.hang("cf-1", "cf-2")
        await storm.hang("cf-2", leaked=4)
        await storm.hang("cf-2", leaked=4)

    journal = stormed(tmp_path, worse)
    assert (len(journal.of(EvidenceTaken)), len(journal.of(HangLeftOut))) == (3, 2)


def test_a_hang_after_something_was_done_to_the_facility_is_looked_at_at_once(tmp_path: Path) -> None:
    """Whatever was seen before: a fault, an operation, or a takeover may have left something else behind."""

    async def done_between(storm: Storm) -> None:
        for _ in range(3):
            await storm.hang("cf-1")
            storm.replay.load = cast("Any", SimpleNamespace(release=lambda: None))
            with storm.replay.working():
                await asyncio.sleep(0.5)

    journal = stormed(tmp_path, done_between)
    assert (len(journal.of(EvidenceTaken)), journal.of(HangLeftOut)) == (3, ())


def test_a_hang_in_the_middle_of_a_step_is_looked_at_when_the_step_is_over(tmp_path: Path) -> None:
    """Between the restarts of two servers all may hang anew, at a moment that is neither before nor after; the first hang never waits."""

    async def restarted(storm: Storm) -> None:
        storm.replay.load = cast("Any", SimpleNamespace(release=lambda: None))
        with storm.replay.working():
            await storm.hang("cf-1")
            await storm.hang("cf-2")
        await storm.hang("cf-2")

    journal = stormed(tmp_path, restarted)
    first, second = journal.of(EvidenceTaken)
    (left_out,) = journal.of(HangLeftOut)
    assert first.t_s < left_out.t_s < second.t_s
    assert left_out.reason.startswith("something was being done all the time; before that there is the evidence of ")


def test_a_hang_of_which_other_evidence_was_taken_is_not_left_out(tmp_path: Path) -> None:
    """An operator asked while it lasted."""

    async def asked(storm: Storm) -> None:
        await storm.hang("cf-1")
        asking = asyncio.create_task(_ask(storm))
        await storm.hang("cf-1")
        await asking

    async def _ask(storm: Storm) -> None:
        await asyncio.sleep(0.7)
        await storm.actions.collect_evidence("asked")

    journal = stormed(tmp_path, asked)
    assert [taken.why for taken in journal.of(EvidenceTaken)] == ["hung", "asked"]
    assert journal.of(HangLeftOut) == ()
