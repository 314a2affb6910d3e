"""Which clean-up an exception of another skips: statements in the order in which they run, with what guards each."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, replace

from testbed.lint.steps import NEEDED, RAISING, RAISING_AWAITED, Step, one_line, step_of

EVERYTHING = frozenset({"BaseException", "CancelledError", "get_cancelled_exc_class"})
SUPPRESSING = frozenset({"suppress", "ignored", "quiet", "capture_internal_exceptions", "safe_reraise"})
LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


@dataclass(frozen=True, slots=True)
class Raiser:
    """What may raise and then skips what follows: a clean-up or, where `step` is None, another await.

    `cancelled_only`: its errors are caught, and a cancellation passes.
    """

    node: ast.expr
    step: Step | None = None
    cancelled_only: bool = False


@dataclass(frozen=True, slots=True)
class Skip:
    """A clean-up, and what would skip it."""

    by: Raiser
    step: Step


@dataclass(frozen=True, slots=True)
class Flow:
    """Follows the statements of one clean-up; `is_async`: of an async function. `skips` is filled on the way."""

    is_async: bool
    may_raise: Callable[[Step], bool]
    skips: list[Skip]
    shielded: bool = False

    def through(self, statements: list[ast.stmt], before: tuple[Raiser, ...] = ()) -> tuple[Raiser, ...]:
        """Return what may raise out of these statements or before them; nothing where they always leave."""
        for statement in statements:
            before = self._statement(statement, before)
            if isinstance(statement, LEAVES):
                return ()
        return before

    def _statement(self, node: ast.stmt, before: tuple[Raiser, ...]) -> tuple[Raiser, ...]:
        match node:
            case ast.Expr(value=value) | ast.Return(value=value) | ast.Assign(value=value):
                return self._expression(value, before)
            case ast.Try():
                return self._try(node, before)
            case ast.With() | ast.AsyncWith():
                return self._with(node, before)
            case ast.If():
                ways = [self.through(node.body, before), self.through(node.orelse, before)]  # both may come to what follows
            case ast.For() | ast.AsyncFor() | ast.While():
                ways = [before, self.through([*node.body, *node.orelse], before)]
            case ast.Match():
                ways = [before, *(self.through(case.body, before) for case in node.cases)]
            case _:
                ways = [before]
        return _merged(*ways)

    def _expression(self, value: ast.expr | None, before: tuple[Raiser, ...]) -> tuple[Raiser, ...]:
        step = step_of(value)
        if step is None:
            return (*before, Raiser(value)) if isinstance(value, ast.Await) and self.is_async and not self.shielded else before
        if step.method in NEEDED:
            self.skips.extend(Skip(raiser, step) for raiser in before)
        cancellable = step.awaited and self.is_async and not self.shielded
        if (cancellable and step.method in RAISING_AWAITED) or (step.method in RAISING and self.may_raise(step)):
            return (*before, Raiser(step.call, step))
        return before

    def _with(self, node: ast.With | ast.AsyncWith, before: tuple[Raiser, ...]) -> tuple[Raiser, ...]:
        contexts = [item.context_expr for item in node.items]
        inside = replace(self, shielded=True) if any(map(_shields, contexts)) else self
        raisers = inside.through(node.body, before)
        for context in contexts:
            if isinstance(context, ast.Call) and _name(context.func) in SUPPRESSING:
                raisers = self._caught(raisers, before, {_name(argument) for argument in context.args})
        return raisers

    def _try(self, node: ast.Try, before: tuple[Raiser, ...]) -> tuple[Raiser, ...]:
        body = self.through(node.body, before)
        after = self.through(node.orelse, body)
        for handler in node.handlers:
            self.through(handler.body, before)
        caught = [handler for handler in node.handlers if not _raises_again(handler)]
        if caught:
            after = self._caught(after, before, {name for handler in node.handlers for name in caught_types(handler)})
        last = self.through(node.finalbody, before)
        return _merged(after, last)

    def _caught(self, raisers: tuple[Raiser, ...], before: tuple[Raiser, ...], types: set[str]) -> tuple[Raiser, ...]:
        """Return what passes a guard: what came before it, and cancellations where it catches only exceptions."""
        if not self.is_async or self.shielded or types & EVERYTHING:
            return before
        passed = (replace(raiser, cancelled_only=True) for raiser in raisers if raiser not in before and _is_awaited(raiser))
        return (*before, *passed)


def _merged(*ways: tuple[Raiser, ...]) -> tuple[Raiser, ...]:
    return tuple(dict.fromkeys(raiser for way in ways for raiser in way))


def _raises_again(handler: ast.ExceptHandler) -> bool:
    """Whether a handler lets its exception go on, and has cleaned nothing up."""
    if not any(isinstance(part, ast.Raise) for part in handler.body):
        return False
    return not any(isinstance(part, ast.Expr) and step_of(part.value) for part in handler.body)


def _is_awaited(raiser: Raiser) -> bool:
    return isinstance(raiser.node, ast.Await)


def _name(node: ast.expr) -> str:
    """Return the last name of an expression: `CancelledError` of `asyncio.CancelledError`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func):
            return _name(func)
        case ast.Starred(value=value):
            return _name(value)
    return one_line(node)


def caught_types(handler: ast.ExceptHandler) -> set[str]:
    """Return the names of what a handler catches; without any, everything."""
    match handler.type:
        case None:
            return {"BaseException"}
        case ast.Tuple(elts=parts):
            return {_name(part) for part in parts}
    return {_name(handler.type)}


def _shields(context: ast.expr) -> bool:
    """Whether a context keeps cancellations from what is in it, as `CancelScope(shield=True)`."""
    return isinstance(context, ast.Call) and any(
        keyword.arg == "shield" and isinstance(keyword.value, ast.Constant) and bool(keyword.value.value) for keyword in context.keywords
    )
