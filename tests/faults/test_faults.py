from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import pytest

from testbed import faults
from testbed.errors import FacilityError, WaitError
from testbed.facility.redundancy import NoRedundancy
from testbed.facility.runtime import ServiceSpec
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.virtual_time import run
from testbed.faultproxy import toxics as faultproxy_toxics
from testbed.faults.balancer_loss import BalancerLoss
from testbed.faults.burst import Burst
from testbed.faults.cable_pulled import CablePulled
from testbed.faults.disconnect import Disconnect
from testbed.faults.disk_full import DiskFull
from testbed.faults.flapping import Flapping
from testbed.faults.idle_drop import IdleDrop
from testbed.faults.latency import Latency
from testbed.faults.nothing import NoFault
from testbed.faults.rack_loss import RackLoss
from testbed.faults.refuse import Refuse
from testbed.faults.refuse_first import RefuseFirst
from testbed.faults.reset import Reset
from testbed.faults.silence import Silence
from testbed.faults.slow_accept import SlowAccept
from testbed.faults.slow_database import SlowDatabase
from testbed.faults.switchover import Switchover
from testbed.faults.trickle import Trickle
from testbed.faults.unreachable import Unreachable
from testbed.journal import reader
from testbed.journal.events import Balancer, ServerStatistics, Step
from testbed.journal.writer import JournalWriter
from testbed.plan.clock import NightClock
from testbed.plan.topology import FacilityPlan
from testbed.replay.actions import Actions, Fault
from testbed.replay.recorder import Recorder
from testbed.replay.state import FacilityState
from tests.journals import header

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from testbed.journal.events import Now


async def acting(builder: FakeBuilder, writer: JournalWriter, directory: Path) -> Actions:
    """Build a facility and return the actions on it."""
    facility = await builder.build()
    recorder = Recorder(writer, NightClock(0.0, 1.0), origin_s=0.0)
    return Actions(facility, FacilityState(facility.application_servers, facility.callers), recorder, directory)


def injected(directory: Path, builder: FakeBuilder, *wanted: Fault) -> tuple[list[str], tuple[Step, ...]]:
    """Inject faults concurrently; return what each says was done, or its error, and the steps in the journal."""

    async def injecting() -> list[str]:
        with JournalWriter(directory / "a.jsonl", header()) as writer:
            actions = await acting(builder, writer, directory)
            return [str(result) for result in await asyncio.gather(*(fault.inject(actions) for fault in wanted), return_exceptions=True)]

    results = run(injecting())
    return results, reader.read(directory / "a.jsonl").of(Step)


@pytest.fixture
def builder() -> FakeBuilder:
    """Return the builder of a small facility."""
    return FakeBuilder(FacilityPlan(application_servers=1, request_threads=1, pool_size=1, callers=("kiosk",)))


@pytest.mark.fact("C4", "O1")
def test_a_switchover_is_the_five_steps_of_the_book(tmp_path: Path, builder: FakeBuilder) -> None:
    """Stop, unmount, mount, start, point: and the database runs on the other host, with the virtual IP."""
    results, steps = injected(tmp_path, builder, Switchover())
    assert results == ["the database runs on db-2"]
    assert [(step.number, step.step) for step in steps if step.state == "end"] == [
        (1, "stop the database server on db-1"),
        (2, "unmount the array on db-1"),
        (3, "mount the array on db-2"),
        (4, "start the database server on db-2"),
        (5, "give the virtual IP to db-2"),
    ]
    assert (builder.database.active, builder.database.mounted, builder.virtual_ip.host) == ("db-2", "db-2", "db-2")


def test_a_second_switchover_goes_back_and_waits_for_the_first(tmp_path: Path, builder: FakeBuilder) -> None:
    """Two that begin together are done one after the other."""
    results, steps = injected(tmp_path, builder, Switchover(), Switchover())
    assert results == ["the database runs on db-2", "the database runs on db-1"]
    assert [step.number for step in steps if step.state == "begin"] == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]


def test_a_switchover_that_fails_stops_where_it_failed(tmp_path: Path, builder: FakeBuilder) -> None:
    """The virtual IP is not given to a host on which nothing runs."""
    builder.database.broken = FacilityError("db-2 has no power")
    results, steps = injected(tmp_path, builder, Switchover())
    assert results == ["db-2 has no power"]
    assert [(step.number, step.state) for step in steps][-1] == (4, "failed")
    assert builder.virtual_ip.host == "db-1"


PUT: dict[str, tuple[Fault, dict[str, dict[str, int]]]] = {
    "latency": (Latency(latency_ms=250, jitter_ms=50), {"latency_downstream": {"latency": 250, "jitter": 50}}),
    "silence": (Silence(), {"silence_upstream": {}, "silence_downstream": {}}),
    "silence, cut": (Silence(ends="cut"), {"silence_upstream": {}, "silence_downstream": {}}),
    "trickle": (Trickle(), {"slicer_downstream": {"average_size": 1, "size_variation": 0, "delay": 1_000_000}}),
    "disconnect, connect": (Disconnect("connect"), {"timeout_downstream": {"timeout": 1}}),
    "disconnect, answer": (Disconnect(), {"limit_data_downstream": {"bytes": 100}}),
    "disconnect, idle": (Disconnect("idle"), {}),
    "reset, connect": (Reset("connect"), {"reset_peer_upstream": {"timeout": 0}}),
    "reset, answer": (Reset(), {"reset_peer_downstream": {"timeout": 0}}),
    "reset, idle": (Reset("idle"), {}),
    "idle_drop": (IdleDrop(idle_s=2.0), {"idle_drop_downstream": {"timeout": 2000}}),
    "refuse": (Refuse(), {}),
    "unreachable": (Unreachable(), {}),
    "cable_pulled": (CablePulled(), {"silence_upstream": {}, "silence_downstream": {}}),
    "refuse_first": (RefuseFirst(attempts=3), {"refuse_first_downstream": {"connections": 4}}),
    "flapping": (Flapping(), {}),
    "slow_accept": (SlowAccept(every_ms=800, queue=3), {"slow_accept_downstream": {"interval": 800, "queue": 3}}),
}
of_every_fault = pytest.mark.parametrize(("fault", "toxics"), PUT.values(), ids=PUT)


@of_every_fault
def test_a_fault_puts_its_toxics_on_the_link_and_sees_that_it_bites(
    tmp_path: Path, builder: FakeBuilder, fault: Fault, toxics: dict[str, dict[str, int]]
) -> None:
    """With what the scenario says; one that only cuts what is open leaves nothing there."""
    (result,), steps = injected(tmp_path, builder, fault)
    assert {step.state for step in steps} == {"begin", "end"}, result
    assert steps[-1].step.startswith("verify that")
    assert builder.virtual_ip.on == toxics
    assert builder.virtual_ip.enabled is not isinstance(fault, Refuse | Unreachable)


@pytest.mark.parametrize(("keepalives_s", "forgotten"), [(0.5, False), (3.0, True), (None, True)])
def test_a_connection_over_which_the_database_asks_is_not_idle(
    tmp_path: Path, builder: FakeBuilder, keepalives_s: float | None, *, forgotten: bool
) -> None:
    """Where it asks sooner than the limit, one that rested must be answered; where it does not, it must be silent."""
    builder.packet_filter.keepalives_s = keepalives_s
    (result,), steps = injected(tmp_path, builder, IdleDrop(idle_s=2.0))
    assert (steps[-1].number, steps[-1].state) == (4, "end"), result
    assert ("silent" in steps[-1].step, result.endswith("silent")) == (forgotten, forgotten)


def test_a_connection_that_is_forgotten_although_the_database_asks_is_a_fault_that_failed(tmp_path: Path, builder: FakeBuilder) -> None:
    """What was to keep it known did not."""
    builder.packet_filter.keepalives_s = 0.5
    builder.virtual_ip.on["idle_drop_downstream"] = {"timeout": 2000}
    (result,), steps = injected(tmp_path, builder, IdleDrop(idle_s=2.0))
    assert (steps[-1].number, steps[-1].state) == (4, "failed")
    assert "to be answered after 2.40 s of idling; saw: " in result


@of_every_fault
def test_a_fault_that_did_not_bite_has_failed(
    tmp_path: Path,
    builder: FakeBuilder,
    fault: Fault,
    toxics: dict[str, dict[str, int]],
) -> None:
    """What no probe sees is not claimed: the step that looks for it fails, and with it the fault."""
    builder.ineffective = True
    (result,), steps = injected(tmp_path, builder, fault)
    assert steps[-1].state == "failed"
    assert "; saw: " in result


@of_every_fault
def test_a_fault_that_is_healed_leaves_nothing(
    tmp_path: Path,
    builder: FakeBuilder,
    fault: Fault,
    toxics: dict[str, dict[str, int]],
) -> None:
    """No toxic, and somebody listens; a probe has seen it."""

    async def healing() -> list[str]:
        with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
            actions = await acting(builder, writer, tmp_path)
            await actions.inject(fault)
            (active,) = actions.facility.active
            await actions.heal(active)
            assert actions.facility.active == []
            return await actions.facility.left_over()

    assert run(healing()) == []
    assert reader.read(tmp_path / "a.jsonl").of(Step)[-1].step == "verify that a connection over the link to database is answered"


def test_a_fault_that_is_still_being_injected_is_healed_when_that_has_ended(tmp_path: Path, builder: FakeBuilder) -> None:
    """On a busy machine the look whether it bit may last until the healing is due."""

    async def healing() -> None:
        with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
            actions = await acting(builder, writer, tmp_path)
            injecting = asyncio.create_task(actions.inject(Latency(latency_ms=500)))
            while not builder.virtual_ip.on:
                await asyncio.sleep(0)
            await actions.heal(actions.facility.active[0])
            assert injecting.done()

    run(healing())
    ended = [step for step in reader.read(tmp_path / "a.jsonl").of(Step) if step.state == "end"]
    assert [(step.number, step.step.partition(" ")[0]) for step in ended] == [(1, "delay"), (2, "verify"), (1, "remove"), (2, "verify")]


@of_every_fault
def test_the_bundled_proxy_takes_what_a_fault_puts_on_a_link(
    tmp_path: Path,
    builder: FakeBuilder,
    fault: Fault,
    toxics: dict[str, dict[str, int]],
) -> None:
    """Every toxic is one that it knows, with attributes that it has, in whole numbers; also those that stay for a moment only."""
    injected(tmp_path, builder, fault)
    for name, attributes in builder.virtual_ip.put:
        kind, _, stream = name.rpartition("_")
        assert stream in ("upstream", "downstream")
        assert attributes.keys() <= {field.name for field in dataclasses.fields(faultproxy_toxics.load(kind))}  # type: ignore[arg-type]
        assert {type(value) for value in attributes.values()} <= {int}


def test_a_fault_on_another_link_leaves_the_database_alone(tmp_path: Path) -> None:
    """Each link has its own proxy."""
    builder = FakeBuilder(FacilityPlan(application_servers=1, request_threads=1, pool_size=1, callers=("kiosk",), links=("cf-1",)))
    injected(tmp_path, builder, Silence(link="cf-1"))
    assert (builder.virtual_ip.on, set(builder.links["cf-1"].on)) == ({}, {"silence_upstream", "silence_downstream"})


def test_a_link_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, builder: FakeBuilder) -> None:
    """By their names."""
    (result,), _ = injected(tmp_path, builder, Silence(link="cf-7"))
    assert result == "no link cf-7 that a fault could be put on; there are database"


def test_a_rack_that_is_lost_takes_every_server_in_it(tmp_path: Path) -> None:
    """Servers stand in three racks in turn; healed, those that were lost run again."""
    builder = FakeBuilder(FacilityPlan(application_servers=4, request_threads=1, pool_size=1, callers=("kiosk",)))

    async def losing() -> str:
        with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
            actions = await acting(builder, writer, tmp_path)
            result = await actions.inject(RackLoss(rack=1))
            assert actions.facility.down == {"cf-1", "cf-4"}
            (active,) = actions.facility.active
            await actions.heal(active)
            assert actions.facility.down == set()
            return result

    assert run(losing()) == "rack 1 is lost, with cf-1, cf-4"
    assert [name for call, name in builder.runtime.calls if call == "kill"][:2] == ["cf-1", "cf-4"]


def test_a_rack_with_nobody_in_it_cannot_be_lost(tmp_path: Path, builder: FakeBuilder) -> None:
    """A fault that would do nothing fails."""
    (result,), _ = injected(tmp_path, builder, RackLoss(rack=2))
    assert result == "no application server stands in rack 2; there are cf-1"


@pytest.mark.parametrize(
    ("burst", "first_line"),
    [
        (Burst(requests=300), "POST /transactions/reprint_boarding_pass HTTP/1.1"),
        (Burst(requests=300, needs_facility=True), "POST /transactions/check_in HTTP/1.1"),
        (Burst(requests=300, door="cf-1"), "GET /flights?from=EWR&to=CLT&date=2013-10-08 HTTP/1.1"),
    ],
    ids=["a caller alone", "a caller and the facility", "an application server"],
)
def test_a_burst_comes_asks_and_goes(tmp_path: Path, builder: FakeBuilder, burst: Burst, first_line: str) -> None:
    """So many, of whom it says, for what that door has; afterwards nobody is left of them."""
    (result,), steps = injected(tmp_path, builder, burst)
    assert result == f"300 at once to {burst.door}: 300 open in 0.0 s; then 300 answered in 0.0 s"
    assert [(step.number, step.state) for step in steps if step.state != "begin"] == [(1, "end"), (2, "end"), (3, "end"), (4, "end")]
    (burst,) = builder.bursts
    assert (burst.spec.requests, burst.spec.request.splitlines()[0], burst.there) == (300, first_line, False)


def test_a_burst_of_which_nobody_had_to_wait_has_failed(tmp_path: Path, builder: FakeBuilder) -> None:
    """Requests answered one after the other are no burst, and its connections are closed all the same."""
    builder.ineffective = True
    (result,), steps = injected(tmp_path, builder, Burst(requests=300))
    assert result == "expected more than half of 300 requests to wait or be turned away; saw: 1 waited at one time, 0 were turned away"
    assert (steps[-1].number, steps[-1].state) == (3, "failed")
    assert not builder.bursts[0].there


class OneBalancer(NoRedundancy):
    """A balancer that has found the first of two application servers so far, and finds the second by the third look, or never."""

    def __init__(self, *, finds: bool = True) -> None:
        self.finds = finds
        self.looks = 0

    async def look(self, now: Now) -> Sequence[Balancer]:
        """Return the servers as its statistics would have them."""
        self.looks += 1
        t_s, night_s = now()
        second = "UP" if self.finds and self.looks > 2 else "DOWN"
        servers = [ServerStatistics(name, status, 0, 0, 0, "L7OK") for name, status in (("cf-1", "UP"), ("cf-2", second))]
        return (Balancer(t_s=t_s, night_s=night_s, balancer="lb-1", servers=tuple(servers)),)


async def balanced(actions: Actions, builder: FakeBuilder, redundancy: OneBalancer) -> str:
    """Lose a balancer and start it again; return what its healing says."""
    facility = actions.facility
    facility.redundancy = redundancy
    await facility.runtime.start(ServiceSpec("lb-1", ""))
    builder.links["lb-1"].enabled = False
    assert (await actions.inject(BalancerLoss())).startswith("lb-1 is lost: refused in")
    assert await builder.runtime.exit("lb-1") is not None
    builder.links["lb-1"].enabled = True
    return await actions.heal(facility.active[0])


@pytest.mark.parametrize("finds", [True, False])
def test_a_balancer_that_was_lost_is_back_when_it_has_every_application_server(tmp_path: Path, *, finds: bool) -> None:
    """Killed, and refused to whoever connects; started again, it is waited for, and one that never has them all is an error."""
    builder = FakeBuilder(FacilityPlan(application_servers=2, request_threads=1, pool_size=1, callers=("kiosk",), links=("lb-1",)))

    async def losing() -> str:
        with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
            actions = await acting(builder, writer, tmp_path)
            return await balanced(actions, builder, OneBalancer(finds=finds))

    if finds:
        assert ": lb-1 is back: " in run(losing())
    else:
        with pytest.raises(WaitError, match="lb-1 did not send calls to cf-1, cf-2 within 20 s, last seen: up: cf-1"):
            run(losing())


def test_a_balancer_that_still_listens_is_not_lost(tmp_path: Path) -> None:
    """The fault has failed, and says what was seen."""
    builder = FakeBuilder(FacilityPlan(application_servers=1, request_threads=1, pool_size=1, callers=("kiosk",), links=("lb-1",)))
    run(builder.runtime.start(ServiceSpec("lb-1", "")))
    (result,), _ = injected(tmp_path, builder, BalancerLoss())
    assert "expected a connection over the link to lb-1 to be refused; saw: " in result


@pytest.mark.parametrize(("service", "filled"), [(None, {"cf-1", "cf-2"}), ("cf-2", {"cf-2"})])
def test_a_disk_that_takes_a_log_is_full_until_it_is_healed(tmp_path: Path, service: str | None, filled: set[str]) -> None:
    """Of every application server, or of one; the servers themselves say so, and nothing is left."""
    builder = FakeBuilder(FacilityPlan(application_servers=2, request_threads=1, pool_size=1, callers=("kiosk",)))

    async def filling() -> list[str]:
        with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
            actions = await acting(builder, writer, tmp_path)
            await actions.inject(DiskFull(service))
            assert builder.log_disks.filled == filled
            assert await actions.facility.left_over() == [f"the disk that takes the log of {server} is full" for server in sorted(filled)]
            await actions.heal(actions.facility.active[0])
            return await actions.facility.left_over()

    assert run(filling()) == []
    assert [step.detail for step in reader.read(tmp_path / "a.jsonl").of(Step) if step.state == "end"][1] == "; ".join(
        f"{server}: No space left on device" for server in sorted(filled)
    )


def test_a_disk_that_takes_lines_all_the_same_is_not_full(tmp_path: Path, builder: FakeBuilder) -> None:
    """The fault has failed, and says what was seen."""
    builder.log_disks.ineffective = True
    (result,), _ = injected(tmp_path, builder, DiskFull())
    assert result == "expected the next log line of cf-1 to fail with ENOSPC; saw: the line was written"


def test_a_slow_database_keeps_readers_of_flights_waiting_until_it_is_healed(tmp_path: Path, builder: FakeBuilder) -> None:
    """The lock is held while the fault is active, and no longer."""

    async def slowing() -> tuple[str, bool, str]:
        with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
            actions = await acting(builder, writer, tmp_path)
            injected = await actions.inject(SlowDatabase())
            locked = builder.database.flights.locked
            return injected, locked, await actions.heal(actions.facility.active[0])

    assert run(slowing()) == ("the table of flights is locked", True, ": the table of flights is unlocked, with 6495 flights")
    assert not builder.database.flights.locked


def test_a_lock_that_keeps_nobody_waiting_is_no_slow_database(tmp_path: Path, builder: FakeBuilder) -> None:
    """The fault has failed, and says what was seen."""
    builder.database.flights.ineffective = True
    (result,), _ = injected(tmp_path, builder, SlowDatabase())
    assert result == "expected the table of flights to be locked; saw: 6495 flights counted"


def test_nothing_does_nothing(tmp_path: Path, builder: FakeBuilder) -> None:
    """No step, and the facility is as it was."""
    assert injected(tmp_path, builder, NoFault()) == (["nothing was done"], ())
    assert builder.database.starts == 1


def test_a_fault_is_found_by_its_word() -> None:
    """One file, one word; what is no file is no fault."""
    assert {faults.load(word).__name__ for word in ("switchover", "idle_drop", "nothing")} == {"Switchover", "IdleDrop", "NoFault"}
    with pytest.raises(KeyError):
        faults.load("earthquake")
