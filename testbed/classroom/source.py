"""The code of the service, file by file: what a class reads once a dump has shown where its threads stand.

Docstrings and comments tell in plain words what goes wrong in a line, so they are blank until all is revealed.
"""

from __future__ import annotations

import importlib.util
import io
import re
import tokenize
from itertools import pairwise
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


def named_in(stacks: Iterable[str], *, revealed: bool) -> dict[str, list[str]]:
    """Return the lines of each of the service's files that stacks name, by its name; docstrings and comments only once `revealed`.

    A line of a stack is such as `lookup/original.py:24 search`.
    """
    return {name: _lines(path, revealed=revealed) for name, path in _named_in(stacks).items()}


def _named_in(stacks: Iterable[str]) -> dict[str, Path]:
    told = {match[1] for line in stacks if (match := AT_LINE.match(line))}
    return {name: path for name, path in _files().items() if name in told}


def lengths() -> dict[str, int]:
    """Return how many lines each of the service's files has, by its name."""
    return {name: len(_lines(path, revealed=True)) for name, path in _files().items()}


def read(file: str, stacks: Iterable[str] | None) -> Json:
    """Return a file's name and lines; raises RefusalError for one that there is not, or that no stack names.

    `stacks` None: all is revealed, so that any file may be read, with its docstrings and comments. The package's own name may stand before
    the file's.
    """
    files = _files()
    allowed = tuple(files if stacks is None else _named_in(stacks))
    name = file.removeprefix(f"{PACKAGE}/") if file.count("/") > 1 else file
    if name not in allowed:
        raise RefusalError(say("no_such_file", file=file[:100], allowed=list(allowed)) if allowed else say("no_file_yet"))
    return {"file": name, "lines": _lines(files[name], revealed=stacks is None)}


def _lines(path: Path, *, revealed: bool) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return text.splitlines() if revealed else without_words(text)


def without_words(text: str) -> list[str]:
    """Return the lines of a program with its docstrings and comments blank; every other line stays where it is."""
    lines = text.splitlines()
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type != tokenize.NL]
    code = [token for token in tokens if token.type != tokenize.COMMENT]
    words = [token for token in tokens if token.type == tokenize.COMMENT]
    words += [token for before, token in pairwise([None, *code]) if token is not None and _is_docstring(before, token)]
    for token in sorted(words, key=lambda each: each.start, reverse=True):  # from the end, or the columns before it would move
        (first, from_), (last, to) = token.start, token.end
        kept = lines[first - 1][:from_], lines[last - 1][to:]
        lines[first - 1 : last] = [""] * (last - first + 1)
        lines[first - 1] = "".join(kept).rstrip()
    return lines


def _is_docstring(before: tokenize.TokenInfo | None, token: tokenize.TokenInfo) -> bool:
    """Whether a string is a statement of its own: it begins one."""
    begins = before is None or before.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    return token.type == tokenize.STRING and begins
