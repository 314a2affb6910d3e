from __future__ import annotations

import dataclasses
import datetime
import errno
import fcntl
import os
import shutil
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import aclosing, contextmanager, nullcontext
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from testbed.errors import ServiceError, TestbedError, UsageError
from testbed.experiments import batch
from testbed.experiments.batch import BuildAhead, replay_all
from testbed.fakes.backend import FakeBackend
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.virtual_time import run
from testbed.plan.settings import CallerSettings, ServerSettings, Settings
from testbed.runtime import backends
from testbed.verdict.result import Result
from tests.nights import Notes, scenario, trace_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from testbed.replay.running import Night


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

    def fly(self, directory: Path, repetitions: int = 1, *, stop_after: int | None = None) -> list[Result]:
        """Replay a night over its variants; gives the results, of as many as are asked for."""
        plan = scenario(directory)
        results: list[Result] = []

        async def flying() -> None:
            async with aclosing(replay_all(plan, trace_of(plan), repetitions, self.backend, directory / "runs", self.show)) as replays:
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
    ahead = BuildAhead(notes, builder)
    ahead.phase("a phase")
    ahead.quiet()
    BuildAhead(notes, None).quiet()
    assert (notes.notes, builder.calls) == (["a phase"], ["begin"])


def test_each_command_has_a_directory_of_its_own(tmp_path: Path) -> None:
    """Named for when, what and by whom; where none can be made, it is said where one could be."""
    made = batch.runs_directory(str(tmp_path / "runs"), "the_night")
    assert made.is_dir()
    assert "the_night" in made.name
    (tmp_path / "a file").write_text("")
    with pytest.raises(TestbedError, match="give another with --runs"):
        batch.runs_directory(str(tmp_path / "a file"), "the_night")


def test_runs_of_one_process_in_one_second_have_a_directory_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of two replays that one program awaits together."""
    now = datetime.datetime.now(tz=datetime.UTC)
    monkeypatch.setattr(batch, "datetime", SimpleNamespace(datetime=Mock(now=lambda **_: now), UTC=datetime.UTC))
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: batch.runs_directory(str(tmp_path), "a_night"), range(20)))
    assert len(set(made)) == 20
    (tmp_path / "nowhere").symlink_to(tmp_path / "none" / "none")
    with pytest.raises(UsageError, match=r"no directory for journals at .*nowhere/.*: File exists; give another with --runs"):
        batch.runs_directory(str(tmp_path / "nowhere"), "a_night")


def test_latest_leads_to_the_last_run_that_kept_something(tmp_path: Path) -> None:
    """Also by a path that was moved, and when a later run had nothing to keep."""
    first = batch.runs_directory(str(tmp_path), "first")
    (first / "original.jsonl").touch()
    assert (tmp_path / "latest").readlink() == Path(first.name)
    second = batch.runs_directory(str(tmp_path), "second")
    assert (tmp_path / "latest").readlink() == Path(second.name)
    batch.drop_if_empty(second)
    assert (tmp_path / "latest").readlink() == Path(first.name)
    batch.drop_if_empty(first)
    assert (tmp_path / "latest" / "original.jsonl").exists()


def test_latest_leads_to_the_newest_journal_that_is_left(tmp_path: Path) -> None:
    """By its time, whatever a folder is called; a folder without a journal is no run, and without any there is no link."""
    for name, journal, made_s in (("m", "original.jsonl", 2_000), ("a", "a_night/fixed.jsonl", 3_000), ("z", "original.jsonl", 1_000)):
        path = tmp_path / name / journal
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (made_s, made_s))
    (tmp_path / "zz").mkdir()
    (tmp_path / "zz" / "notes.txt").touch()
    (tmp_path / "cells.jsonl").touch()
    batch.drop_if_empty(batch.runs_directory(str(tmp_path), "empty"))
    assert (tmp_path / "latest").readlink() == Path("a")
    for name in "maz":
        shutil.rmtree(tmp_path / name)
    batch.drop_if_empty(batch.runs_directory(str(tmp_path), "empty"))
    assert not (tmp_path / "latest").is_symlink()


def test_a_link_that_another_run_has_made_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made before the look at it, it is not ours; made after, it waits until ours is replaced."""
    kept, empty = batch.runs_directory(str(tmp_path), "kept"), batch.runs_directory(str(tmp_path), "empty")
    (kept / "original.jsonl").touch()
    other = batch.runs_directory(str(tmp_path), "other")
    batch.drop_if_empty(empty)
    assert (tmp_path / "latest").readlink() == Path(other.name)

    empty, newest_s = batch.runs_directory(str(tmp_path), "empty"), batch._newest_s  # noqa: SLF001
    begun: list[Future[Path]] = []

    def begin_another(run: Path) -> float:
        if not begun:
            begun.append(threads.submit(batch.runs_directory, str(tmp_path), "another"))
            wait(begun, timeout=0.2)
        return newest_s(run)

    monkeypatch.setattr(batch, "_newest_s", begin_another)
    with ThreadPoolExecutor(1) as threads:
        batch.drop_if_empty(empty)
    assert (tmp_path / "latest").readlink() == Path(begun[0].result().name)


def test_where_nothing_can_be_locked_latest_is_made_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some file systems of a network."""
    monkeypatch.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.ENOLCK, "No locks available")))
    made = batch.runs_directory(str(tmp_path), "a_night")
    assert (tmp_path / "latest").readlink() == Path(made.name)


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


def test_a_file_of_the_user_s_that_is_called_latest_is_left_alone(tmp_path: Path) -> None:
    """It is no link of ours, and nothing is put in its place."""
    (tmp_path / "latest").write_text("precious")
    batch.runs_directory(str(tmp_path), "a_night")
    assert (tmp_path / "latest").read_text() == "precious"


def test_latest_is_never_missing_while_runs_begin_at_once(tmp_path: Path) -> None:
    """The link is replaced in one step, so whoever follows it finds a run."""
    batch.runs_directory(str(tmp_path), "first")
    with ThreadPoolExecutor(4) as threads:
        runs = [threads.submit(batch.runs_directory, str(tmp_path), f"run-{number}") for number in range(100)]
        while not all(run.done() for run in runs):
            assert (tmp_path / "latest").is_dir()
    assert (tmp_path / "latest").resolve() in {run.result() for run in runs}
    assert not list(tmp_path.glob(".latest*"))


def test_where_no_link_can_be_made_the_run_goes_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without links, and where something else is called latest."""
    (tmp_path / "latest").mkdir()
    assert batch.runs_directory(str(tmp_path), "first").is_dir()
    assert not list(tmp_path.glob(".latest*"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert batch.runs_directory(str(tmp_path), "second").is_dir()
    assert (tmp_path / "latest").is_dir()


@pytest.mark.parametrize(
    ("server", "caller", "longest_s"),
    [
        ({}, {}, 0.0),
        ({"pool_checkout_timeout_s": 2.0}, {}, 2.0),
        ({"pool_checkout_timeout_s": 2.0, "statement_timeout_s": 1.0}, {}, 3.0),
        ({"pool_checkout_timeout_s": 2.0}, {"call_connect_timeout_s": 1.0, "call_read_timeout_s": 4.0}, 10.0),
        ({}, {"call_read_timeout_s": 1.0, "retries": 2, "retry_wait_s": 0.5}, 8.0),
        ({}, {"retries": 2, "retry_wait_s": 0.5}, 2.0),
        ({"let_it_crash_s": 0.5}, {}, 2.5),
        ({"let_it_crash_s": 0.5, "governor_per_minute": 1}, {}, 62.5),
    ],
)
def test_the_longest_time_out_is_that_of_the_whole_way(server: dict[str, float], caller: dict[str, float], longest_s: float) -> None:
    """A transaction makes two calls, which may connect and then read for as long as they may; on a server, waits follow each other."""
    settings = Settings(application_server=ServerSettings(**server), caller=CallerSettings(**caller))  # type: ignore[arg-type]
    assert settings.longest_timeout_s == longest_s
