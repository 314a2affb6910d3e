from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from testbed import operations
from testbed.errors import FacilityError, ServiceError
from testbed.fakes.builder import DUMP_S, FakeBuilder
from testbed.fakes.service import START_S
from testbed.fakes.virtual_time import run
from testbed.journal import reader
from testbed.journal.events import Service, Step, Threads
from testbed.journal.writer import JournalWriter
from testbed.operations.collect_evidence import CollectEvidence
from testbed.operations.nothing import NoOperation
from testbed.operations.restart import Restart
from testbed.plan.clock import NightClock
from testbed.plan.topology import FacilityPlan
from testbed.replay.actions import Actions, Operation
from testbed.replay.recorder import Recorder
from testbed.replay.state import FacilityState
from tests.journals import header
from tests.nights import sample

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.reader import Journal

PLAN = FacilityPlan(application_servers=3, request_threads=4, pool_size=4, callers=("kiosk",))


def performed(
    directory: Path, operation: Operation, *, stuck: tuple[str, ...] = (), empty: tuple[str, ...] = ()
) -> tuple[str, list[tuple[str, str]], Journal]:
    """Run an operation with some services stuck and some pools empty; return its result, the services killed, and the journal."""
    builder = FakeBuilder(PLAN)

    async def performing() -> str:
        with JournalWriter(directory / "a.jsonl", header()) as writer:
            facility = await builder.build()
            state = FacilityState(facility.application_servers, facility.callers)
            for number in range(6):
                for name in facility.services:
                    state.take(sample(number / 10, name, busy=4 if name in stuck else 0, leaked=4 if name in empty else 0))
            actions = Actions(facility, state, Recorder(writer, NightClock(0.0, 1.0), origin_s=0.0), directory / "original")
            return await operation.perform(actions)

    result = run(performing())
    return result, [call for call in builder.runtime.calls if call[0] == "kill"], reader.read(directory / "a.jsonl")


def test_an_operator_gets_evidence_of_all_services_however_they_are(tmp_path: Path) -> None:
    """Nothing is killed; another question is answered anew."""
    result, killed, journal = performed(tmp_path, CollectEvidence(), stuck=("cf-1", "cf-2", "cf-3", "kiosk"))
    assert (result, killed) == ("evidence of 4 services", [])
    assert sorted(dump.service for dump in journal.of(Threads)) == ["cf-1", "cf-2", "cf-3", "kiosk"]


@pytest.mark.fact("O9", "P4")
def test_a_restart_takes_the_evidence_first_and_waits_until_service_is_back(tmp_path: Path) -> None:
    """Dumps of all, then one server after the other, then all of them are ready."""
    result, killed, journal = performed(tmp_path, Restart(), stuck=("cf-1", "cf-3", "kiosk"))
    assert result == "restarted cf-1, cf-3"
    assert killed == [("kill", "cf-1"), ("kill", "cf-3")]
    assert [step.step for step in journal.of(Step) if step.state == "end"] == ["restart cf-1", "restart cf-3", "wait until they are ready"]
    kinds = [type(event) for event in journal.events if isinstance(event, Threads | Step)]
    assert kinds.index(Step) == len(PLAN.server_names) + len(PLAN.callers)
    assert [service.service for service in journal.of(Service) if service.state == "ready"] == ["cf-1", "cf-3"]


def test_a_server_whose_pool_is_empty_counts_as_blocked(tmp_path: Path) -> None:
    """It will never answer again, whether or not forty calls hang there already."""
    assert performed(tmp_path, Restart(), stuck=("cf-1",), empty=("cf-2",))[1] == [("kill", "cf-1"), ("kill", "cf-2")]


def test_only_the_named_servers_are_restarted(tmp_path: Path) -> None:
    """Whatever state they or the others are in."""
    assert performed(tmp_path, Restart(("cf-2",)), stuck=("cf-1",))[1] == [("kill", "cf-2")]


def test_where_nothing_is_blocked_nothing_is_restarted(tmp_path: Path) -> None:
    """And nothing is dumped either."""
    result, killed, journal = performed(tmp_path, Restart(), stuck=("kiosk",))
    assert (result, killed, journal.events) == ("no application server was blocked, none was restarted", [], ())


@pytest.mark.parametrize("name", ["cf-9", "kiosk"])
def test_what_is_no_application_server_is_not_restarted(tmp_path: Path, name: str) -> None:
    """The error lists those that there are, and nothing was touched."""
    with pytest.raises(FacilityError, match=f"no application server {name}; there are cf-1, cf-2, cf-3"):
        performed(tmp_path, Restart(("cf-1", name)))
    assert reader.read(tmp_path / "a.jsonl").events == ()


def test_a_server_that_does_not_come_back_fails_the_restart(tmp_path: Path) -> None:
    """The last step says which, and why."""
    builder = FakeBuilder(PLAN)

    async def performing() -> None:
        with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
            facility = await builder.build()
            actions = Actions(
                facility, FacilityState(PLAN.server_names, PLAN.callers), Recorder(writer, NightClock(0.0, 1.0), 0.0), tmp_path
            )
            asyncio.get_running_loop().call_later(DUMP_S + START_S / 2, builder.runtime.die, "cf-1")
            await Restart(("cf-1",)).perform(actions)

    with pytest.raises(ServiceError, match="cf-1 ended with exit code 1 before it was ready"):
        run(performing())
    assert [step.state for step in reader.read(tmp_path / "a.jsonl").of(Step)] == ["begin", "end", "begin", "failed"]


def test_nothing_does_nothing(tmp_path: Path) -> None:
    """An operator who waits."""
    assert performed(tmp_path, NoOperation(), stuck=PLAN.server_names)[:2] == ("nothing was done", [])


def test_an_operation_is_found_by_its_word() -> None:
    """One file, one word; what is no file is no operation."""
    names = {operations.load(word).__name__ for word in operations.names()}
    assert names == {"Backup", "CollectEvidence", "Heal", "Restart", "NoOperation"}
    with pytest.raises(KeyError):
        operations.load("prayer")
