"""The folders of lessons, and the lesson files in them by name."""

from __future__ import annotations

import os
from pathlib import Path

from testbed import scenario_file
from testbed.errors import UsageError
from testbed.plan.decoding import path_text, suggestion

LESSONS = "lessons"


def files() -> dict[str, Path]:
    """Return the lesson files that are known by name: the package's, and those of `scenarios/lessons` of the current directory.

    A file of the user's own replaces the package's of the same name.
    """
    found = {path.stem: path for home in scenario_file.directories() for path in (home / LESSONS).glob("*.toml") if path.is_file()}
    return {name: found[name] for name in sorted(found)}


def find(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the file of a lesson, by its name or by a path; raises UsageError that lists the names, and for what is neither."""
    word = path_text("lesson", name_or_path, "a name, or a path to a .toml file")
    known = files()
    if word in known:  # names come first, or a directory of that name in the current one would hide the lesson
        return known[word]
    if word.endswith(".toml") or os.path.exists(word):  # noqa: PTH110 - False for a name no file can have; Path's raises
        return Path(word)
    names = list(known)
    raise UsageError(f"no lesson {word!r}{suggestion(word, names)}; there are {', '.join(names) or 'none'}, or give a path to a .toml file")
