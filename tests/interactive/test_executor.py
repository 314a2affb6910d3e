from __future__ import annotations

import asyncio
from contextlib import nullcontext
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
from testbed.journal.events import Observed, OperationEvent, Request, Step
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

FOREVER_S = 120.0  # in virtual time, much longer than any command here takes


class Session:
    """An executor of a fake facility in virtual time, and all replies that it sent."""

    def __init__(self, executor: Executor, builder: FakeBuilder) -> None:
        self.executor = executor
        self.builder = builder
        self.replies: list[Reply] = []

    async def run(self, command: protocol.Command) -> str:
        """Carry out a command; return the line that says what was done."""
        async with asyncio.timeout(FOREVER_S):
            return await self.executor.carry_out(command, self.replies.append)

    async def status(self) -> protocol.FacilityStatus:
        """Return the status of the facility."""
        return await self.executor.status()


def play(directory: Path, steps: Callable[[Session], Awaitable[None]], variant: str = "original") -> Journal:
    """Keep a fake facility running for a session; return its journal."""
    night = night_module.night(variant, 2)
    path = directory / "interactive.jsonl"

    async def playing() -> None:
        builder = FakeBuilder(night.facility, night.variants[0].settings)
        with JournalWriter(path, header(night, night.variants[0], night_module.empty_trace(night), FakeBackend(), 1)) as writer:
            facility = await builder.build()
            recorder = Recorder(writer, night.night.clock(), origin_s=asyncio.get_running_loop().time())
            state = FacilityState(facility.application_servers, facility.callers)
            async with facility.instruments.monitoring() as monitoring:
                looker = Looker(facility, recorder, state, monitoring, LOOK_EVERY_S)
                executor = Executor(night, "fakes", facility, Actions(facility, state, recorder, directory / variant), looker)
                looking = asyncio.create_task(looker.look(lambda: None))
                try:
                    await steps(Session(executor, builder))
                finally:
                    looking.cancel()
                    await executor.end_load()
                    recorder.end("complete", "")

    run(playing())
    return reader.read(path)


def test_the_status_shows_every_service_and_where_the_database_is(tmp_path: Path) -> None:
    """Before anything was done every service is there, green and idle, its pool full, and the database is where it was built."""

    async def steps(session: Session) -> None:
        assert await session.run(protocol.StatusCommand()) == ""
        [status] = session.replies
        assert isinstance(status, protocol.FacilityStatus)
        assert (status.variant, status.runtime, status.database, status.load) == ("original", "fakes", "db-1", None)
        assert [service.service for service in status.services] == ["cf-1", "cf-2", "kiosk", "ivr", "partner"]
        assert all(service.runs and service.health and service.busy == 0 and not service.stuck for service in status.services)
        assert [service.pool.in_ for service in status.services if service.pool] == [40, 40]

    play(tmp_path, steps)


@pytest.mark.parametrize("command", [protocol.DumpThreadsCommand("cf-9"), protocol.RestartCommand("cf-9"), protocol.RestartCommand("load")])
def test_a_command_for_an_unknown_service_names_those_that_are(tmp_path: Path, command: protocol.Command) -> None:
    """The error says what is allowed, and nothing was done to the facility."""

    async def steps(session: Session) -> None:
        before = list(session.builder.runtime.calls)
        with pytest.raises(
            UsageError, match=r"^no service '(cf-9', did you mean cf-2\?|load'); there are cf-1, cf-2, kiosk, ivr, partner$"
        ):
            await session.run(command)
        assert session.builder.runtime.calls == before
        assert session.replies == []

    assert [event for event in play(tmp_path, steps).events if isinstance(event, OperationEvent)] == []


def test_the_night_by_hand_grounds_the_airline_and_two_restarts_bring_it_back(tmp_path: Path) -> None:
    """After the switchover eighty lookups fail and the rest wait for ever; the dump shows where, and the restarts bring service back."""

    async def steps(session: Session) -> None:
        assert await session.run(protocol.SwitchoverCommand()) == "the database runs on db-2"
        assert [reply.step.number for reply in session.replies if isinstance(reply, protocol.StepReply) and reply.step.state == "end"] == [
            1,
            2,
            3,
            4,
            5,
        ]
        assert ", 80 failed, " in await session.run(protocol.LoadCommand(100.0, 4.0, 1))
        assert await session.run(protocol.DumpThreadsCommand("cf-1")) == f"the whole dump: {tmp_path / 'original/threads/cf-1.json'}"
        [dump] = [reply for reply in session.replies if isinstance(reply, protocol.ThreadsReply)]
        assert dump.threads.groups[0].count == 40
        status = await session.status()
        assert [service.stuck for service in status.services if service.pool] == [True, True]
        assert all(service.health for service in status.services)
        assert status.database == "db-2"
        for name in ("cf-1", "cf-2"):
            assert await session.run(protocol.RestartCommand(name)) == f"restarted {name}"
        assert await session.run(protocol.LoadCommand(50.0, 1.0, 7)) == "50 sent: 50 answered, 0 failed, 0 still waiting (unanswered)"

    journal = play(tmp_path, steps)
    done = [(event.operation, event.state) for event in journal.events if isinstance(event, OperationEvent)]
    assert done == [(word, state) for word in ("switchover", "restart", "restart") for state in ("begin", "end")]


def test_a_caller_can_be_restarted_too_and_it_does_not_help(tmp_path: Path) -> None:
    """Unlike in a scenario, any service may be restarted: the kiosk is new, and the application servers hang as before."""

    async def steps(session: Session) -> None:
        await session.run(protocol.SwitchoverCommand())
        await session.run(protocol.LoadCommand(100.0, 4.0, 1))
        assert await session.run(protocol.RestartCommand("kiosk")) == "restarted kiosk"
        status = {service.service: service for service in (await session.status()).services}
        assert status["kiosk"].busy == 0
        assert status["cf-1"].stuck

    play(tmp_path, steps)


def test_two_switchovers_at_once_are_done_one_after_the_other(tmp_path: Path) -> None:
    """The second waits: there and back, and no step of the one between two of the other."""

    async def steps(session: Session) -> None:
        both = await asyncio.gather(session.run(protocol.SwitchoverCommand()), session.run(protocol.SwitchoverCommand()))
        assert both == ["the database runs on db-2", "the database runs on db-1"]

    ended = [event.id for event in play(tmp_path, steps).events if isinstance(event, Step) and event.state == "end"]
    assert ended == [1] * 5 + [2] * 5


def test_two_restarts_of_one_service_at_once_leave_one_of_it(tmp_path: Path) -> None:
    """Both are done in turn, and the service runs and answers afterwards."""

    async def steps(session: Session) -> None:
        assert await asyncio.gather(*(session.run(protocol.RestartCommand("cf-1")) for _ in range(2))) == ["restarted cf-1"] * 2
        assert (await session.status()).services[0].health

    ids = [event.id for event in play(tmp_path, steps).events if isinstance(event, Step) and event.state == "end"]
    assert ids == sorted(ids)


def test_a_second_load_is_refused_while_one_is_running(tmp_path: Path) -> None:
    """There is one load at a time: the second is refused with how to end the first, and the first is answered to its last passenger."""

    async def steps(session: Session) -> None:
        first = asyncio.create_task(session.run(protocol.LoadCommand(10.0, 2.0, 1)))
        await asyncio.sleep(1.0)
        with pytest.raises(FacilityError, match="a load is already running; wait until it has ended, or press Ctrl-C"):
            await session.run(protocol.LoadCommand(10.0, 1.0, 1))
        assert await first == "20 sent: 20 answered, 0 failed, 0 still waiting (unanswered)"
        assert await session.run(protocol.LoadCommand(10.0, 1.0, 1)) == "10 sent: 10 answered, 0 failed, 0 still waiting (unanswered)"

    journal = play(tmp_path, steps)
    assert len({event.id for event in journal.events if isinstance(event, Request)}) == 30  # no id of the one is an id of the other


def test_a_load_that_is_never_all_sent_is_given_up(tmp_path: Path) -> None:
    """The error says how long it was waited for, and how far it came."""

    async def steps(session: Session) -> None:
        sending = asyncio.create_task(session.executor.carry_out(protocol.LoadCommand(10.0, 2.0, 1), session.replies.append))
        await asyncio.sleep(1.0)
        assert session.executor.load is not None
        session.executor.load.generator.stop()
        with pytest.raises(WaitError, match=r"^the load was not over within 122 s, last seen: \d+ sent: \d+ answered, 0 failed, "):
            await sending

    play(tmp_path, steps)


@pytest.mark.parametrize(("rate", "seconds", "count"), [(0.01, 10.0, 0), (1000.0, 101.0, 101_000)])
def test_a_load_of_nobody_or_of_too_many_is_refused(tmp_path: Path, rate: float, seconds: float, count: int) -> None:
    """The error says how many it would be, and how many are allowed."""

    async def steps(session: Session) -> None:
        with pytest.raises(UsageError, match=f"^{count} transactions; allowed: 1 to 100000, so change --rate or --seconds$"):
            await session.run(protocol.LoadCommand(rate, seconds, 1))

    play(tmp_path, steps)


def test_a_switchover_that_fails_is_reported_and_recorded(tmp_path: Path) -> None:
    """The reason reaches the client, and the journal has it as failed."""

    async def steps(session: Session) -> None:
        session.builder.database.broken = FacilityError("db-2 has no power")
        with pytest.raises(FacilityError, match="db-2 has no power"):
            await session.run(protocol.SwitchoverCommand())

    last = [event for event in play(tmp_path, steps).events if isinstance(event, OperationEvent)][-1]
    assert (last.state, last.detail) == ("failed", "db-2 has no power")


@pytest.mark.parametrize("error", [None, FacilityError("db-2 has no power")], ids=["well", "failed"])
def test_a_facility_is_only_observed_since_the_last_command_that_changed_it(tmp_path: Path, error: FacilityError | None) -> None:
    """Also since one that failed half way: what it had done by then is no sign of what would recover by itself."""

    async def steps(session: Session) -> None:
        await asyncio.sleep(5.0)
        session.builder.database.broken = error
        with nullcontext() if error is None else pytest.raises(FacilityError):
            await session.run(protocol.SwitchoverCommand())
        await asyncio.sleep(3.0)
        session.executor.observe()

    [observed] = play(tmp_path, steps).of(Observed)
    assert observed.until_s - observed.since_s == pytest.approx(3.0)


def test_a_service_that_died_is_dead_in_the_status_and_once_in_the_journal(tmp_path: Path) -> None:
    """A crash without a command is recorded once."""

    async def steps(session: Session) -> None:
        session.builder.runtime.die("ivr", 9)
        await asyncio.sleep(2.0)
        assert [service.service for service in (await session.status()).services if not service.runs] == ["ivr"]

    died = [event for event in play(tmp_path, steps).events if getattr(event, "state", "") == "died"]
    assert len(died) == 1
