"""Clean-up calls, as they stand in a statement: `connection.close()`, `await pool.release(c)`, `await to_thread.run_sync(c.close)`."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from testbed.errors import shortened

TEXT_CHARS = 60


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


# What talks to somebody, or runs code of somebody else's, and may raise.
RAISING = words(
    """
    close aclose rollback commit disconnect quit logout shutdown putconn dispose set_autocommit unsubscribe __exit__ closeall unlock
    """
)
RAISING_AWAITED = RAISING | words("wait_closed stop terminate cleanup __aexit__ release")
# What must not be skipped, because somebody else waits for what it gives back.
NEEDED = words(
    """
    close aclose release putconn disconnect quit logout shutdown dispose set_autocommit rollback unlock terminate kill stop cleanup
    server_close closeall __exit__ __aexit__
    """
)
OWN = frozenset({"self", "cls"})
GIVES_BACK = frozenset({"putconn", "release", "release_connection", "close_connection", "drop", "checkin"})  # the receiver is the pool
CARRIERS = words(
    """
    run_sync to_thread run_in_executor run_in_threadpool run_until_complete wait_for shield sync_to_async call_soon_threadsafe
    """
)


@dataclass(frozen=True, slots=True)
class Step:
    """A clean-up: `receiver` is what it is called on, as text; `given` are the texts of its arguments."""

    call: ast.expr
    receiver: str
    method: str
    awaited: bool
    given: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The call as it stands, on one line and not too long."""
        return one_line(self.call)

    @property
    def resource(self) -> str:
        """What is cleaned up: what a pool is given back, or what the method belongs to."""
        return self.given[0] if self.method in GIVES_BACK and self.given else self.receiver


def one_line(node: ast.AST) -> str:
    """Return an expression as text, on one line and not too long."""
    return shortened(" ".join(ast.unparse(node).split()), TEXT_CHARS)


def step_of(value: ast.expr | None) -> Step | None:
    """Return the clean-up that an expression is; None for any other expression."""
    awaited = isinstance(value, ast.Await)
    inner = value.value if isinstance(value, ast.Await) else value
    if value is None or not isinstance(inner, ast.Call):
        return None
    for attribute, arguments in _called(inner):
        if attribute.attr in RAISING_AWAITED | NEEDED and not _is_of_another(attribute, arguments, inner.keywords):
            given = tuple(ast.unparse(argument) for argument in arguments)
            return Step(value, ast.unparse(attribute.value), attribute.attr, awaited, given)
    return None


def _is_of_another(attribute: ast.Attribute, arguments: list[ast.expr], keywords: list[ast.keyword]) -> bool:
    """Whether it does not clean up its receiver: `self.close(fd)`, `Base.close(self)`, `signal.disconnect(receiver)`."""
    if attribute.attr == "close":
        of_self = isinstance(attribute.value, ast.Name) and attribute.value.id in OWN
        return bool(arguments) and (of_self or (isinstance(arguments[0], ast.Name) and arguments[0].id in OWN))
    return attribute.attr == "disconnect" and bool(arguments or {keyword.arg for keyword in keywords} - {"timeout"})


def _called(call: ast.Call) -> list[tuple[ast.Attribute, list[ast.expr]]]:
    """Return the method that is called, or that is carried elsewhere to be called there, with its arguments."""
    if not isinstance(call.func, ast.Attribute | ast.Name):
        return []
    name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
    if name not in CARRIERS:
        return [(call.func, call.args)] if isinstance(call.func, ast.Attribute) else []
    found: list[tuple[ast.Attribute, list[ast.expr]]] = []
    for index, argument in enumerate(call.args):
        if isinstance(argument, ast.Attribute):
            found.append((argument, call.args[index + 1 :]))
        elif isinstance(argument, ast.Call) and isinstance(argument.func, ast.Attribute):
            found.append((argument.func, argument.args))
    return found
