"""Whether an answer names the place of a cause: a line of code, or where no line is to blame, what the graph of who waits calls it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from testbed.verdict.causes import loss

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from testbed.journal.evidence import Evidence
    from testbed.verdict.causes.cause import Cause

LINE = re.compile(r"([\w./-]+\.py)(?::|,?\s+(?:line\s+)?)(\d+)")  # `app.py:5`, as in stacks; `app.py, line 5`
WORD = re.compile(r"[\w.:-]*\w")
FILLING = {"a", "an", "the", "of", "to", "in", "and", "on", "at"}
KINDS = {"database", "firewall", "link", "lock", "network", "pool", "queue", "session", "virtual"}  # of what is on no map under a name
SAME = {"network": "link", "links": "link", "connection": "link", "connections": "link", "pid": "session", "databases": "database"}

Line = tuple[str, int]  # a file and a number


def names(answer: str, cause: Cause, evidence: Evidence | None) -> bool:
    """Return whether an answer names the place of a cause.

    Of a cause in the code, one of its lines: as it is blamed, or the close that was skipped there. Any end of the file's path will do. Of
    another, its words, or others for the same (`SAME`); where it has a number, such as that of a session or an address, that alone; of an
    address, the host that has it.
    `evidence`: of the moment that told the cause.
    """
    lines = set(_lines(f"{cause.where} {cause.text}"))
    if any(_is_same(given, line) for given in _lines(answer) for line in (*lines, *_skipped(cause, evidence))):
        return True
    if any(_lines(cause.where)):
        return False
    hosts = () if evidence is None else (own.host for own in evidence.hosts if own.address == cause.where)
    return any(_names(answer, place) for place in (cause.where, *hosts))


def may_be(answer: str, parts: Iterable[str], lengths: Mapping[str, int], stacks: Iterable[str]) -> bool:
    """Return whether an answer may be the place of any cause, right or wrong.

    That is a line of the service's code (`lengths`: how many each of its files has) or of a stack; and without a line, a part of the
    facility, or something in it with a number, such as a session or an address.
    """
    lines = set(_lines(answer))
    if lines:
        in_stacks = {line for text in stacks for line in _lines(text)}
        files = {(file, given[1]) for given in lines for file, length in lengths.items() if 1 <= given[1] <= length}
        return any(_is_same(given, line) for given in lines for line in in_stacks | files)
    words = _words(answer)
    return bool(words & {*KINDS, *parts}) or any(any(map(str.isdigit, word)) for word in words)


def _names(answer: str, place: str) -> bool:
    wanted = _words(place)
    numbered = {word for word in wanted if any(map(str.isdigit, word))}
    return bool(wanted) and (numbered or wanted) <= _words(answer)


def _lines(text: str) -> Iterator[Line]:
    for file, number in LINE.findall(text):
        yield file, int(number)


def _is_same(one: Line, other: Line) -> bool:
    """Whether two are the same line, where the path of one may be the end of the other's."""
    shorter, longer = sorted((PurePosixPath(one[0]).parts, PurePosixPath(other[0]).parts), key=len)
    return one[1] == other[1] and longer[-len(shorter) :] == shorter


def _words(text: str) -> set[str]:
    return {SAME.get(word, word) for word in WORD.findall(text.lower()) if word not in FILLING}


def _skipped(cause: Cause, evidence: Evidence | None) -> Iterator[Line]:
    """Yield the lines of the closes that were skipped where connections were lost: the same mistake, seen from its other end."""
    if cause.code != "lost" or evidence is None:
        return
    for table in evidence.pools:
        for lost in loss.losses(table.connections_out, table.sources):
            file, _, raised = lost.at.rpartition(":")
            if lost.at == cause.where and lost.skipped and raised.isdigit():
                texts = ((source.first_line, source.text.splitlines()) for source in table.sources if source.file == file)
                yield from _after(file, int(raised), lost.skipped, texts)


def _after(file: str, raised: int, statement: str, texts: Iterable[tuple[int, list[str]]]) -> Iterator[Line]:
    """Yield the first line after one at which a statement stands."""
    for first, lines in texts:
        there = (number for number, line in enumerate(lines, start=first) if number > raised and line.strip() == statement)
        if (number := next(there, None)) is not None:
            yield file, number
