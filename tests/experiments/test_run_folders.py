"""The folders of journals, and `latest`."""

from __future__ import annotations

import datetime
import errno
import fcntl
import os
import shutil
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from testbed.errors import TestbedError, UsageError
from testbed.experiments import run_folders

if TYPE_CHECKING:
    from concurrent.futures import Future


def test_each_command_has_a_directory_of_its_own(tmp_path: Path) -> None:
    """Named for when, what and by whom; where none can be made, it is said where one could be."""
    made = run_folders.runs_directory(str(tmp_path / "runs"), "the_night")
    assert made.is_dir()
    assert "the_night" in made.name
    (tmp_path / "a file").write_text("")
    with pytest.raises(TestbedError, match="give another with --runs"):
        run_folders.runs_directory(str(tmp_path / "a file"), "the_night")


def test_runs_of_one_process_in_one_second_have_a_directory_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of two replays that one program awaits together."""
    now = datetime.datetime.now(tz=datetime.UTC)
    monkeypatch.setattr(run_folders, "datetime", SimpleNamespace(datetime=Mock(now=lambda **_: now), UTC=datetime.UTC))
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: run_folders.runs_directory(str(tmp_path), "a_night"), range(20)))
    assert len(set(made)) == 20
    (tmp_path / "nowhere").symlink_to(tmp_path / "none" / "none")
    with pytest.raises(UsageError, match=r"no directory for journals at .*nowhere/.*: File exists; give another with --runs"):
        run_folders.runs_directory(str(tmp_path / "nowhere"), "a_night")


def test_latest_leads_to_the_last_run_that_kept_something(tmp_path: Path) -> None:
    """Also by a path that was moved, and when a later run had nothing to keep."""
    first = run_folders.runs_directory(str(tmp_path), "first")
    (first / "original.jsonl").touch()
    assert (tmp_path / "latest").readlink() == Path(first.name)
    second = run_folders.runs_directory(str(tmp_path), "second")
    assert (tmp_path / "latest").readlink() == Path(second.name)
    run_folders.drop_if_empty(second)
    assert (tmp_path / "latest").readlink() == Path(first.name)
    run_folders.drop_if_empty(first)
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
    run_folders.drop_if_empty(run_folders.runs_directory(str(tmp_path), "empty"))
    assert (tmp_path / "latest").readlink() == Path("a")
    for name in "maz":
        shutil.rmtree(tmp_path / name)
    run_folders.drop_if_empty(run_folders.runs_directory(str(tmp_path), "empty"))
    assert not (tmp_path / "latest").is_symlink()


def test_a_link_that_another_run_has_made_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made before the look at it, it is not ours; made after, it waits until ours is replaced."""
    kept, empty = run_folders.runs_directory(str(tmp_path), "kept"), run_folders.runs_directory(str(tmp_path), "empty")
    (kept / "original.jsonl").touch()
    other = run_folders.runs_directory(str(tmp_path), "other")
    run_folders.drop_if_empty(empty)
    assert (tmp_path / "latest").readlink() == Path(other.name)

    empty, newest_s = run_folders.runs_directory(str(tmp_path), "empty"), run_folders._newest_s  # noqa: SLF001
    begun: list[Future[Path]] = []

    def begin_another(run: Path) -> float:
        if not begun:
            begun.append(threads.submit(run_folders.runs_directory, str(tmp_path), "another"))
            wait(begun, timeout=0.2)
        return newest_s(run)

    monkeypatch.setattr(run_folders, "_newest_s", begin_another)
    with ThreadPoolExecutor(1) as threads:
        run_folders.drop_if_empty(empty)
    assert (tmp_path / "latest").readlink() == Path(begun[0].result().name)


def test_where_nothing_can_be_locked_latest_is_made_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some file systems of a network."""
    monkeypatch.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.ENOLCK, "No locks available")))
    made = run_folders.runs_directory(str(tmp_path), "a_night")
    assert (tmp_path / "latest").readlink() == Path(made.name)


def test_a_file_of_the_user_s_that_is_called_latest_is_left_alone(tmp_path: Path) -> None:
    """It is no link of ours, and nothing is put in its place."""
    (tmp_path / "latest").write_text("precious")
    run_folders.runs_directory(str(tmp_path), "a_night")
    assert (tmp_path / "latest").read_text() == "precious"


def test_latest_is_never_missing_while_runs_begin_at_once(tmp_path: Path) -> None:
    """The link is replaced in one step, so whoever follows it finds a run."""
    run_folders.runs_directory(str(tmp_path), "first")
    with ThreadPoolExecutor(4) as threads:
        runs = [threads.submit(run_folders.runs_directory, str(tmp_path), f"run-{number}") for number in range(100)]
        while not all(run.done() for run in runs):
            assert (tmp_path / "latest").is_dir()
    assert (tmp_path / "latest").resolve() in {run.result() for run in runs}
    assert not list(tmp_path.glob(".latest*"))


def test_where_no_link_can_be_made_the_run_goes_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without links, and where something else is called latest."""
    (tmp_path / "latest").mkdir()
    assert run_folders.runs_directory(str(tmp_path), "first").is_dir()
    assert not list(tmp_path.glob(".latest*"))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert run_folders.runs_directory(str(tmp_path), "second").is_dir()
    assert (tmp_path / "latest").is_dir()
