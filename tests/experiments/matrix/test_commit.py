from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from testbed.experiments.matrix import commit
from testbed.plan import package_data

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
def test_the_commit_of_a_matrix_is_that_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is marked if the code was changed since, not if a kept matrix was; outside a repository there is none."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    code, kept = tmp_path / "code.py", tmp_path / "scenarios" / "containment" / "README.md"
    kept.parent.mkdir(parents=True)
    code.write_text("1")
    kept.write_text("1")
    monkeypatch.setattr(package_data, "checkout", lambda: tmp_path)
    assert commit.current() == ""
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    kept.write_text("2")
    (kept.parent / "new.jsonl").touch()
    (tmp_path / "notes.txt").touch()
    before = commit.current()
    assert len(before) == 12
    for name in ("testbed/faults/mine.py", "flight_search/mine.py", "scenarios/mine.toml", "compose/mine.cfg"):
        new = tmp_path / name
        new.parent.mkdir(parents=True, exist_ok=True)
        new.touch()
        assert commit.current() == f"{before}-dirty", name
        new.unlink()
    assert commit.current() == before
    code.write_text("2")
    assert commit.current() == f"{before}-dirty"
