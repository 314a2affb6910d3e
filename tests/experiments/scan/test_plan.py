from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from testbed import faults, scenario_file
from testbed.errors import FacilityError, UsageError
from testbed.experiments.scan import plan
from testbed.experiments.scan.plan import Wanted
from testbed.fakes.backend import FakeBackend
from testbed.faults.backlog_full import BacklogFull
from testbed.faults.latency import Latency
from testbed.faults.refuse import Refuse
from testbed.plan.topology import FacilityPlan
from tests.nights import RESTART, scenario

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.plan.scenario import Scenario

EVERYTHING = frozenset({"links", "processes", "firewall"})  # more than one runtime has
ONLY_FIREWALL = "fault 'packet_loss' needs 'firewall', which runtime 'fakes' does not provide"
OF_A_SERVICE = ("backlog_full", "disk_full")
LINKS = ("database", "cf-1", "cf-2", "kiosk", "ivr")


def backend(capabilities: frozenset[str] = EVERYTHING, slowdown: float = 1.0) -> FakeBackend:
    """Make a backend of fakes that provides something."""
    return FakeBackend(capabilities=capabilities, slowdown=slowdown)


@pytest.fixture
def morning() -> Scenario:
    """Return the scenario that is scanned when none is named."""
    return scenario_file.load(scenario_file.find("morning"))


def test_every_link_is_broken_with_every_fault_that_it_can_have(morning: Scenario) -> None:
    """One that stays, at the time of the scenario's first step, over the same facility, night and passengers; first, nothing at all."""
    made = plan.plan(morning, Wanted(), backend())
    control, *breaks = made.breaks
    linked = [word for word in plan.words() if word not in OF_A_SERVICE]
    assert (control.link, control.fault) == ("", "nothing")
    assert control.scenario.facility.links == LINKS[1:]
    assert {(injection.link, injection.fault) for injection in breaks} == {
        *((link, word) for link in LINKS for word in linked),
        *((server, word) for server in ("cf-1", "cf-2") for word in OF_A_SERVICE),
    }
    for injection in breaks:
        (step,) = injection.scenario.steps
        assert (step.word, step.at_night_s) == (injection.fault, morning.steps[0].at_night_s)
        assert (injection.scenario.night, injection.scenario.workload) == (morning.night, morning.workload)
        assert [variant.name for variant in injection.scenario.variants] == ["original"]
    assert made.left_out == ()


def test_only_the_link_that_is_broken_has_a_proxy(morning: Scenario) -> None:
    """That to the database is the virtual IP; a full listen queue is the service's own, and no proxy may stand before it."""
    made = plan.plan(morning, Wanted(faults=["refuse", "backlog_full"], links=["database", "cf-2"]), backend())
    assert [(broken.link, broken.scenario.steps[0].action, broken.scenario.facility.links) for broken in made.breaks[1:]] == [
        ("database", Refuse("database"), ()),
        ("cf-2", Refuse("cf-2"), ("cf-2",)),
        ("cf-2", BacklogFull("cf-2"), ()),
    ]


def test_no_fault_is_forgotten() -> None:
    """Each in the registry that takes a link or a service can be made: what it cannot do without has a value."""
    facility = FacilityPlan()
    for word in plan.words():
        assert plan.no_value(word) == (), f"{word} needs a value in testbed/experiments/scan/plan.py, VALUES"
        assert any(plan.fault_on(link, word, facility) is not None for link in facility.link_names), word
    assert set(plan.VALUES) <= set(plan.words())
    assert plan.fault_on("kiosk", "latency", facility) == Latency(120_000, link="kiosk")
    assert "switchover" not in plan.words()


def test_a_fault_without_a_value_is_left_out_with_the_reason(morning: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to scan nothing; one that was asked for by name is refused."""
    monkeypatch.setattr(plan, "VALUES", {})
    made = plan.plan(morning, Wanted(), backend())
    assert made.left_out == ("fault latency: there is no value for its latency_ms in testbed/experiments/scan/plan.py, VALUES",)
    assert "latency" not in {injection.fault for injection in made.breaks}
    with pytest.raises(FacilityError, match="no value for its latency_ms"):
        plan.plan(morning, Wanted(faults=["latency"]), backend())


def test_a_fault_that_the_runtime_cannot_do_is_left_out_with_the_reason(morning: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what the fault says that it needs."""

    @dataclass(frozen=True)
    class Flood(Refuse):
        needs = "balancers"

    load = faults.load
    monkeypatch.setattr(faults, "load", lambda word: Flood if word == "refuse" else load(word))
    assert plan.plan(morning, Wanted(), backend()).left_out == ("fault 'refuse' needs 'balancers', which runtime 'fakes' does not provide",)


def test_where_links_have_no_proxies_the_one_to_the_database_is_scanned(morning: Scenario) -> None:
    """And that is said; others that are asked for by name are refused."""
    made = plan.plan(morning, Wanted(), backend(frozenset()))
    assert {injection.link for injection in made.breaks} == {"", "database"}
    assert made.breaks[0].scenario.facility.links == ()
    assert made.left_out == ("links cf-1, cf-2, kiosk, ivr: runtime 'fakes' has a proxy on the link to the database only", ONLY_FIREWALL)
    with pytest.raises(FacilityError, match="kiosk cannot be broken there; choose another with --runtime"):
        plan.plan(morning, Wanted(links=["database", "kiosk"]), backend(frozenset()))


def test_each_variant_has_its_own_map(morning: Scenario) -> None:
    """Service groups change who connects to what; a variant is the scenario's own, or a kept one."""
    made = plan.plan(morning, Wanted(variants=["original", "service_groups", "original"], links=["database"], faults=["refuse"]), backend())
    assert {name: [(point.who, point.link) for point in points if point.link.startswith("cf")] for name, points in made.points.items()} == {
        "original": [(("kiosk", "ivr"), "cf-1"), (("kiosk", "ivr"), "cf-2")],
        "service_groups": [(("kiosk",), "cf-1"), (("ivr",), "cf-2")],
    }
    assert [(injection.variant, injection.fault) for injection in made.breaks] == [
        ("original", "nothing"),
        ("original", "refuse"),
        ("service_groups", "nothing"),
        ("service_groups", "refuse"),
    ]
    assert made.breaks[-1].scenario.variants[0].settings.facility.service_groups


def test_the_night_goes_by_slower_where_that_is_needed(morning: Scenario) -> None:
    """As it does in a replay there."""
    assert plan.plan(morning, Wanted(), backend(slowdown=2.0)).breaks[1].scenario.night.speed == morning.night.speed / 2


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Wanted(variants=["fixd"]), "--variant: found 'fixd', did you mean fixed?; allowed: original, fixed, sqlalchemy_connection"),
        (Wanted(faults=["switchover"]), "--fault: found 'switchover'; allowed: backlog_full, cable_pulled, disconnect"),
        (Wanted(links=["partner"]), "--link: found 'partner'; allowed: database, cf-1, cf-2, kiosk, ivr"),
        (Wanted(transaction="search"), "--transaction: found 'search'; allowed: check_in, reprint_boarding_pass, flight_status"),
        (Wanted(faults=["backlog_full"], links=["database"]), "none of backlog_full can be on the link to database"),
        (
            Wanted(transaction="baggage_allowance"),
            "baggage_allowance does not need the facility; of scenario morning choose one of check_in, flight_status",
        ),
    ],
    ids=str,
)
def test_what_is_not_there_is_refused_with_what_is(morning: Scenario, wanted: Wanted, message: str) -> None:
    """In one line, before anything is started."""
    with pytest.raises(UsageError) as refused:
        plan.plan(morning, wanted, backend())
    assert message in str(refused.value)


def test_a_scenario_without_a_time_for_the_fault_is_refused(tmp_path: Path) -> None:
    """A step that waits for something to be seen would wait for ever where nothing was done."""
    with pytest.raises(UsageError, match="has no step with `at`"):
        plan.plan(scenario(tmp_path, RESTART), Wanted(), backend())


def test_a_transaction_that_is_too_rare_to_tell_anything_is_refused(morning: Scenario) -> None:
    """Every effect would be unknown, after all the work."""
    rare = morning.with_overrides(rate_per_minute=1)
    with pytest.raises(
        UsageError, match=r"^--transaction: of scenario morning only \d check_in are due .*, 10 are needed to tell what stops"
    ):
        plan.plan(rare, Wanted(), backend())


def test_a_scenario_that_needs_more_than_the_runtime_has_is_refused() -> None:
    """As its replay would be."""
    with pytest.raises(FacilityError, match="'two_arrays' needs 'balancers' and 'recovery' and 'backups'"):
        plan.plan(scenario_file.load(scenario_file.find("two_arrays")), Wanted(), backend())
