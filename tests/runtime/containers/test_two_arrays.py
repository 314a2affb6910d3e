from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from testbed import scenario_file
from testbed.errors import FacilityError, ScenarioError
from testbed.facility.load_generator import AnsweredRequest
from testbed.facility.redundancy import NoRedundancy
from testbed.facility.runtime import RUNTIMES
from testbed.journal.events import BackupTaken, Ledger, OperationEvent, Recovery, Restored
from testbed.plan.scenario import NEEDS
from testbed.plan.trace import TraceRequest
from testbed.runtime import backends
from testbed.runtime.containers import balancers
from testbed.runtime.postgres import ledger
from testbed.runtime.postgres.lag import Lag
from testbed.verdict import changes, checks, figures
from testbed.verdict.finding import Verdict
from tests.journals import NightBuilder, contained_night

CSV = (
    "# pxname,svname,qcur,scur,stot,status,check_status,\n"
    "application_servers,cf-1,2,3,40,UP,L7OK,\n"
    "application_servers,cf-2,0,0,0,DOWN,* L4CON,\n"
    "application_servers,BACKEND,0,3,40,UP,,\n"
)


def verdict_of(night: NightBuilder, check: str, expected: object) -> Verdict:
    """Return the verdict of one check."""
    return checks.load(check)(night.journal(), figures.of(night.journal()), expected).verdict


def recovered(*lags: float | None) -> NightBuilder:
    """Return a night with a switchover at 1 s, and samples of the standby from 0.5 s on, a second apart."""
    night = contained_night()
    night.events += [
        Recovery(**night.at(0.5 + number), standby="dr", lag_s=lag_s, lag_bytes=0, state="streaming") for number, lag_s in enumerate(lags)
    ]
    return night


@pytest.mark.fact("C2")
@pytest.mark.parametrize(
    ("lags", "verdict"),
    [
        ((0.0, 1.0, 0.0), Verdict.HELD),
        ((0.0, 301.0, 0.0), Verdict.BROKEN),
        ((0.0, 1.0, 2.0), Verdict.BROKEN),
        ((None, None), Verdict.UNKNOWN),
        ((), Verdict.UNKNOWN),
    ],
    ids=["follows", "too far behind", "followed no more after the switchover", "no answer", "no standby"],
)
def test_a_standby_is_never_too_far_behind_and_goes_on_after_the_switchover(lags: tuple[float | None, ...], verdict: Verdict) -> None:
    """Both are judged; where nothing is known, the verdict is unknown."""
    assert verdict_of(recovered(*lags), "recovery_lag_s", 300.0) is verdict


@pytest.mark.fact("C2")
@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.HELD),
        ({"in_database": 2}, Verdict.BROKEN),
        ({"in_standby": 2}, Verdict.BROKEN),
        ({"error": "no answer", "in_database": None, "in_standby": None}, Verdict.UNKNOWN),
        ({"answered": 0, "in_database": 0, "in_standby": 0}, Verdict.UNKNOWN),
    ],
    ids=["whole", "lost", "not on the standby", "not counted", "nothing to count"],
)
def test_a_ledger_is_complete_when_every_answer_is_in_both(changes: dict[str, object], verdict: Verdict) -> None:
    """A row that is missing in either breaks it."""
    night = contained_night()
    complete = Ledger(**night.at(6.0), transaction="check_in", answered=3, in_database=3, in_standby=3)
    night.events.append(replace(complete, **changes))  # type: ignore[arg-type]
    assert verdict_of(night, "ledger", "complete") is verdict


@pytest.mark.fact("C2")
@pytest.mark.parametrize(
    ("changes", "expected", "verdict"),
    [
        ({}, 1, Verdict.HELD),
        ({}, 2, Verdict.BROKEN),
        ({"missing": 1}, 1, Verdict.BROKEN),
        ({"strangers": 1}, 1, Verdict.BROKEN),
        ({"error": "it does not start", "missing": None, "strangers": None}, 1, Verdict.UNKNOWN),
        ({"backup": "another"}, 1, Verdict.UNKNOWN),
    ],
    ids=["good", "too few", "rows missing", "rows of nowhere", "not restored", "not tried"],
)
def test_a_backup_counts_when_it_was_restored_and_reads_the_same(changes: dict[str, object], expected: int, verdict: Verdict) -> None:
    """Taking one proves nothing."""
    night = contained_night()
    restored = Restored(**night.at(6.0), backup="b", took_s=1.0, rows={"flights": 3}, strangers=0, missing=0)
    night.events += [
        BackupTaken(**night.at(2.0), backup="b", began_s=1.5, took_s=0.5, size_bytes=1),
        replace(restored, **changes),  # type: ignore[arg-type]
    ]
    assert verdict_of(night, "backups", expected) is verdict


def test_a_backup_is_neither_trouble_nor_a_change() -> None:
    """The first fault of a night stays the first fault, and what was due after a backup is not counted apart."""
    night = NightBuilder()
    for state in ("begin", "end"):
        night.events.append(OperationEvent(**night.at(0.5), operation="backup", id=1, state=state))  # type: ignore[arg-type]
    assert (changes.first_fault(night.journal()), changes.first_change(night.journal()), changes.last_change(night.journal())) == (
        *(None, None, None),
    )


def test_with_no_traffic_there_is_no_lag() -> None:
    """However long there is no commit: the standby has all of the log."""
    lag = Lag()
    assert [lag.add(t_s, 100, 100) for t_s in (0.0, 1.0, 1000.0)] == [(0.0, 0)] * 3


def test_the_lag_counts_from_when_the_standby_last_had_everything() -> None:
    """The lag grows while the standby applies nothing or neither answers, and is zero when the standby has caught up."""
    lag = Lag()
    assert lag.add(0.0, None, 90) == (None, None)
    assert lag.add(1.0, 100, 100) == (0.0, 0)
    assert lag.add(2.0, 150, 100) == (1.0, 50)
    assert lag.add(3.0, 200, 150) == (1.0, 50)
    assert lag.add(4.0, None, None) == (2.0, None)
    assert lag.add(5.0, 200, 200) == (0.0, 0)


def test_a_balancers_statistics_are_those_of_the_servers() -> None:
    """Sessions, queue and check of each; the sums are left out, and a text that is no statistics has none."""
    servers = balancers.parse(CSV, ("cf-1", "cf-2"))
    assert [(server.server, server.status, server.sessions, server.sessions_total, server.queue, server.check) for server in servers] == [
        ("cf-1", "UP", 3, 40, 2, "L7OK"),
        ("cf-2", "DOWN", 0, 0, 0, "L4CON"),
    ]
    assert balancers.parse("<html>", ("cf-1",)) == balancers.parse("", ("cf-1",)) == ()


def answer(transaction: str, passenger: str, answered_s: float = 1.0) -> AnsweredRequest:
    """Return an answer to a passenger of UA 1."""
    return AnsweredRequest(TraceRequest(1, 0.0, "kiosk", transaction, passenger, "2013-10-07", "UA", 1, "EWR", "BOS"), answered_s)


def row(passenger: str) -> str:
    """Return a row of that passenger."""
    return f'{{"passenger": "{passenger}", "date": "2013-10-07", "carrier": "UA", "flight": 1}}'


def test_checking_in_twice_is_one_row_and_booking_twice_is_two() -> None:
    """So the ledger misses a booking that has only one row."""
    answers = [answer("check_in", "a"), answer("check_in", "a"), answer("book", "a"), answer("book", "a"), answer("search", "a")]
    check_ins, bookings = ledger.entries(answers)
    tables = {"check_ins": (row("a"),), "bookings": (row("a"),)}
    assert (check_ins.missing(tables).total(), bookings.missing(tables)) == (0, Counter({"a on UA 1 of 2013-10-07": 1}))


def test_a_backup_must_have_what_was_answered_before_it_and_no_unexpected_row() -> None:
    """What came later may be missing in it; a flight may not."""
    before = ledger.entries([answer("check_in", "a"), answer("check_in", "late", 9.0)], 5.0)
    database = {"check_ins": (row("a"), row("late")), "bookings": (), "flights": ("1", "2")}
    assert ledger.compare({**database, "check_ins": (row("a"),)}, database, before) == (0, 0)
    assert ledger.compare({"check_ins": (row("x"),), "bookings": (), "flights": ("1",)}, database, before) == (1, 2)


async def test_without_redundancy_there_are_no_events_and_no_backup_is_taken() -> None:
    """The do-nothing twin says what a scenario should have said."""
    assert (*await NoRedundancy().look(lambda: (0.0, 0.0)), *await NoRedundancy().count((), lambda: (0.0, 0.0))) == ()
    with pytest.raises(FacilityError, match="no off-site backups"):
        await NoRedundancy().take_backup(0.0)


def test_what_a_scenario_may_need_is_what_runtimes_have() -> None:
    """No more words, and no fewer."""
    assert {capability for name in RUNTIMES for capability in backends.of(name).capabilities} == set(NEEDS)


def test_a_scenario_that_needs_more_is_told_what_and_where() -> None:
    """The line names the scenario, what is lacking, and the runtime."""
    plan = scenario_file.load(scenario_file.find("two_arrays"))
    assert backends.of("processes").lacks(plan) == (
        "scenario 'two_arrays' needs 'balancers' and 'recovery' and 'backups', which runtime 'processes' does not provide; "
        "choose another with --runtime"
    )
    assert backends.of("containers").lacks(plan) == ""


def test_a_scenario_must_ask_for_what_it_cannot_do_without(tmp_path: Path) -> None:
    """A step and an expectation are both named; a word that is none is refused."""
    text = scenario_file.find("two_arrays").read_text().replace('["balancers", "recovery", "backups"]', '["recovry"]')
    path = tmp_path / "a.toml"
    path.write_text(
        text.replace("variants.fixed", "variants.mine").replace(
            "[variants.mine.expect]", "[variants.mine.settings]\n[variants.mine.expect]"
        )
    )
    with pytest.raises(ScenarioError) as raised:
        scenario_file.load(path)
    for part in ("did you mean recovery?", "which backup requires", "variants.mine.expect.ledger"):
        assert part in str(raised.value)
