"""Which locks a line of Python holds and takes, read from its source: `with EXPR:`, and `EXPR.acquire()` up to `EXPR.release()`.

Not seen: a lock that is taken in another function than the one that is left holding it, such as a generator of `contextlib`, and
asyncio's locks: tasks have no thread of their own to wait in.
"""

from __future__ import annotations

import ast
import symtable
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
MODULE = "<module>"


@dataclass(frozen=True, slots=True)
class LockExpression:
    """An expression that names a lock, such as `self.lock`: the variable that it begins with, and the way from there.

    `root` is empty where the way is not a fixed one, as of `self.locks[i]`; `is_global` says whether `root` is a global of the module.
    """

    text: str
    line: int
    root: str = ""
    way: str = ""
    is_global: bool = False


@dataclass(frozen=True, slots=True)
class LinesLocks:
    """Of a line: the locks that whoever stands there holds, the outermost first, and those that it may just be taking."""

    held: tuple[LockExpression, ...] = ()
    taken: tuple[LockExpression, ...] = ()


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
        self._functions = list(_functions(self._tree.body))
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
        held: list[ast.expr] = []
        taken: list[ast.expr] = []
        releases = [] if scope is None else [(call.lineno, ast.unparse(owner)) for call, owner in _calls(scope, "release")]
        block = None if scope is None else scope.body
        while block:
            held += _acquired_before(block, line, releases)
            statement = next((each for each in block if _covers(each, line)), None)
            if statement is None:
                break
            if isinstance(statement, ast.With):
                _add_items(statement, line, held, taken, blocked=blocked)
            block = _block_of(statement, line)
            if block is None:
                taken += [owner for call, owner in _calls(statement, "acquire") if _covers(call, line)]
        table = None if scope is None else self._symbols(scope)
        return LinesLocks(tuple(_lock(each, table) for each in held), tuple(_lock(each, table) for each in taken))

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


def _functions(block: list[ast.stmt]) -> Iterator[Function]:
    """Yield the functions that are defined in a block, at any depth. Expressions, which are most of a source, have none."""
    for statement in block:
        if isinstance(statement, Function):
            yield statement
        for inner in _blocks(statement):
            yield from _functions(inner)


def _blocks(statement: ast.stmt) -> list[list[ast.stmt]]:
    blocks = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
    return blocks + [part.body for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ()))]


def _block_of(statement: ast.stmt, line: int) -> list[ast.stmt] | None:
    """Return the block of a compound statement that a line is in; None where it is in none, or in a function's or a class's own."""
    if isinstance(statement, Function | ast.ClassDef):
        return None
    blocks = _blocks(statement)
    return next((block for block in blocks if block and block[0].lineno <= line <= (block[-1].end_lineno or line)), None)


def _add_items(statement: ast.With, line: int, held: list[ast.expr], taken: list[ast.expr], *, blocked: bool) -> None:
    """Add what a `with` holds and takes where a line is in its body, or at one of its items; both may be one line."""
    in_body = line >= statement.body[0].lineno
    for item in statement.items:
        expression = item.context_expr
        if _covers(expression, line) and (blocked or not in_body):
            taken.append(expression)
        elif in_body or (expression.end_lineno or line) < line:
            held.append(expression)


def _acquired_before(block: list[ast.stmt], line: int, releases: list[tuple[int, str]]) -> Iterator[ast.expr]:
    """Yield what earlier statements `EXPR.acquire()` took, and no line has released since; with arguments they may have failed."""
    for statement in block:
        if (statement.end_lineno or line) >= line:
            return
        call = statement.value if isinstance(statement, ast.Expr) else None
        for acquired, owner in _calls(statement, "acquire"):
            is_sure = acquired is call and not (acquired.args or acquired.keywords)
            if is_sure and not any(statement.lineno < at < line and ast.unparse(owner) == released for at, released in releases):
                yield owner


def _calls(node: ast.AST, method: str) -> Iterator[tuple[ast.Call, ast.expr]]:
    """Yield the calls of a method within a node, each with what it is called on."""
    for found in ast.walk(node):
        if isinstance(found, ast.Call) and isinstance(found.func, ast.Attribute) and found.func.attr == method:
            yield found, found.func.value


def _lock(expression: ast.expr, table: symtable.SymbolTable | None) -> LockExpression:
    text, inner = ast.unparse(expression), expression
    while isinstance(inner, ast.Attribute) or (isinstance(inner, ast.Subscript) and isinstance(inner.slice, ast.Constant)):
        inner = inner.value
    if not isinstance(inner, ast.Name):
        return LockExpression(text, expression.lineno)
    is_global = False
    if table is not None:
        is_global = table.get_type() == "module" or (inner.id in table.get_identifiers() and table.lookup(inner.id).is_global())
    return LockExpression(text, expression.lineno, inner.id, text[len(inner.id) :], is_global)
