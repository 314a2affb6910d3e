from __future__ import annotations

import dataclasses
from collections import deque
from contextlib import aclosing, contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testbed.errors import ServiceError
from testbed.experiments import batch
from testbed.experiments.batch import BuildAhead, replay_all
from testbed.fakes.backend import FakeBackend
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.virtual_time import run
from testbed.plan.settings import CallerSettings, ServerSettings, Settings
from testbed.runtime import backends
from testbed.verdict import judge
from testbed.verdict.finding import Verdict
from testbed.verdict.result import Result
from tests.nights import Notes, scenario, trace_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.journal.reader import Journal
    from testbed.replay.running import Night
    from testbed.verdict.judge import Judgement


class Fleet:
    """A fake backend, and the titles of the replays on it."""

    def __init__(self, *failures: ServiceError | None) -> None:
        self.backend = FakeBackend(failures=failures)
        self.titles: list[str] = []

    @contextmanager
    def show(self, title: str) -> Iterator[Notes]:
        """Note a title."""
        self.titles.append(title)
        yield Notes()

    def fly(self, directory: Path, repetitions: int = 1, *, stop_after: int | None = None, jobs: int = 1) -> list[Result]:
        """Replay a night over its variants, `jobs` at a time; gives the results, of as many as are asked for."""
        plan = scenario(directory)
        results: list[Result] = []

        async def flying() -> None:
            flown = replay_all(plan, trace_of(plan), repetitions, self.backend, directory / "runs", self.show, jobs=jobs)
            async with aclosing(flown) as replays:
                async for result in replays:
                    results.append(result)
                    if len(results) == stop_after:
                        return

        run(flying())
        return results


def test_every_variant_is_replayed_and_judged_on_the_same_passengers(tmp_path: Path) -> None:
    """One journal each, named for its variant, with a header that says what was replayed where."""
    results = Fleet().fly(tmp_path)
    assert [(result.journal.path.name, result.judgement.outcome) for result in results] == [
        ("original.jsonl", "grounded"),
        ("fixed.jsonl", "contained"),
    ]
    headers = [result.journal.header for result in results]
    assert headers[0].trace == headers[1].trace
    assert [(header.scenario, header.variant, header.runtime, header.seed, header.repetition) for header in headers] == [
        ("a_night", "original", "fakes", 7, 1),
        ("a_night", "fixed", "fakes", 7, 1),
    ]


def test_a_header_has_what_is_needed_to_judge_and_to_repeat(tmp_path: Path) -> None:
    """Settings, expectation, facility, versions and machine: a journal is read without its scenario."""
    header = Fleet().fly(tmp_path, stop_after=1)[0].journal.header
    assert header.settings["application_server"]["lookup"] == "original"
    assert header.expect == {"outcome": ["grounded"]}
    assert (header.facility.application_servers, header.facility.request_threads, header.facility.pool_size) == (("cf-1", "cf-2"), 10, 10)
    assert header.transactions["kiosk"] == {"check_in": True, "reprint_boarding_pass": False}
    assert header.versions == {"testbed": version("grounded-testbed"), "postgresql": "none"}
    assert {"system", "cores", "memory_bytes"} == set(header.machine)
    assert header.started_at.endswith("+00:00")


def test_repetitions_take_turns_and_have_journals_of_their_own(tmp_path: Path) -> None:
    """All variants once, then all again."""
    fleet = Fleet()
    names = [result.journal.path.name for result in fleet.fly(tmp_path, 2)]
    assert names == ["original-001.jsonl", "fixed-001.jsonl", "original-002.jsonl", "fixed-002.jsonl"]
    assert fleet.titles[0] == "a_night, original (1 of 2)"


def test_the_next_facility_is_begun_when_the_one_before_has_gone_quiet(tmp_path: Path) -> None:
    """Never the first, and each only once it is its turn."""
    fleet = Fleet()
    fleet.fly(tmp_path)
    assert [[call for call in builder.calls if call != "tear_down"] for builder in fleet.backend.builders] == [
        ["build"],
        ["begin", "begin", "build"],
    ]


def test_replays_at_a_time_come_out_as_one_after_the_other_and_in_the_same_order(tmp_path: Path) -> None:
    """With journals of the same names, and in less time."""
    alone, beside = (Fleet() for _ in range(2))
    for below in ("one", "two"):
        (tmp_path / below).mkdir()
    one, two = alone.fly(tmp_path / "one", 2), beside.fly(tmp_path / "two", 2, jobs=2)
    assert [(result.journal.path.name, result.judgement.outcome) for result in one] == [
        (result.journal.path.name, result.judgement.outcome) for result in two
    ]
    assert [builder.calls[0] for builder in alone.backend.builders[:2]] == ["build", "begin"]
    assert [builder.calls[0] for builder in beside.backend.builders[:2]] == ["build", "build"]
    assert beside.titles[:2] == ["a_night, original (1 of 2)", "a_night, fixed (1 of 2)"]


@pytest.mark.parametrize(("jobs", "made"), [(1, 2), (2, 3)])
def test_what_is_unknown_beside_others_is_asked_again_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int, made: int) -> None:
    """Of the replay that was unknown nothing is lost, and nobody judges it for the other; alone, it stands as it is."""
    judged, real = [], judge.judge

    def judge_unknown_once(journal: Journal) -> Judgement:
        judged.append(journal.path.name)
        is_first = journal.path.name == "fixed.jsonl" and judged.count("fixed.jsonl") == 1
        return dataclasses.replace(real(journal), verdict=Verdict.UNKNOWN) if is_first else real(journal)

    monkeypatch.setattr(judge, "judge", judge_unknown_once)
    fleet = Fleet()
    results = fleet.fly(tmp_path, jobs=jobs)
    assert [result.journal.path.name for result in results] == ["original.jsonl", "fixed.jsonl"]
    assert len(fleet.titles) == len(fleet.backend.builders) == made
    left = sorted(path.name for path in (tmp_path / "runs").iterdir() if path.is_file())
    assert left == ["fixed.jsonl", *(["fixed.jsonl.attempt-1"] if made == 3 else []), "original.jsonl"]
    assert [result.judgement.verdict is Verdict.UNKNOWN for result in results] == [False, made == 2]
    assert [builder.calls[-1] for builder in fleet.backend.builders] == ["tear_down"] * made


@pytest.mark.parametrize("stop_after", [1, None])
def test_every_facility_is_taken_down_whatever_happens(tmp_path: Path, stop_after: int | None) -> None:
    """Also one that was only begun, when whoever asked has seen enough."""
    fleet = Fleet()
    fleet.fly(tmp_path, stop_after=stop_after)
    assert [builder.calls[-1] for builder in fleet.backend.builders] == ["tear_down", "tear_down"]


def test_a_replay_that_fails_ends_the_command_and_keeps_what_was_judged(tmp_path: Path) -> None:
    """The second facility cannot be built: the first journal stays, and the second says why."""
    fleet = Fleet(None, ServiceError("cf-1 was not ready"))
    with pytest.raises(ServiceError, match="cf-1 was not ready"):
        fleet.fly(tmp_path)
    assert sorted(path.name for path in (tmp_path / "runs").glob("*.jsonl")) == ["fixed.jsonl", "original.jsonl"]
    assert [builder.calls[-1] for builder in fleet.backend.builders] == ["tear_down", "tear_down"]


def test_what_a_display_is_told_is_passed_on() -> None:
    """But for the quiet, which is for whoever builds the next."""
    notes, builder = Notes(), FakeBuilder(plan=None)  # type: ignore[arg-type]  # nothing is built
    ahead = BuildAhead(notes, deque([builder]))
    ahead.phase("a phase")
    ahead.quiet()
    BuildAhead(notes, deque()).quiet()
    assert (notes.notes, builder.calls) == (["a phase"], ["begin"])


def test_a_night_waits_for_the_longest_time_out_of_its_variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each variant's own: a request that may still be answered is waited for."""
    waited_s: list[float] = []
    replay = batch.replay

    async def noting(night: Night, *rest: Any) -> None:
        waited_s.append(night.longest_timeout_s)
        await replay(night, *rest)

    monkeypatch.setattr(batch, "replay", noting)
    plan = scenario(tmp_path)
    slow = Settings(application_server=ServerSettings(pool_checkout_timeout_s=2.0))
    variants = (plan.variants[0], dataclasses.replace(plan.variants[1], settings=slow))
    plan = dataclasses.replace(plan, variants=variants)

    async def flying() -> None:
        async with aclosing(
            replay_all(plan, trace_of(plan), 1, FakeBackend(), tmp_path / "runs", lambda _: nullcontext(Notes()))
        ) as replays:
            assert len([result async for result in replays]) == 2

    run(flying())
    assert waited_s == [0.0, 2.0]


def test_a_runtime_that_is_slow_slows_the_night_unless_a_speed_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As fast as was asked for, or slowed by what the backend says."""
    backend = FakeBackend(slowdown=2.0)
    monkeypatch.setattr(backends, "of", lambda *_, **__: backend)
    plan = scenario(tmp_path)
    assert batch.placed(plan, "processes", as_fast=True) == (plan, backend)
    slowed, _ = batch.placed(plan, "processes", as_fast=False)
    assert slowed == plan.slowed(2.0) != plan


@pytest.mark.parametrize(
    ("server", "caller", "longest_s"),
    [
        ({}, {}, 0.0),
        ({"pool_checkout_timeout_s": 2.0}, {}, 2.0),
        ({"pool_checkout_timeout_s": 2.0, "statement_timeout_s": 1.0}, {}, 3.0),
        ({"pool_checkout_timeout_s": 2.0}, {"call_connect_timeout_s": 1.0, "call_read_timeout_s": 4.0}, 10.0),
        ({}, {"call_read_timeout_s": 1.0, "retries": 2, "retry_wait_s": 0.5}, 8.0),
        ({}, {"retries": 2, "retry_wait_s": 0.5}, 2.0),
        ({"pool_checkout_timeout_s": 2.0, "statement_deadline_s": 0.5}, {}, 2.5),
        ({}, {"call_deadline_s": 1.5}, 3.0),
        ({}, {"call_deadline_s": 1.5, "call_read_timeout_s": 1.0}, 2.0),
        ({}, {"call_deadline_s": 1.5, "call_read_timeout_s": 1.0, "retries": 5, "retry_wait_s": 0.5}, 5.0),
        ({"pool_pre_ping_timeout_s": 0.5, "connect_timeout_s": 2, "tcp_user_timeout_s": 1.5}, {}, 4.0),
        ({"keepalives_idle_s": 2, "keepalives_count": 4, "socket_timeout_s": 1.0}, {}, 6.0),
        ({"let_it_crash_s": 0.5}, {}, 2.5),
        ({"let_it_crash_s": 0.5, "liveness_probe_s": 1.0}, {}, 3.0),
        ({"let_it_crash_s": 0.5, "governor_per_minute": 1}, {}, 62.5),
    ],
)
def test_the_longest_time_out_is_that_of_the_whole_way(server: dict[str, float], caller: dict[str, float], longest_s: float) -> None:
    """A transaction makes two calls, which may connect and then read for as long as they may; on a server, waits follow each other."""
    settings = Settings(application_server=ServerSettings(**server), caller=CallerSettings(**caller))  # type: ignore[arg-type]
    assert settings.longest_timeout_s == longest_s
