from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from testbed.cli import crash_report

VICTIM = "a file of this user's"


def traps(directory: Path, victim: Path) -> None:
    """Make a directory as another user might who waits for a report: every name of the next minute is a link to a file of ours."""
    directory.mkdir(parents=True)
    now = datetime.now(tz=UTC)
    for second in range(60):
        (directory / f"{now + timedelta(seconds=second):%Y%m%d-%H%M%S}-{os.getpid()}.txt").symlink_to(victim)


@pytest.mark.parametrize("place", ["current", "temporary"])
def test_a_report_is_written_through_no_link(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever made the directories ready: the report goes into a directory of ours, which nobody else may read."""
    victim, current, temporary = tmp_path / "victim", tmp_path / "current", tmp_path / "temporary"
    victim.write_text(VICTIM)
    for directory in (current, temporary):
        directory.mkdir()
    if place == "current":
        traps(current / ".testbed" / "errors", victim)
    else:
        (current / ".testbed").write_text("in the way")
        traps(temporary / "testbed-errors", victim)
    monkeypatch.chdir(current)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert crash_report.report(RuntimeError("by us")) == 4
    told = Path(capsys.readouterr().err.partition("the traceback is in ")[2].partition(";")[0])
    assert victim.read_text() == VICTIM
    assert "RuntimeError: by us" in told.read_text()
    assert (told.stat().st_mode & 0o777, told.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_directory_of_another_user_takes_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may lead anywhere, and its owner could read and replace what is in it."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / ".testbed").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(os, "geteuid", Mock(return_value=os.geteuid() + 1))
    crash_report.report(RuntimeError("by us"))
    assert f"the traceback is in {tmp_path / 'temporary'}" in capsys.readouterr().err
    assert list((tmp_path / ".testbed" / "errors").iterdir()) == []


def test_no_terminal_obeys_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What it says may be somebody else's words, at any length; in the file they are all there."""
    monkeypatch.chdir(tmp_path)
    crash_report.report(RuntimeError("\x1b[31m \u202e" + "x" * 5_000))
    err = capsys.readouterr().err
    assert r"RuntimeError: \x1b[31m \u202exxx" in err
    assert len(err) < 700
    (file,) = (tmp_path / ".testbed" / "errors").iterdir()
    assert "x" * 5_000 in file.read_text()
