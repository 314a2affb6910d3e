from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from testbed.errors import FacilityError, UsageError, WaitError
from testbed.experiments.header import header
from testbed.fakes.backend import FakeBackend
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.virtual_time import run
from testbed.interactive import night as night_module
from testbed.interactive import protocol
from testbed.interactive.executor import Executor
from testbed.interactive.server import LOOK_EVERY_S
from testbed.journal import reader
from testbed.journal.events import OperationEvent, Request, Step
from testbed.journal.writer import JournalWriter
from testbed.replay.actions import Actions
from testbed.replay.look import Looker
from testbed.replay.recorder import Recorder
from testbed.replay.state import FacilityState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from testbed.interactive.protocol import Reply
    from testbed.journal.reader import Journal

FOREVER_S = 120.0  # in virtual time, much longer than any order here takes


class Class:
    """One class with its hands on a fake facility in virtual time, and all that it was told."""

    def __init__(self, hands: Executor, builder: FakeBuilder) -> None:
        self.hands = hands
        self.builder = builder
        self.told: list[Reply] = []

    async def order(self, order: protocol.Command) -> str:
        """Give an order and wait until it is done."""
        async with asyncio.timeout(FOREVER_S):
            return await self.hands.carry_out(order, self.told.append)

    async def status(self) -> protocol.FacilityStatus:
        """Look."""
        return await self.hands.status()


def play(directory: Path, hours: Callable[[Class], Awaitable[None]], variant: str = "original") -> Journal:
    """Hold a fake facility up while a class plays; gives the journal."""
    night = night_module.night(variant, 2)
    path = directory / "by_hand.jsonl"

    async def playing() -> None:
        builder = FakeBuilder(night.facility, night.variants[0].settings)
        with JournalWriter(path, header(night, night.variants[0], night_module.nobody(night), FakeBackend(), 1)) as writer:
            facility = await builder.build()
            recorder = Recorder(writer, night.night.clock(), origin_s=asyncio.get_running_loop().time())
            state = FacilityState(facility.application_servers, facility.callers)
            async with facility.instruments.monitoring() as monitoring:
                looker = Looker(facility, recorder, state, monitoring, LOOK_EVERY_S)
                hands = Executor(night, "fakes", facility, Actions(facility, state, recorder, directory / variant), looker)
                looking = asyncio.create_task(looker.look(lambda: None))
                try:
                    await hours(Class(hands, builder))
                finally:
                    looking.cancel()
                    await hands.end_load()
                    recorder.end("complete", "")

    run(playing())
    return reader.read(path)


def test_the_status_shows_every_service_and_where_the_database_is(tmp_path: Path) -> None:
    """Before anything was done every service is there, green and idle, its pool full, and the database is where it was built."""

    async def hours(class_: Class) -> None:
        assert await class_.order(protocol.StatusCommand()) == ""
        [status] = class_.told
        assert isinstance(status, protocol.FacilityStatus)
        assert (status.variant, status.runtime, status.database, status.load) == ("original", "fakes", "db-1", None)
        assert [one.service for one in status.services] == ["cf-1", "cf-2", "kiosk", "ivr", "partner"]
        assert all(one.runs and one.health and one.busy == 0 and not one.stuck for one in status.services)
        assert [one.pool.in_ for one in status.services if one.pool] == [40, 40]

    play(tmp_path, hours)


@pytest.mark.parametrize("order", [protocol.DumpThreadsCommand("cf-9"), protocol.RestartCommand("cf-9"), protocol.RestartCommand("load")])
def test_an_order_to_a_service_that_is_not_there_names_those_that_are(tmp_path: Path, order: protocol.Command) -> None:
    """The error says what is allowed, and nothing was done to the facility."""

    async def hours(class_: Class) -> None:
        before = list(class_.builder.runtime.calls)
        with pytest.raises(UsageError, match=r"^no service '(cf-9|load)'; there are cf-1, cf-2, kiosk, ivr, partner$"):
            await class_.order(order)
        assert class_.builder.runtime.calls == before
        assert class_.told == []

    assert [one for one in play(tmp_path, hours).events if isinstance(one, OperationEvent)] == []


def test_the_night_by_hand_grounds_the_airline_and_two_restarts_bring_it_back(tmp_path: Path) -> None:
    """After the switchover eighty lookups fail and the rest wait for ever; the dump shows where, and the restarts bring service back."""

    async def hours(class_: Class) -> None:
        assert await class_.order(protocol.SwitchoverCommand()) == "the database runs on db-2"
        assert [one.step.number for one in class_.told if isinstance(one, protocol.StepReply) and one.step.state == "end"] == [
            1,
            2,
            3,
            4,
            5,
        ]
        assert ", 80 failed, " in await class_.order(protocol.LoadCommand(100.0, 4.0, 1))
        assert await class_.order(protocol.DumpThreadsCommand("cf-1")) == f"the whole dump: {tmp_path / 'original/threads/cf-1.json'}"
        [dump] = [one for one in class_.told if isinstance(one, protocol.ThreadsReply)]
        assert dump.threads.groups[0].count == 40
        status = await class_.status()
        assert [one.stuck for one in status.services if one.pool] == [True, True]
        assert all(one.health for one in status.services)
        assert status.database == "db-2"
        for name in ("cf-1", "cf-2"):
            assert await class_.order(protocol.RestartCommand(name)) == f"restarted {name}"
        assert await class_.order(protocol.LoadCommand(50.0, 1.0, 7)) == "50 sent: 50 answered, 0 failed, 0 still waiting (unanswered)"

    kept = play(tmp_path, hours)
    done = [(one.operation, one.state) for one in kept.events if isinstance(one, OperationEvent)]
    assert done == [(word, state) for word in ("switchover", "restart", "restart") for state in ("begin", "end")]


def test_a_caller_can_be_restarted_too_and_it_does_not_help(tmp_path: Path) -> None:
    """A class may try what the operators of a scenario may not: the kiosk is new, and the application servers hang as before."""

    async def hours(class_: Class) -> None:
        await class_.order(protocol.SwitchoverCommand())
        await class_.order(protocol.LoadCommand(100.0, 4.0, 1))
        assert await class_.order(protocol.RestartCommand("kiosk")) == "restarted kiosk"
        status = {one.service: one for one in (await class_.status()).services}
        assert status["kiosk"].busy == 0
        assert status["cf-1"].stuck

    play(tmp_path, hours)


def test_two_switchovers_at_once_are_done_one_after_the_other(tmp_path: Path) -> None:
    """Who orders second waits: there and back, and no step of the one between two of the other."""

    async def hours(class_: Class) -> None:
        both = await asyncio.gather(class_.order(protocol.SwitchoverCommand()), class_.order(protocol.SwitchoverCommand()))
        assert both == ["the database runs on db-2", "the database runs on db-1"]

    ended = [one.id for one in play(tmp_path, hours).events if isinstance(one, Step) and one.state == "end"]
    assert ended == [1] * 5 + [2] * 5


def test_two_restarts_of_one_service_at_once_leave_one_of_it(tmp_path: Path) -> None:
    """Both are done in turn, and the service runs and answers afterwards."""

    async def hours(class_: Class) -> None:
        assert await asyncio.gather(*(class_.order(protocol.RestartCommand("cf-1")) for _ in range(2))) == ["restarted cf-1"] * 2
        assert (await class_.status()).services[0].health

    steps = [one for one in play(tmp_path, hours).events if isinstance(one, Step) and one.state == "end"]
    assert [one.id for one in steps] == sorted(one.id for one in steps)


def test_a_second_load_is_refused_while_one_is_under_way(tmp_path: Path) -> None:
    """There is one load at a time: the second is told how the first ends, and the first is answered to its last passenger."""

    async def hours(class_: Class) -> None:
        first = asyncio.create_task(class_.order(protocol.LoadCommand(10.0, 2.0, 1)))
        await asyncio.sleep(1.0)
        with pytest.raises(FacilityError, match="a load is under way; wait until it has ended, or end it with Ctrl-C"):
            await class_.order(protocol.LoadCommand(10.0, 1.0, 1))
        assert await first == "20 sent: 20 answered, 0 failed, 0 still waiting (unanswered)"
        assert await class_.order(protocol.LoadCommand(10.0, 1.0, 1)) == "10 sent: 10 answered, 0 failed, 0 still waiting (unanswered)"

    kept = play(tmp_path, hours)
    assert len({one.id for one in kept.events if isinstance(one, Request)}) == 30  # no passenger of the one counted as the other's


def test_a_load_that_is_never_all_sent_is_given_up(tmp_path: Path) -> None:
    """The error says for how long it was waited for, and how far it came."""

    async def hours(class_: Class) -> None:
        sending = asyncio.create_task(class_.hands.carry_out(protocol.LoadCommand(10.0, 2.0, 1), class_.told.append))
        await asyncio.sleep(1.0)
        assert class_.hands.load is not None
        class_.hands.load.generator.stop()
        with pytest.raises(WaitError, match=r"^the load was not over within 122 s, last seen: \d+ sent: \d+ answered, 0 failed, "):
            await sending

    play(tmp_path, hours)


@pytest.mark.parametrize(("rate", "seconds", "count"), [(0.01, 10.0, 0), (1000.0, 101.0, 101_000)])
def test_a_load_of_nobody_or_of_too_many_is_refused(tmp_path: Path, rate: float, seconds: float, count: int) -> None:
    """The error tells how many it would be, and how many may be."""

    async def hours(class_: Class) -> None:
        with pytest.raises(UsageError, match=f"^{count} transactions; allowed: 1 to 100000, so change --rate or --seconds$"):
            await class_.order(protocol.LoadCommand(rate, seconds, 1))

    play(tmp_path, hours)


def test_a_switchover_that_fails_is_told_and_written_down(tmp_path: Path) -> None:
    """The reason reaches who ordered it, and the journal has it as failed."""

    async def hours(class_: Class) -> None:
        class_.builder.database.broken = FacilityError("db-2 has no power")
        with pytest.raises(FacilityError, match="db-2 has no power"):
            await class_.order(protocol.SwitchoverCommand())

    last = [one for one in play(tmp_path, hours).events if isinstance(one, OperationEvent)][-1]
    assert (last.state, last.detail) == ("failed", "db-2 has no power")


def test_a_service_that_died_is_dead_in_the_status_and_once_in_the_journal(tmp_path: Path) -> None:
    """A crash that nobody ordered is seen, with its exit code, one time."""

    async def hours(class_: Class) -> None:
        class_.builder.runtime.die("ivr", 9)
        await asyncio.sleep(2.0)
        assert [one.service for one in (await class_.status()).services if not one.runs] == ["ivr"]

    died = [one for one in play(tmp_path, hours).events if getattr(one, "state", "") == "died"]
    assert len(died) == 1
