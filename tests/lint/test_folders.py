from __future__ import annotations

import os
from pathlib import Path

from testbed.lint.folders import files_in


def names(folder: Path, errors: list[OSError] | None = None) -> list[str]:
    """Return what is read of a folder, as paths below it."""
    return [path.relative_to(folder).as_posix() for path in files_in(folder, (errors if errors is not None else []).append)]


def write(folder: Path, *paths: str) -> None:
    """Write empty files."""
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


def test_files_of_python_are_read_and_no_others(tmp_path: Path) -> None:
    """In order; a notebook is none."""
    write(tmp_path, "b.py", "a.pyw", "c/d.py", "e.ipynb", "f.txt", "g.pyi", "h")
    assert names(tmp_path) == ["a.pyw", "b.py", "c/d.py"]


def test_what_was_installed_or_made_is_passed_over(tmp_path: Path) -> None:
    """Virtual environments also where they have another name."""
    write(
        tmp_path,
        ".venv/a.py",
        ".git/a.py",
        "__pycache__/a.py",
        "node_modules/a.py",
        "env/pyvenv.cfg",
        "env/a.py",
        "x/site-packages/a.py",
        "x/b.py",
    )
    assert names(tmp_path) == ["x/b.py"]


def test_a_circle_of_links_has_an_end(tmp_path: Path) -> None:
    """A link to a folder is not followed; one to a file is read."""
    write(tmp_path, "a/b.py")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "c.py").symlink_to(tmp_path / "a" / "b.py")
    assert names(tmp_path) == ["c.py", "a/b.py"]


def test_a_folder_that_cannot_be_listed_is_told(tmp_path: Path) -> None:
    """Rather than passed over as if it were empty."""
    errors: list[OSError] = []
    assert names(tmp_path / "gone", errors) == []
    assert [os.fspath(error.filename) for error in errors] == [str(tmp_path / "gone")]
