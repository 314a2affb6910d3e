from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file
from testbed.errors import ProxyError, ScenarioError
from testbed.fakes.link import FakeLink
from testbed.journal.events import FaultOver, Healed, OperationEvent, Service, Step
from testbed.verdict import changes, checks, figures, judge, stuck_spans
from testbed.verdict.finding import Verdict
from tests.journals import contained_night
from tests.nights import SMALL, Flight, flown, scenario

if TYPE_CHECKING:
    from testbed.journal.reader import Journal

CASES = Path(__file__).parents[1] / "cases"
SILENCE = '[[timeline]]\nat = "23:00"\nfault = "silence"\n'
HEAL = '[[timeline]]\nat = "23:30"\noperation = "heal"\nof = "silence"\n'
BACKLOG_FULL = '[[timeline]]\nat = "23:00"\nfault = "backlog_full"\n'
RACK_LOSS = '[[timeline]]\nat = "23:10"\nfault = "rack_loss"\n'
RESTART = '[[timeline]]\nat = "04:00"\noperation = "restart"\nservices = ["cf-1"]\n'


def test_a_fault_that_nobody_heals_is_undone_when_the_night_is_over() -> None:
    """After the last thing that is looked at, and nothing is left of it."""
    journal = flown("fixed", SILENCE)
    (healed,) = journal.of(Healed)
    assert (healed.faults, healed.left) == (("silence",), ())
    undone = [step for step in journal.of(Step) if step.step.startswith("remove silence")]
    assert undone
    last = max(sample.t_s for service in stuck_spans.services(journal) for sample in stuck_spans.samples_of(journal, service))
    assert last <= min(step.t_s for step in undone)
    assert checks.load("healed")(journal, figures.of(journal), None).verdict is Verdict.HELD


def test_a_fault_that_is_healed_by_hand_is_not_healed_again() -> None:
    """It was over; the healing is an operation of the timeline."""
    journal = flown("fixed", SILENCE + HEAL)
    assert [(operation.operation, operation.state) for operation in journal.of(OperationEvent)] == [
        *(("silence", "begin"), ("silence", "end"), ("heal", "begin"), ("heal", "end")),
    ]
    assert journal.of(Healed)[0].faults == ()


def test_a_healing_that_fails_leaves_the_verdict_unknown_and_the_facility_to_be_thrown_away(tmp_path: Path) -> None:
    """What is left is told by name, and the fault stays noted as active."""
    flight = Flight(scenario(tmp_path, SILENCE), "fixed", tmp_path)
    flight.builder.virtual_ip.broken = ProxyError("the fault proxy is gone")
    journal = flight.fly()
    (healed,) = journal.of(Healed)
    assert healed.left == (
        "silence: the fault proxy is gone",
        "the link to database has the toxic silence_upstream",
        "the link to database has the toxic silence_downstream",
    )
    assert checks.load("healed")(journal, figures.of(journal), None).verdict is Verdict.UNKNOWN


def test_a_fault_that_did_not_bite_leaves_the_verdict_unknown(tmp_path: Path) -> None:
    """A night in which nothing was done tells nothing of what it would have done."""
    flight = Flight(scenario(tmp_path, SILENCE), "fixed", tmp_path)
    flight.builder.ineffective = True
    judgement = judge.judge(flight.fly())
    (timeline,) = [finding for finding in judgement.findings if finding.check == "timeline"]
    assert timeline.verdict is Verdict.UNKNOWN
    assert "to be silent; saw: " in timeline.text


async def test_what_is_left_on_a_link_is_told(tmp_path: Path) -> None:
    """A toxic, a disabled link, attempts that are dropped, a paused service."""
    flight = Flight(scenario(tmp_path, SILENCE, facility=SMALL), "fixed", tmp_path)
    facility = await flight.builder.build()
    assert await facility.left_over() == []
    facility.links["cf-1"] = FakeLink("cf-1", enabled=False, on={"latency_downstream": {"latency": 1}})
    await facility.runtime.pause("cf-2")
    flight.builder.packet_filter.dropped.append("kiosk")
    assert await facility.left_over() == [
        "attempts to connect to kiosk are dropped",
        "the link to cf-1 has the toxic latency_downstream",
        "the link to cf-1 is disabled",
        "cf-2 is paused",
    ]
    await facility.runtime.resume("cf-2")
    assert "cf-2 is paused" not in await facility.left_over()
    await flight.builder.tear_down()


def test_old_journals_of_faults_that_leave_nothing_still_hold() -> None:
    """Of before faults were healed; of any other fault nobody looked, and that is unknown."""
    night = contained_night()
    night.events = [event for event in night.events if not isinstance(event, Healed)]
    assert checks.load("healed")(night.journal(), figures.of(night.journal()), None).verdict is Verdict.HELD
    night.events.append(OperationEvent(t_s=1.0, night_s=1.0, operation="silence", id=2, state="begin"))
    assert checks.load("healed")(night.journal(), figures.of(night.journal()), None).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        (HEAL, "timeline: a step heals 'silence'; allowed: nothing: no fault here can be undone"),
        (SILENCE + HEAL.replace('"silence"', '"latency"'), "timeline: a step heals 'latency'; allowed: silence"),
        (
            SILENCE + '[variants.detected]\nexpect.outcome = "unharmed"\nsettings.facility.database_keepalives_s = 1\n',
            'needs: lacks "firewall", which variants.detected.settings.facility.database_keepalives_s requires; add it',
        ),
        (
            SILENCE + '[variants.apart]\nexpect.outcome = "unharmed"\nsettings.facility.service_groups = "own_databases"\n',
            'needs: lacks "processes", which variants.apart.settings.facility.service_groups requires; add it',
        ),
        (
            SILENCE + '[variants.wrong]\nexpect.outcome = "grounded"\nsettings.facility.database_address = "physical"\n',
            'needs: lacks "processes", which variants.wrong.settings.facility.database_address requires; add it',
        ),
        (
            SILENCE + '[variants.wrong]\nexpect.outcome = "grounded"\nsettings.facility.other_psycopg = "3.0.5"\n',
            'needs: lacks "processes", which variants.wrong.settings.facility.other_psycopg requires; add it',
        ),
        (
            SILENCE + '[variants.wrong]\nexpect.outcome = "grounded"\nsettings.facility.database_address = "db-1"\n',
            'variants.wrong.settings.facility.database_address: found "db-1"; input should be ' + "'virtual_ip' or 'physical'",
        ),
        (
            SILENCE + 'link = "cf-9"\n',
            "timeline.0.link: found 'cf-9', did you mean cf-2?; allowed: " + "database, cf-1, cf-2, kiosk, ivr, partner",
        ),
        (SILENCE + 'link = "cf-1"\n', 'needs: lacks "links", which silence on the link to cf-1 requires; add it'),
        (
            SILENCE.replace("silence", "backlog_full") + 'service = "cf-7"\n',
            "timeline.0.service.0: found 'cf-7', did you mean cf-2?; allowed: cf-1, cf-2",
        ),
        (
            SILENCE.replace("silence", "burst") + 'door = "kisok"\n',
            "timeline.0.door: found 'kisok', did you mean kiosk?; allowed: kiosk, ivr, partner, cf-1, cf-2",
        ),
    ],
)
def test_a_wrong_healing_or_link_is_refused_before_anything_starts(tmp_path: Path, timeline: str, expected: str) -> None:
    """With what was found and what is allowed."""
    with pytest.raises(ScenarioError) as caught:
        scenario(tmp_path, timeline)
    assert [mistake for mistake in caught.value.mistakes if mistake.split(";")[0].split(":")[0] == expected.split(":", maxsplit=1)[0]] == [
        expected
    ]


def test_a_scenario_has_a_proxy_on_each_link_that_its_faults_name(tmp_path: Path) -> None:
    """Beside the virtual IP, which every facility has."""
    path = tmp_path / "a_night.toml"
    scenario(tmp_path, SILENCE)
    path.write_text('needs = ["links"]\n' + path.read_text().replace('fault = "silence"', 'fault = "silence"\nlink = "kiosk"'))
    assert scenario_file.load(path).facility.links == ("kiosk",)


def _doubts(journal: Journal) -> list[str]:
    """Return what makes a night unbelievable."""
    return [finding.text for finding in judge.judge(journal).doubts]


def test_a_fault_whose_victim_was_replaced_is_over() -> None:
    """The journal says so when the stopped process is killed; healing it by hand then finds nothing to do, and that is no failure."""
    journal = flown("fixed", BACKLOG_FULL + RESTART + HEAL.replace("23:30", "05:00").replace("silence", "backlog_full"))
    (over,) = journal.of(FaultOver)
    assert (over.fault, over.id) == ("backlog_full", 1)
    assert over.detail == "the stopped process of cf-1 is gone, and its listen queue with it"
    assert over.t_s == next(event.t_s for event in journal.of(Service) if event.state == "started")
    (healed,) = [event for event in journal.of(OperationEvent) if event.operation == "heal" and event.state == "end"]
    assert healed.detail == f"nothing is left to heal: backlog_full: {over.detail}"
    assert (journal.of(Healed)[0].faults, journal.of(Healed)[0].left) == ((), ())
    assert _doubts(journal) == []
    assert changes.active_spans(journal) == [(journal.of(OperationEvent)[0].t_s, over.t_s)]  # a silence after it has no excuse


def test_two_servers_that_stand_still_are_healed_each_with_its_own_queue() -> None:
    """Of each it is verified that the clients who waited at it are served."""
    second = BACKLOG_FULL.replace("23:00", "23:10") + 'service = "cf-2"\n'
    journal = flown("fixed", BACKLOG_FULL + second)
    assert journal.of(Healed)[0].faults == ("backlog_full", "backlog_full")
    verified = [step for step in journal.of(Step) if step.step.startswith("verify that the clients") and step.state == "end"]
    assert [bool(step.detail) for step in verified] == [True, True]
    assert _doubts(journal) == []


def test_a_server_that_stands_still_cannot_be_stopped_once_more() -> None:
    """The step fails and says so; the first is healed as if there had been no second."""
    journal = flown("fixed", BACKLOG_FULL + BACKLOG_FULL.replace("23:00", "23:10"))
    (failed,) = [event.detail for event in journal.of(OperationEvent) if event.state == "failed"]
    assert failed == "cf-1 is stopped already, and its listen queue full; allowed: after `heal`, or another server"
    assert journal.of(Healed)[0].left == ()


def test_the_restart_of_a_stopped_server_has_a_clear_verdict(tmp_path: Path) -> None:
    """The case that was `unknown`, because the healing waited for clients of a queue that was gone."""
    plan = scenario_file.load(CASES / "restart_the_stopped.toml")
    assert judge.judge(Flight(plan, "original", tmp_path).fly()).verdict is Verdict.HELD


def test_a_lost_rack_that_the_operator_starts_again_is_over() -> None:
    """Nothing is left to be started; healed by its own healing, it is healed and not over."""
    journal = flown("fixed", RACK_LOSS + RESTART)
    assert [over.detail for over in journal.of(FaultOver)] == ["somebody started cf-1 of rack 1 again"]
    assert _doubts(journal) == []
    journal = flown("fixed", RACK_LOSS)
    assert (journal.of(FaultOver), journal.of(Healed)[0].faults) == ((), ("rack_loss",))


@pytest.mark.parametrize("fault", ["silence", "refuse", "latency", "trickle", "reset", "disconnect", "idle_drop", "unreachable"])
def test_a_link_is_healed_although_its_service_is_down(tmp_path: Path, fault: str) -> None:
    """What was put on it is removed; nobody is there who could answer, and that is no failure of the healing."""
    parameters = 'link = "cf-1"\n' + ("latency_ms = 300\n" if fault == "latency" else "")
    path = tmp_path / "a_night.toml"
    scenario(tmp_path, SILENCE.replace("silence", fault) + parameters.replace('"cf-1"', '"database"') + RACK_LOSS)
    heal = HEAL.replace("silence", fault)
    path.write_text('needs = ["links"]\n' + path.read_text().replace('"database"', '"cf-1"').replace(RACK_LOSS, RACK_LOSS + heal))
    flight = Flight(scenario_file.load(path), "fixed", tmp_path)
    journal = flight.fly()
    verified = [step for step in journal.of(Step) if step.step == "leave the link to cf-1 unverified" and step.state == "end"]
    assert [step.detail for step in verified] == ["cf-1 is down"]
    assert [event.detail for event in journal.of(OperationEvent) if event.state == "failed"] == []
    assert (flight.builder.links["cf-1"].on, journal.of(Healed)[0].left) == ({}, ())


def test_a_disk_is_freed_although_its_server_is_down() -> None:
    """A server that does not run cannot be asked to log a line."""
    journal = flown("fixed", SILENCE.replace("silence", "disk_full") + RACK_LOSS + HEAL.replace("silence", "disk_full"))
    assert [event.detail for event in journal.of(OperationEvent) if event.state == "failed"] == []


def test_a_fault_that_is_over_and_never_began_is_a_contradiction() -> None:
    """No replay writes that."""
    night = contained_night()
    night.events.insert(-3, FaultOver(**night.at(9.0), fault="silence", id=9, detail="gone"))
    finding = checks.load("consistent")(night.journal(), figures.of(night.journal()), None)
    assert "silence is over, which never began" in finding.text


def test_a_lock_ends_with_the_server_that_a_switchover_stops(tmp_path: Path) -> None:
    """The journal says so when the database has moved."""
    slow, moves = SILENCE.replace("silence", "slow_database"), SILENCE.replace("23:00", "04:00").replace("silence", "switchover")
    path = tmp_path / "a_night.toml"
    scenario(tmp_path, moves)
    path.write_text('needs = ["processes"]\n' + path.read_text().replace(moves, slow + moves))
    journal = Flight(scenario_file.load(path), "fixed", tmp_path).fly()
    assert [over.detail for over in journal.of(FaultOver)] == ["the session that held the lock ended with the database server on db-1"]
    assert (journal.of(Healed)[0].faults, journal.of(Healed)[0].left) == ((), ())
