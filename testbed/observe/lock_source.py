"""Which locks a line of Python holds and takes, read from its source: `with EXPR:`, and `EXPR.acquire()` up to `EXPR.release()`.

What an expression stands for is known only as it is now. Where it may have been assigned since the lock was taken, it names no lock. A
lock that was then handed to somebody, or is known under a further name, may be given back there: without `with` it is not held, and
within one it may be. Any other call may give back what `acquire` took, too.

Not seen: a lock that is taken in another function than the one that is left holding it, such as a generator of `contextlib`, and
asyncio's locks: tasks have no thread of their own to wait in.
"""

from __future__ import annotations

import ast
import symtable
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
MODULE = "<module>"
METHODS = {"acquire", "release", "locked"}  # of a lock itself, which hand it to nobody


@dataclass(frozen=True, slots=True)
class LockExpression:
    """An expression that names a lock, such as `self.lock`: the variable that it begins with, and the way from there.

    `root` is empty where the way is not a fixed one, as of `self.locks[i]`, and where it may have been assigned since; `is_global` says
    whether `root` is a global of the module. `is_item`: of a `with`. `may_be_released`: a call since it was taken may have given it back.
    """

    text: str
    line: int
    root: str = ""
    way: str = ""
    is_global: bool = False
    is_item: bool = False
    may_be_released: bool = False


@dataclass(frozen=True, slots=True)
class LinesLocks:
    """Of a line: the locks that whoever stands there holds, the outermost first, and those that it may just be taking."""

    held: tuple[LockExpression, ...] = ()
    taken: tuple[LockExpression, ...] = ()


@dataclass(frozen=True, slots=True)
class _Taken:
    """An expression whose lock is held or taken: the end of what took it, as line and column, and whether that is a `with`."""

    owner: ast.expr
    since: tuple[int, int]
    is_item: bool


_parsing = threading.Lock()
PARSE_TRIES = 5


def _parsed(text: str) -> ast.Module:
    """Parse a source. One at a time, and again where another thread of the process parsed, too.

    Python 3.11 counts the depth of its recursion for all threads together, and raises SystemError when the count does not come out.
    """
    with _parsing:
        for _ in range(PARSE_TRIES - 1):
            try:
                return ast.parse(text)
            except SystemError:
                continue
        return ast.parse(text)


class LockSource:
    """The source of a module; raises ValueError when the text is no Python of this interpreter."""

    def __init__(self, text: str, file: str) -> None:
        try:
            self._tree = _parsed(text)
            self._table = symtable.symtable(text, file, "exec")
        except (SyntaxError, RecursionError, MemoryError) as error:
            raise ValueError(f"{file} cannot be parsed: {error}") from error
        self._functions = [statement for statement in _statements(self._tree.body) if isinstance(statement, Function)]
        shared = (each for each in _statements(self._tree.body) if isinstance(each, ast.Global | ast.Nonlocal))
        self._shared = {name for each in shared for name in each.names}  # any call may assign these
        self._known: dict[tuple[str, int, bool], LinesLocks] = {}

    def locks_at(self, function: str, line: int, *, blocked: bool) -> LinesLocks:
        """Return the locks of a line of a function; `blocked`: it stands in a futex, so where it may be taking a lock it is.

        Each line is looked at once: forty threads of a pool stand at the same few.
        """
        place = (function, line, blocked)
        if place not in self._known:
            self._known[place] = self._locks_at(function, line, blocked=blocked)
        return self._known[place]

    def _locks_at(self, function: str, line: int, *, blocked: bool) -> LinesLocks:
        scope = self._scope(function, line)
        if scope is None:
            return LinesLocks()
        held: list[_Taken] = []
        taken: list[_Taken] = []
        block: list[ast.stmt] | None = scope.body
        while block:
            held += _acquired_before(block, line)
            statement = next((each for each in block if _covers(each, line)), None)
            if statement is None:
                break
            if isinstance(statement, ast.With):
                _add_items(statement, line, held, taken, blocked=blocked)
            block = _block_of(statement, line)
            if block is None:
                taken += [_Taken(owner, _end(call), is_item=False) for call, owner in _calls(statement, "acquire") if _covers(call, line)]
        table = self._symbols(scope)
        still = (self._still_held(each, scope, line, _lock(each, table)) for each in held)
        return LinesLocks(tuple(lock for lock in still if lock is not None), tuple(_lock(each, table) for each in taken))

    def _still_held(self, taken: _Taken, scope: Function | ast.Module, line: int, lock: LockExpression) -> LockExpression | None:
        """Return a lock that was taken as it is at a later line; None where it was given back, or handed to somebody who may have."""
        until = max((_last(loop) for loop in _loops(scope, line) if (loop.lineno, loop.col_offset) >= taken.since), default=line)
        since = [node for node in ast.walk(scope) if _is_between(node, taken.since, until)]
        items = {id(item.context_expr) for node in since if isinstance(node, ast.With) for item in node.items}
        uses = [node for node in since if isinstance(node, ast.expr) and id(node) not in items and ast.unparse(node) == lock.text]
        used_for = {id(node.value): node.attr for node in since if isinstance(node, ast.Attribute) and id(node.value) in map(id, uses)}
        methods = [used_for.get(id(node), "") for node in uses if not isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)]
        is_handed_on = any(method not in METHODS for method in methods)
        if "release" in methods or (is_handed_on and not taken.is_item):
            return None
        if lock.root in self._shared or any(_assigns(node, lock) for node in since):
            return replace(lock, root="", way="", is_global=False)
        called = any(isinstance(node, ast.Await | ast.Yield | ast.YieldFrom) or _may_release(node) for node in since)
        return replace(lock, may_be_released=is_handed_on or (called and not taken.is_item))

    def _scope(self, function: str, line: int) -> Function | ast.Module | None:
        if function == MODULE:
            return self._tree
        named = [node for node in self._functions if node.name == function and _covers(node, line)]
        return max(named, key=lambda node: node.lineno, default=None)

    def _symbols(self, scope: Function | ast.Module) -> symtable.SymbolTable | None:
        if isinstance(scope, ast.Module):
            return self._table
        lines = {scope.lineno, *(decorator.lineno for decorator in scope.decorator_list)}
        tables = [self._table]
        while tables:
            table = tables.pop()
            if table.get_type() == "function" and table.get_name() == scope.name and table.get_lineno() in lines:
                return table
            tables += table.get_children()
        return None


def _covers(node: ast.stmt | ast.expr, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _end(node: ast.expr) -> tuple[int, int]:
    return node.end_lineno or node.lineno, node.end_col_offset or node.col_offset


def _last(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def _is_between(node: ast.AST, since: tuple[int, int], until: int) -> bool:
    """Whether a node begins after a place, and in a line up to the last; what has no place of its own does not."""
    line = getattr(node, "lineno", None)
    return line is not None and line <= until and (line, getattr(node, "col_offset", 0)) >= since


def _loops(scope: Function | ast.Module, line: int) -> Iterator[ast.stmt]:
    """Yield the loops that a line is in: what stands in them further down may have been before it."""
    return (each for each in _statements(scope.body) if isinstance(each, ast.For | ast.AsyncFor | ast.While) and _covers(each, line))


def _assigns(node: ast.AST, lock: LockExpression) -> bool:
    """Whether a node assigns or deletes the variable of a lock's expression, or something on the way from there."""
    names = {getattr(node, name, None) for name in ("name", "asname", "rest")}  # of an import, a function, an `except`, a `case`
    if isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
        names.add(ast.unparse(node))
    return any(isinstance(name, str) and (lock.text == name or lock.text.startswith((f"{name}.", f"{name}["))) for name in names)


def _may_release(node: ast.AST) -> bool:
    """Whether a node is a call that may give back a lock; to take one, or to ask whether it is taken, does not."""
    return isinstance(node, ast.Call) and not (isinstance(node.func, ast.Attribute) and node.func.attr in {"acquire", "locked"})


def _statements(block: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a block, at any depth. Expressions, which are most of a source, have none."""
    for statement in block:
        yield statement
        for inner in _blocks(statement):
            yield from _statements(inner)


def _blocks(statement: ast.stmt) -> list[list[ast.stmt]]:
    blocks = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
    return blocks + [part.body for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ()))]


def _block_of(statement: ast.stmt, line: int) -> list[ast.stmt] | None:
    """Return the block of a compound statement that a line is in; None where it is in none, or in a function's or a class's own."""
    if isinstance(statement, Function | ast.ClassDef):
        return None
    blocks = _blocks(statement)
    return next((block for block in blocks if block and block[0].lineno <= line <= (block[-1].end_lineno or line)), None)


def _add_items(statement: ast.With, line: int, held: list[_Taken], taken: list[_Taken], *, blocked: bool) -> None:
    """Add what a `with` holds and takes where a line is in its body, or at one of its items; both may be one line."""
    in_body = line >= statement.body[0].lineno
    for item in statement.items:
        expression = item.context_expr
        each = _Taken(expression, _end(expression), is_item=True)
        if _covers(expression, line) and (blocked or not in_body):
            taken.append(each)
        elif in_body or (expression.end_lineno or line) < line:
            held.append(each)


def _acquired_before(block: list[ast.stmt], line: int) -> Iterator[_Taken]:
    """Yield what earlier statements `EXPR.acquire()` took; with arguments they may have failed."""
    for statement in block:
        if (statement.end_lineno or line) >= line:
            return
        call = statement.value if isinstance(statement, ast.Expr) else None
        for acquired, owner in _calls(statement, "acquire"):
            if acquired is call and not (acquired.args or acquired.keywords):
                yield _Taken(owner, _end(acquired), is_item=False)


def _calls(node: ast.AST, method: str) -> Iterator[tuple[ast.Call, ast.expr]]:
    """Yield the calls of a method within a node, each with what it is called on."""
    for found in ast.walk(node):
        if isinstance(found, ast.Call) and isinstance(found.func, ast.Attribute) and found.func.attr == method:
            yield found, found.func.value


def _lock(taken: _Taken, table: symtable.SymbolTable | None) -> LockExpression:
    expression = inner = taken.owner
    text, line = ast.unparse(expression), expression.lineno
    while isinstance(inner, ast.Attribute) or (isinstance(inner, ast.Subscript) and isinstance(inner.slice, ast.Constant)):
        inner = inner.value
    if not isinstance(inner, ast.Name):
        return LockExpression(text, line, is_item=taken.is_item)
    is_global = False
    if table is not None:
        is_global = table.get_type() == "module" or (inner.id in table.get_identifiers() and table.lookup(inner.id).is_global())
    return LockExpression(text, line, inner.id, text[len(inner.id) :], is_global, taken.is_item)
