"""Where a connection was lost: a request took it out of the pool, ended, and did not check it in.

Read off the row of the pool's table and the function that took it. Where the request ended with an error, the line that raised it is in
that function's frame of the traceback. The close that it skipped is named where the source shows it: the connection has one name, and the
close comes further down on the same way, with nothing between that may catch the error, go round, or return. Of all other code only the
lines are told: where the connection was taken, and where the error was raised.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from testbed.journal.evidence import ConnectionOut, Source

CALL = re.compile(r"(?P<file>.+):(?P<line>\d+) (?P<function>\S+)")
CLOSES = ("close", "checkin", "release", "putconn")  # what checks a connection in, by the names that pools have for it
LEAVES = (ast.Return, ast.Raise, ast.Break, ast.Continue)


@dataclass(frozen=True, slots=True)
class Loss:
    """A line at which connections were lost, such as `lookup/original.py:24`.

    Where no error came out of the function that took them, it is the line that took them. `error`: what the request ended with, if it did.
    `taken`: the number of the line that took them, if another raised it. `raised`: the statement of the line that did, and `skipped` the
    close that was not reached by it; both are empty where the code is not known, or does not show it.
    """

    at: str
    function: str
    error: str = ""
    raised: str = ""
    skipped: str = ""
    taken: str = ""

    def __str__(self) -> str:
        if self.raised and self.skipped:
            return f"{self.at}: {self.raised} raised, and {self.skipped} was never reached"
        if self.taken:
            error = self.error or "an error"
            what = f"{self.raised} raised {error}" if self.raised else f"the request ended with {error} here"
            return f"{self.at}, in {self.function}: {what}, and the connection taken at line {self.taken} was never checked in"
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
    statement, skipped = ("", "") if source is None else _around(source, line, raised)
    return Loss(f"{file}:{raised}", function, error, statement, skipped, line)


def _around(source: Source, taken: str, raised: str) -> tuple[str, str]:
    """Return the statement at the line that raised, and the close that it skipped; empty where the source does not show it.

    A source may be no text of Python, or be nested too deeply for its parser.
    """
    text = textwrap.dedent(source.text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the service's code does, such as an unknown escape
            tree = ast.parse(text)
        of_taken, of_raised = (_at(tree, int(line) - source.first_line + 1) for line in (taken, raised))
        close = _skipped(tree, of_taken, of_raised)
        return _said(text, of_raised), _said(text, close)
    except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):  # the last: see `observe/lock_source.py`
        return "", ""


def _at(tree: ast.Module, line: int) -> ast.stmt | None:
    """Return the statement at a line; None where there is none, or more than one, or it has others in it."""
    simple = (
        node for node in ast.walk(tree) if isinstance(node, ast.stmt) and not isinstance(node, ast.Match) and not hasattr(node, "body")
    )
    there = [node for node in simple if _covers(node, line)]
    return there[0] if len(there) == 1 else None


def _covers(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _skipped(tree: ast.Module, taken: ast.stmt | None, raised: ast.stmt | None) -> ast.stmt | None:
    """Return the close of what a statement took that another skipped when it raised; None where the source does not show it."""
    name = "" if taken is None else _assigned(taken)
    if raised is None or isinstance(raised, LEAVES) or not name or _closes(raised, name) or _times_bound(tree, name) > 1:
        return None
    way = _way_out(tree, raised, name)
    if not any(taken in block[:number] for block, number in way):
        return None
    for block, number in way:
        for after in block[number + 1 :]:
            if _closes(after, name):
                return after
            if isinstance(after, LEAVES):
                return None
    return None


def _way_out(tree: ast.Module, inner: ast.stmt, name: str) -> list[tuple[list[ast.stmt], int]]:
    """Return the blocks of a function around a statement, from within, each with the number of the statement there.

    Empty where something around it may catch an error, goes round, runs later, or does something to `name` whatever was raised.
    """
    around = {id(statement): (node, block) for node in ast.walk(tree) for block in _blocks(node) for statement in block}
    way: list[tuple[list[ast.stmt], int]] = []
    while True:
        node, block = around[id(inner)]
        way.append((block, block.index(inner)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return way if node in tree.body else []
        if not isinstance(node, ast.If | ast.Try):
            return []
        if isinstance(node, ast.Try):
            caught = block is node.body and bool(node.handlers)
            if caught or (block is not node.finalbody and _mentions(node.finalbody, name)):
                return []
        inner = node


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Yield the lists of statements in a node."""
    for value in vars(node).values():
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            yield value


def _mentions(block: Sequence[ast.stmt], name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for statement in block for node in ast.walk(statement))


def _assigned(statement: ast.stmt) -> str:
    """Return the only name that a statement gives to what its only call returns; empty where it does anything else."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target: ast.expr = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign):
        target = statement.target
    else:
        return ""
    calls = sum(isinstance(node, ast.Call) for node in ast.walk(statement))
    return target.id if isinstance(target, ast.Name) and _call(statement.value) is not None and calls == 1 else ""


def _times_bound(tree: ast.Module, name: str) -> int:
    """Return how often a name is given to anything, by whatever statement."""
    stored = sum(isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load) for node in ast.walk(tree))
    others = (node for node in ast.walk(tree) if not isinstance(node, ast.Name | ast.Attribute | ast.keyword | ast.Constant))
    return stored + sum(
        bool(value == name or (isinstance(value, list) and name in value)) for node in others for value in vars(node).values()
    )


def _closes(statement: ast.stmt, name: str) -> bool:
    """Whether a statement only checks in what a name stands for: `name.close()`, or `pool.putconn(name)`."""
    call = _call(statement.value) if isinstance(statement, ast.Expr) else None
    if call is None or not isinstance(call.func, ast.Attribute) or call.func.attr not in CLOSES:
        return False
    return any(isinstance(node, ast.Name) and node.id == name for node in (call.func.value, *call.args))


def _call(value: ast.expr | None) -> ast.Call | None:
    """Return the call that an expression is, whether or not it is awaited."""
    inner = value.value if isinstance(value, ast.Await) else value
    return inner if isinstance(inner, ast.Call) else None


def _said(text: str, node: ast.stmt | None) -> str:
    """Return what a statement says, in one line."""
    return "" if node is None else " ".join((ast.get_source_segment(text, node) or "").split())
