from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed import scenario_file
from testbed.errors import ProxyError, ScenarioError
from testbed.fakes.link import FakeLink
from testbed.journal.events import Healed, OperationEvent, Step
from testbed.verdict import checks, figures, judge, stuck_spans
from testbed.verdict.finding import Verdict
from tests.journals import contained_night
from tests.nights import SMALL, Flight, flown, scenario

if TYPE_CHECKING:
    from pathlib import Path

SILENCE = '[[timeline]]\nat = "23:00"\nfault = "silence"\n'
HEAL = '[[timeline]]\nat = "23:30"\noperation = "heal"\nof = "silence"\n'


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
