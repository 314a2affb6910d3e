"""The code of the service, file by file: what a class reads once a dump has shown where its threads stand."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.classroom.saying import RefusalError, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testbed.classroom.board import Json

PACKAGE = "flight_search"
AT_LINE = re.compile(r"(\S+\.py):\d+")  # the first word of a line of a stack: the last two parts of a path, and the line's number


def _files() -> dict[str, Path]:
    """Return the service's files by the names that stacks have for them, such as `lookup/original.py`; nothing of it is imported."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return {}
    home = Path(spec.submodule_search_locations[0])
    return {"/".join(path.parts[-2:]): path for path in sorted(home.rglob("*.py"))}


def named_in(stacks: Iterable[str]) -> dict[str, list[str]]:
    """Return the lines of each of the service's files that stacks name, by its name.

    A line of a stack is such as `lookup/original.py:24 search`.
    """
    told = {match[1] for line in stacks if (match := AT_LINE.match(line))}
    return {name: _lines(path) for name, path in _files().items() if name in told}


def read(file: str, stacks: Iterable[str] | None) -> Json:
    """Return a file's name and lines; raises RefusalError for one that there is not, or that no stack names (None: any may be read).

    The package's own name may stand before it.
    """
    files = _files()
    allowed = tuple(files) if stacks is None else tuple(named_in(stacks))
    name = file.removeprefix(f"{PACKAGE}/") if file.count("/") > 1 else file
    if name not in allowed:
        raise RefusalError(say("no_such_file", file=file[:100], allowed=list(allowed)) if allowed else say("no_file_yet"))
    return {"file": name, "lines": _lines(files[name])}


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
