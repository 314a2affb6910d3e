from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock
from xml.etree import ElementTree as ET

import pytest

from testbed.cli import main, output, replay
from testbed.errors import UsageError
from testbed.fakes.backend import FakeBackend
from testbed.fakes.virtual_time import run as in_virtual_time
from testbed.journal.writer import JournalWriter
from testbed.runtime import backends
from tests.journals import contained_night, hung_night
from tests.nights import scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    Testbed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def testbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Testbed:
    """Return the command line as a function, in a directory with two journals in `runs`, of which the second was broken."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["testbed", *words])
        try:
            main.main()
            code: object = 0
        except SystemExit as end:
            code = end.code
        assert isinstance(code, int)
        return (code, *capsys.readouterr())

    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    for name, made in (("original", hung_night().journal()), ("fixed", contained_night().journal(variant="fixed"))):
        with JournalWriter(tmp_path / "runs" / f"{name}.jsonl", made.header) as writer:
            for event in made.events:
                writer.append(event)
    return run


def test_it_writes_what_it_is_asked_for(testbed: Testbed) -> None:
    """The page, the table and the XML of all journals of a directory; the exit code says that they are written, and no verdict."""
    code, out, err = testbed("report", "runs", "--html", "a.html", "--markdown", "a.md", "--junit", "a.xml")
    assert (code, out, err) == (0, "", "")
    assert Path("a.html").read_text(encoding="utf-8").count("<article") == 2
    assert Path("a.md").read_text(encoding="utf-8").count("\n| ") == 3
    assert ET.parse("a.xml").getroot().attrib["failures"] == "1"  # noqa: S314 - our own
    assert not [path for path in Path().iterdir() if path.name.startswith(".")]


def test_standard_output_has_one_of_them_and_nothing_else(testbed: Testbed) -> None:
    """As a pipe wants it."""
    code, out, err = testbed("report", "runs/original.jsonl", "--junit", "-")
    assert (code, err) == (0, "")
    assert ET.fromstring(out).tag == "testsuites"  # noqa: S314 - our own
    code, out, err = testbed("report", "runs/original.jsonl", "--markdown", "-")
    assert (code, out.splitlines()[0], err) == (0, "### A night", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("report runs", "nothing to write; give --html FILE, --markdown FILE or --junit FILE"),
        ("report runs --markdown - --junit -", "--markdown and --junit: found - for both; allowed: standard output for one of them"),
        ("report runs --html -", "--html: found -; allowed: a file"),
        ("judge runs --html -", "--html: found -; allowed: a file"),
        ("replay calm --html -", "--html: found -; allowed: a file"),
        ("report --html a.html", "there is no run at .testbed/runs/latest yet"),
        ("report nowhere.jsonl --html a.html", "the journal nowhere.jsonl cannot be read: No such file or directory"),
        ("report runs --html runs", "--html: runs cannot be written; give a file in an existing directory"),
        ("report runs --junit nowhere/a.xml", "--junit: nowhere/a.xml cannot be written; give a file in an existing directory"),
        ("report runs --markdown nowhere/a.md", "--markdown: nowhere/a.md cannot be written; give a file in an existing directory"),
        ("report runs --html /dev/full", "--html: /dev/full cannot be written: No space left on device"),
        ("report runs --junit /dev/full", "--junit: /dev/full cannot be written: No space left on device"),
    ],
)
def test_what_cannot_be_written_is_one_message(testbed: Testbed, words: str, message: str) -> None:
    """And wrong usage; no half of a file is left."""
    code, out, err = testbed(*words.split())
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert message in err
    assert sorted(path.name for path in Path().iterdir()) == ["runs"]


def test_judge_writes_the_page_too(testbed: Testbed) -> None:
    """Beside what it prints, and exits as the verdict says."""
    code, out, _ = testbed("judge", "runs", "--html", "a.html")
    assert (code, "outcome" in out) == (1, True)
    assert Path("a.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_replay_writes_the_page_of_all_its_replays(testbed: Testbed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of the variants side by side, or of repetitions."""
    monkeypatch.setattr(backends, "of", lambda *_, **__: FakeBackend())
    monkeypatch.setattr(replay, "interruptible", in_virtual_time)
    scenario(tmp_path)
    code, _, err = testbed("replay", "a_night.toml", "--html", "a.html", "--runs", "made")
    assert code == 0, err
    assert Path("a.html").read_text(encoding="utf-8").count("<article") == 2
    code, _, err = testbed("replay", "a_night.toml", "--repeat", "2", "--variant", "fixed", "--html", "a.html", "--runs", "made")
    assert code == 0, err
    assert "fixed (2/2)" in Path("a.html").read_text(encoding="utf-8")


def test_a_file_is_there_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full in the midst of it leaves the old one, and nothing beside it."""
    path = tmp_path / "a.html"
    output.replace_text("--html", path, "old")
    monkeypatch.setattr(os, "fsync", Mock(side_effect=OSError(28, "No space left on device")))
    with pytest.raises(UsageError, match=r"--html: .*a\.html cannot be written: No space left on device"):
        output.replace_text("--html", path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_nobody_may_write_to_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although the file itself may be written: what is moved into its place needs the directory."""
    path = tmp_path / "a.html"
    path.write_text("old", encoding="utf-8")
    output.require_replaceable("--html", path)
    monkeypatch.setattr(os, "access", lambda asked, _: asked == path)
    with pytest.raises(UsageError, match=r"--html: .*a\.html cannot be written; give a file in a directory that can be written to"):
        output.require_replaceable("--html", path)


def test_where_a_link_leads_is_replaced_and_not_the_link(tmp_path: Path) -> None:
    """Whoever serves the file goes on to."""
    target, link = tmp_path / "target.html", tmp_path / "link.html"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    output.replace_text("--html", link, "new")
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"


def test_a_device_stays_a_device() -> None:
    """What has no place to be moved to is written to as it is."""
    output.require_replaceable("--html", Path(os.devnull))
    output.replace_text("--html", Path(os.devnull), "x")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
