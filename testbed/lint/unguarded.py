"""A connection that is taken from a pool and given back on the straight way only, or not at all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from testbed.lint import instead
from testbed.lint.finding import UNGUARDED_CHECKOUT, Finding
from testbed.lint.flow import caught_types
from testbed.lint.place import place_of
from testbed.lint.scopes import Scope
from testbed.lint.steps import step_of, words

ALWAYS = frozenset({"getconn", "get_connection_from_pool", "raw_connection"})
OF_A_POOL = frozenset({"acquire", "connection", "get_connection", "connect", "checkout", "get_conn"})
POOL = re.compile(r"pool|engine|data_?source", re.IGNORECASE)
CATCHING = frozenset({"BaseException", "Exception"})
OWNERS = words(
    """
    append add put put_nowait insert enter_context enter_async_context callback push push_async_exit appendleft setattr
    """
)


@dataclass(frozen=True, slots=True)
class Checkout:
    """A connection and where it is taken."""

    name: str
    receiver: str
    method: str
    awaited: bool
    node: ast.Assign


def findings(scope: Scope) -> Iterator[Finding]:
    """Yield a finding for each connection that a function takes, keeps to itself, and does not give back when something raises."""
    if not scope.name:
        return  # a program's own connection is given back when it ends
    checkouts = [found for node in scope.nodes if isinstance(node, ast.Assign) and (found := checkout_of(node))]
    made = {target.id for node in scope.nodes if isinstance(node, ast.Assign) for target in node.targets if isinstance(target, ast.Name)}
    for checkout in checkouts:
        if checkout.receiver in made:
            continue  # a pool of this very function's ends with it
        if not _handed_on(checkout.name, scope) and not _guarded(checkout.name, scope):
            yield _finding(checkout, scope)


def checkout_of(node: ast.Assign) -> Checkout | None:
    """Return the checkout that an assignment to a name is; None for any other."""
    value = node.value.value if isinstance(node.value, ast.Await) else node.value
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and len(node.targets) == 1):
        return None
    target, method, receiver = node.targets[0], value.func.attr, ast.unparse(value.func.value)
    if not isinstance(target, ast.Name) or not (method in ALWAYS or (method in OF_A_POOL and POOL.search(receiver.rpartition(".")[2]))):
        return None
    return Checkout(target.id, receiver, method, isinstance(node.value, ast.Await), node)


def _finding(checkout: Checkout, scope: Scope) -> Finding:
    line = next((node.lineno for node in scope.nodes if isinstance(node, ast.Expr) and _gives_back(checkout.name, [node])), None)
    where = f"only in line {line}, which an exception before it skips" if line else "nowhere in this function"
    sentence = f"`{checkout.name}`, taken by `{checkout.receiver}.{checkout.method}(…)`, is given back {where}"
    better = instead.block_of(checkout.name, checkout.receiver, checkout.method, awaited=checkout.awaited)
    return Finding(place_of(checkout.node), UNGUARDED_CHECKOUT, sentence, better)


def _gives_back(name: str, nodes: Iterable[ast.AST]) -> bool:
    """Whether some statements, in whatever they are nested, have a clean-up of a name, or give it to a function that may be one."""
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Expr) and (step := step_of(part.value)) and name in (step.resource, *step.given):
                return True
    return False


def _guarded(name: str, scope: Scope) -> bool:
    """Whether a block, a finally or a handler of everything sees to it."""
    for node in scope.nodes:
        match node:
            case ast.With() | ast.AsyncWith():
                if any(_mentions(name, item.context_expr) for item in node.items):
                    return True
            case ast.Try():
                if any(_mentions(name, statement) for statement in node.finalbody):
                    return True
                if any(caught_types(handler) & CATCHING and _gives_back(name, handler.body) for handler in node.handlers):
                    return True
    return False


def _handed_on(name: str, scope: Scope) -> bool:
    """Whether somebody else may give it back: it is returned, yielded, stored, given to an object, or used in an inner function."""
    if any(_mentions(name, node) for node in scope.inner):
        return True
    for node in scope.nodes:
        match node:
            case ast.Return(value=ast.expr() as value) | ast.Yield(value=ast.expr() as value):
                if any(isinstance(part, ast.Name) and part.id == name for part in _whole(value)):
                    return True
            case ast.Assign(value=value) if any(isinstance(part, ast.Name) and part.id == name for part in _whole(value)):
                return True
            case ast.Call() if _owns(node, name):
                return True
            case ast.Global(names=names) | ast.Nonlocal(names=names) if name in names:
                return True
    return False


def _whole(value: ast.expr) -> Iterator[ast.expr]:
    """Yield the parts of a value that are passed on as they are: not `connection` of `connection.execute(…)`."""
    yield value
    match value:
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            for part in parts:
                yield from _whole(part)
        case ast.Dict(values=parts):
            for part in parts:
                yield from _whole(part)
        case ast.IfExp(body=body, orelse=orelse):
            yield from (body, orelse)
        case ast.Call(args=args, keywords=keywords):
            yield from (*args, *(keyword.value for keyword in keywords))
        case ast.Await(value=inner):
            yield from _whole(inner)


def _owns(call: ast.Call, name: str) -> bool:
    """Whether a call gives a connection to an object that may keep it: one that is made of it, or a collection."""
    called = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""
    if called not in OWNERS and not called[:1].isupper():
        return False
    return any(isinstance(part, ast.Name) and part.id == name for part in (*call.args, *(keyword.value for keyword in call.keywords)))


def _mentions(name: str, node: ast.AST) -> bool:
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node))
