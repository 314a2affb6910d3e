from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from testbed import faults, journal
from testbed.act import Actions, Recorder
from testbed.clock import NightClock
from testbed.errors import FacilityError
from testbed.events import Step
from testbed.fakes.facility import FakeBuilder
from testbed.fakes.virtual_time import run
from testbed.faults.latency import Latency
from testbed.faults.nothing import Nothing
from testbed.faults.switchover import Switchover
from testbed.observe.watch import Watch
from testbed.topology import FacilityPlan
from tests.journals import header

if TYPE_CHECKING:
    from pathlib import Path


def injected(directory: Path, builder: FakeBuilder, *wanted: faults.Fault) -> tuple[list[str], tuple[Step, ...]]:
    """Inject faults, all at once; gives what each says was done, or its error, and the steps in the journal."""

    async def injecting() -> list[str]:
        with journal.JournalWriter(directory / "a.jsonl", header()) as writer:
            facility = await builder.build()
            recorder = Recorder(writer, NightClock(0.0, 1.0), origin_s=0.0)
            actions = Actions(facility, Watch(facility.application_servers, facility.callers), recorder, directory)
            return [str(one) for one in await asyncio.gather(*(fault.inject(actions) for fault in wanted), return_exceptions=True)]

    told = run(injecting())
    return told, journal.read(directory / "a.jsonl").of(Step)


@pytest.fixture
def builder() -> FakeBuilder:
    """Give the builder of a small facility."""
    return FakeBuilder(FacilityPlan(application_servers=1, request_threads=1, pool_size=1, callers=("kiosk",)))


@pytest.mark.fact("C4", "O1")
def test_a_switchover_is_the_five_steps_of_the_book(tmp_path: Path, builder: FakeBuilder) -> None:
    """Stop, unmount, mount, start, point: and the database runs on the other host, with the virtual IP."""
    told, steps = injected(tmp_path, builder, Switchover())
    assert told == ["the database runs on db-2"]
    assert [(one.number, one.step) for one in steps if one.state == "end"] == [
        (1, "stop the database server on db-1"),
        (2, "unmount the array on db-1"),
        (3, "mount the array on db-2"),
        (4, "start the database server on db-2"),
        (5, "give the virtual IP to db-2"),
    ]
    assert (builder.database.active, builder.database.mounted, builder.virtual_ip.host) == ("db-2", "db-2", "db-2")


def test_a_second_switchover_goes_back_and_waits_for_the_first(tmp_path: Path, builder: FakeBuilder) -> None:
    """Two that begin together are done one after the other."""
    told, steps = injected(tmp_path, builder, Switchover(), Switchover())
    assert told == ["the database runs on db-2", "the database runs on db-1"]
    assert [one.number for one in steps if one.state == "begin"] == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]


def test_a_switchover_that_fails_stops_where_it_failed(tmp_path: Path, builder: FakeBuilder) -> None:
    """The virtual IP is not given to a host on which nothing runs."""
    builder.database.broken = FacilityError("db-2 has no power")
    told, steps = injected(tmp_path, builder, Switchover())
    assert told == ["db-2 has no power"]
    assert [(one.number, one.state) for one in steps][-1] == (4, "failed")
    assert builder.virtual_ip.host == "db-1"


@pytest.mark.fact("W5", "A5")
def test_latency_is_a_toxic_on_the_link_to_the_database(tmp_path: Path, builder: FakeBuilder) -> None:
    """With what the scenario says, in milliseconds."""
    told, steps = injected(tmp_path, builder, Latency(latency_ms=250, jitter_ms=50))
    assert told == ["250 ms, give or take 50 ms, on every answer from the database"]
    assert [one.step for one in steps if one.state == "end"] == ["delay the link to the database by 250 ms"]
    assert builder.virtual_ip.toxics == [("latency", {"latency": 250, "jitter": 50})]


def test_nothing_does_nothing(tmp_path: Path, builder: FakeBuilder) -> None:
    """No step, and the facility is as it was."""
    assert injected(tmp_path, builder, Nothing()) == (["nothing was done"], ())
    assert builder.database.starts == 1


def test_a_fault_is_found_by_its_word() -> None:
    """One file, one word; what is no file is no fault."""
    assert {faults.load(word).__name__ for word in faults.names()} == {"Switchover", "Latency", "Nothing"}
    with pytest.raises(KeyError):
        faults.load("earthquake")
