"""Where a connection was lost: a request took it out of the pool, ended, and did not check it in.

Read off the row of the pool's table and the function that took it. Where the request ended with an error, the line that raised it is in
that function's frame of the traceback, and the close that it skipped is further down in the same function.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from testbed.journal.evidence import ConnectionOut, Source

CALL = re.compile(r"(?P<file>.+):(?P<line>\d+) (?P<function>\S+)")
CLOSES = ("close", "checkin", "release", "putconn")  # what checks a connection in, by the names that pools have for it


@dataclass(frozen=True, slots=True)
class Loss:
    """A line at which connections were lost, such as `lookup/original.py:24`.

    Where no error came out of the function that took them, it is the line that took them. `error`: what the request ended with, if it did.
    `raised`: the statement of that line, if it raised the error, and `skipped` the close that was not reached by it; both are empty where
    the code is not known, or there is no such close.
    """

    at: str
    function: str
    error: str = ""
    raised: str = ""
    skipped: str = ""

    def __str__(self) -> str:
        if self.raised and self.skipped:
            return f"{self.at}: {self.raised} raised, and {self.skipped} was never reached"
        if self.raised:
            return f"{self.at}: {self.raised} raised, and nothing further down in {self.function} checks the connection in"
        ended = f"ended with {self.error}" if self.error else "ended without an error"
        return f"{self.at}, in {self.function}: its connection was never checked in, and the request {ended}"


def losses(rows: Iterable[ConnectionOut], sources: Sequence[Source]) -> Counter[Loss]:
    """Return where the connections whose request has ended were lost, and how many there; what tells no call is left out."""
    alike: defaultdict[object, list[ConnectionOut]] = defaultdict(list)  # of forty that were lost at one line, its code is parsed once
    for row in rows:
        if not row.request_running:
            alike[row.checked_out_at, row.error, row.raised_at].append(row)
    found: Counter[Loss] = Counter()
    for group in alike.values():
        if (loss := of(group[0], sources)) is not None:
            found[loss] += len(group)
    return found


def of(row: ConnectionOut, sources: Sequence[Source]) -> Loss | None:
    """Return where one connection was lost; None if nobody recorded where it was taken."""
    taken = CALL.fullmatch(row.checked_out_at[0]) if row.checked_out_at else None
    if taken is None:
        return None
    error, (file, line, function) = row.error.partition(":")[0], taken.group("file", "line", "function")
    raising = (call["line"] for call in map(CALL.fullmatch, row.raised_at) if call and call.group("file", "function") == (file, function))
    raised = next(raising, None)
    if raised is None:
        return Loss(f"{file}:{line}", function, error)
    source = next((source for source in sources if (source.file, source.function) == (file, function)), None)
    statement, skipped = ("", "") if source is None else _around(source, int(line), int(raised))
    return Loss(f"{file}:{raised}", function, error, statement, skipped)


def _around(source: Source, taken: int, raised: int) -> tuple[str, str]:
    """Return the statement at the line that raised, and the close further down of what was taken; empty where there is none."""
    text = textwrap.dedent(source.text)
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return "", ""
    taken, raised = taken - source.first_line + 1, raised - source.first_line + 1
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt) and not hasattr(node, "body")]
    names = {name for node in statements if _covers(node, taken) for name in _assigned(node)}
    guarded = {id(node) for clause in ast.walk(tree) if isinstance(clause, ast.Try) for node in _reached_after(clause, raised)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.lineno > raised and id(node) not in guarded]
    closes = [node for node in calls if _closes(node, names)]
    at_raised = [node for node in statements if _covers(node, raised)]
    first_close = sorted(closes, key=lambda node: node.lineno)[:1]
    return _said(text, at_raised[:1]), _said(text, first_close)


def _covers(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _reached_after(clause: ast.Try, line: int) -> Iterator[ast.AST]:
    """Yield what is reached all the same when a line within a `try` raises: what stands in its `finally`."""
    before: tuple[ast.stmt | ast.ExceptHandler, ...] = (*clause.body, *clause.handlers, *clause.orelse)
    if any(node.lineno <= line <= (node.end_lineno or node.lineno) for node in before):
        yield from (node for last in clause.finalbody for node in ast.walk(last))


def _assigned(node: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement assigns."""
    if isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _closes(call: ast.Call, names: set[str]) -> bool:
    """Whether a call checks in what one of the names stands for."""
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr in CLOSES
        and isinstance(function.value, ast.Name)
        and function.value.id in names
    )


def _said(text: str, nodes: Sequence[ast.stmt | ast.Call]) -> str:
    """Return what the first of some nodes says, in one line."""
    return " ".join((ast.get_source_segment(text, nodes[0]) or "").split()) if nodes else ""
