from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from testbed.classroom.inquiry import prevention
from testbed.classroom.inquiry.prevention import Place, Replayed
from testbed.classroom.saying import say
from testbed.errors import ServiceError
from testbed.experiments import run_folders
from testbed.fakes.backend import FakeBackend
from testbed.fakes.virtual_time import run
from testbed.interactive.night import empty_trace
from testbed.plan import passengers
from testbed.plan.expectation import Expectation
from testbed.runtime import backends
from testbed.verdict import judge
from testbed.verdict.checks import CONDITION_NOT_SEEN
from testbed.verdict.finding import Finding, Verdict
from tests.nights import scenario

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.fakes.builder import FakeBuilder
    from testbed.journal.reader import Journal
    from testbed.verdict.judge import Judgement


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> FakeBackend:
    """Return the fake backend on which everything is replayed."""
    fake = FakeBackend()
    monkeypatch.setattr(backends, "of", lambda *_, **__: fake)
    return fake


def replayed(directory: Path, variant: str) -> Replayed:
    """Replay a night of a few lines."""
    return run(prevention.replay(scenario(directory), variant, Place(), directory / "runs"))


@pytest.mark.parametrize(("variant", "outcome", "held"), [("original", "grounded", False), ("fixed", "contained", True)])
def test_a_night_is_replayed_over_the_chosen_variant(
    variant: str, outcome: str, *, held: bool, tmp_path: Path, backend: FakeBackend
) -> None:
    """With the reason for its outcome; its journal is kept, and everything is taken down."""
    told = replayed(tmp_path, variant)
    assert (told.outcome, told.held, told.verdict, told.running) == (outcome, held, "held", False)
    assert told.data() == {"running": False, "outcome": outcome, "crack": told.crack, "verdict": "held", "text": told.text}
    assert told.crack == {"original": 6, "fixed": 1}[variant]
    assert {"original": "were stuck to the end", "fixed": "then every caller was served again."}[variant] in told.text
    assert [path.name for path in (tmp_path / "runs").glob("*/*.jsonl")] == [f"{variant}.jsonl"]
    assert (backend.calls, backend.builders[0].calls[-1]) == (["enter", "exit"], "tear_down")


@pytest.mark.parametrize("fails", [False, True])
def test_latest_still_leads_to_the_class_that_was_held_last(
    tmp_path: Path, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    """Also while a night is replayed, as somebody may end it in any way then, and where another class has begun meanwhile."""
    runs = tmp_path / "runs"
    led: list[Path] = []
    backend.failures = (ServiceError("cf-1 was not ready"),) if fails else ()
    one = run_folders.runs_directory(runs, "class-one")
    builder = backend.builder

    def begin(*given: Any) -> FakeBuilder:
        led.append((runs / "latest").resolve())
        run_folders.runs_directory(runs, "class-other")
        return builder(*given)

    monkeypatch.setattr(FakeBackend, "builder", lambda _, *given: begin(*given))
    replayed(tmp_path, "fixed")
    assert led == [one]
    assert (runs / "latest").resolve().name.split("-")[-2] == "other"


def test_a_kept_variant_that_the_scenario_does_not_name_can_be_chosen(tmp_path: Path, backend: FakeBackend) -> None:
    """Nothing is expected of it, and its outcome is told."""
    assert replayed(tmp_path, "checkout_timeout").outcome in ("contained", "grounded")


def test_a_variant_that_is_not_there_is_told_and_starts_nothing(tmp_path: Path, backend: FakeBackend) -> None:
    """With those that there are."""
    told = replayed(tmp_path, "rust")
    assert (told.outcome, told.crack, told.verdict, told.held) == ("unknown", None, "unknown", None)
    assert isinstance(told.text, dict)
    assert told.text["code"] == "could_not_be_replayed"
    assert told.text["why"].startswith("scenario a_night has no variant 'rust'")
    assert backend.builders == []


def test_a_facility_that_fails_is_told_and_what_became_of_the_airline_is_unknown(tmp_path: Path, backend: FakeBackend) -> None:
    """And it is taken down."""
    backend.failures = (ServiceError("cf-1 was not ready"),)
    told = replayed(tmp_path, "fixed")
    assert (told.outcome, told.text) == ("unknown", say("could_not_be_replayed", why="cf-1 was not ready"))
    assert (backend.calls, backend.builders[0].calls[-1]) == (["enter", "exit"], "tear_down")


def test_a_result_that_is_not_known_is_tried_for_again(tmp_path: Path, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times, each in a facility of its own; then it stays unknown, with why."""
    plan = scenario(tmp_path)
    monkeypatch.setattr(passengers, "of", empty_trace)
    told = run(prevention.replay(plan, "fixed", Place(), tmp_path / "runs"))
    assert (told.outcome, told.held) == ("unknown", None)
    assert isinstance(told.text, dict)
    assert told.text["code"] == "became_unknown"
    assert len(backend.builders) == 3


def test_a_replay_that_cannot_be_believed_has_no_outcome(tmp_path: Path, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the load generator was late with every request; but for a restart that waited for a hang which never came."""
    judge_ = judge.judge

    def doubted(journal: Journal, code: str) -> Judgement:
        judgement = judge_(journal)
        finding = Finding("open_loop", Verdict.UNKNOWN, "99 % within 1002 ms of when they were due", code=code)
        return replace(judgement, findings=(*judgement.findings, finding))

    for code, outcome, builders in (("", "unknown", 3), (CONDITION_NOT_SEEN, "contained", 4)):
        monkeypatch.setattr(judge, "judge", partial(doubted, code=code))
        told = replayed(tmp_path, "fixed")
        assert (told.outcome, len(backend.builders)) == (outcome, builders)
        assert code or told.text == say("became_unknown", why="99 % within 1002 ms of when they were due")


@pytest.mark.parametrize(
    ("expect", "held", "said"),
    [
        (Expectation(outcome=("contained",), crack=(0, 1)), True, "then every caller was served again."),
        (Expectation(outcome=("contained",), crack=(0,)), False, "crack 1 (lookup), expected 0 (nothing); "),
        (Expectation(outcome=("unharmed",)), False, "then every caller was served again."),
        (Expectation(outcome=("contained",), recovery_lag_s=1.0), None, "recovery standby"),
    ],
)
def test_a_prevention_holds_if_it_meets_all_that_is_expected_of_it(
    expect: Expectation, held: object, said: str, tmp_path: Path, backend: FakeBackend
) -> None:
    """Not only its outcome; what else was missed is told first, and where something is not known, neither is that."""
    plan = scenario(tmp_path)
    plan = replace(plan, variants=(replace(plan.variant("fixed"), expect=expect),))
    told = run(prevention.replay(plan, "fixed", Place(), tmp_path / "runs"))
    assert (told.outcome, told.held) == ("contained", held)
    assert said in told.text


def test_a_replay_that_is_cancelled_takes_everything_down(tmp_path: Path, backend: FakeBackend) -> None:
    """Whoever chose another prevention need not wait for this one."""
    plan = scenario(tmp_path)

    async def cancel() -> None:
        task = asyncio.ensure_future(prevention.replay(plan, "original", Place(), tmp_path / "runs"))
        await asyncio.sleep(1.0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run(cancel())
    assert (backend.calls, backend.builders[0].calls[-1]) == (["enter", "exit"], "tear_down")


def test_what_runs_is_not_known_yet() -> None:
    """Neither whether it holds, nor how far the crack goes."""
    told = prevention.running("fixed")
    assert (told.running, told.held, told.outcome, told.crack) == (True, None, "unknown", None)


def test_what_was_replayed_here_counts_for_more_than_what_is_kept() -> None:
    """And what is kept, for more than nothing."""
    replays = {
        "fixed": Replayed("contained", 1, "held", "", held=True),
        "pre_ping": Replayed("grounded", 6, "held", "", held=False),
        "bulkhead": Replayed("unknown", None, "unknown", ""),
        "recycle": prevention.running("recycle"),
    }
    kept = {"fixed": False, "pre_ping": True, "bulkhead": True, "checkout_timeout": False}
    variants = ("fixed", "pre_ping", "bulkhead", "recycle", "checkout_timeout", "hardened")
    assert prevention.held(variants, replays, kept) == {
        "fixed": True,
        "pre_ping": False,
        "bulkhead": True,
        "recycle": None,
        "checkout_timeout": False,
        "hardened": None,
    }


def test_the_kept_matrix_has_what_became_of_each_variant() -> None:
    """Of the night of the case; of a night that it does not have, nothing."""
    kept = prevention.measured("the_night", "processes")
    assert (kept["original"], kept["fixed"]) == (False, True)
    assert prevention.measured("no_such_night", "processes") == {}


def test_what_the_kept_matrix_does_not_have_is_not_known() -> None:
    """It has outcome and crack; a variant that fails in one of them does not hold, whatever else is expected."""

    def fixed(**expect: object) -> bool | None:
        return prevention.measured("the_night", "processes", Expectation.model_validate(expect))["fixed"]

    assert fixed(outcome=["contained"], crack=[0, 1]) is True
    assert fixed(outcome=["contained"], crack=[0]) is False
    assert fixed(outcome=["unharmed"]) is False
    assert fixed(outcome=["contained"], root={"code": "nobody"}) is None
    assert fixed(outcome=["unharmed"], root={"code": "nobody"}) is False
