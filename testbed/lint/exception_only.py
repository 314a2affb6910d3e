"""What is closed in `except Exception` and nowhere else, in a task that may be cancelled."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from testbed.lint import instead, receivers
from testbed.lint.finding import EXCEPTION_ONLY, Finding
from testbed.lint.flow import EVERYTHING, caught_types
from testbed.lint.place import place_of
from testbed.lint.scopes import Scope
from testbed.lint.steps import Step, step_of, words

CLOSING = words("close aclose release putconn disconnect terminate abort")


def findings(scope: Scope) -> Iterator[Finding]:
    """Yield a finding for each handler of an async function that is the only one to close what the function has made."""
    if not scope.is_async:
        return
    made, guarded = _made(scope), _guarded(scope)
    for node in scope.nodes:
        if not isinstance(node, ast.Try) or not _has_await(node.body):
            continue
        if any(caught_types(handler) & EVERYTHING for handler in node.handlers):
            continue
        for handler in node.handlers:
            if "Exception" in caught_types(handler):
                steps = [step for step in _steps(handler.body) if step.resource in made - guarded and step.method in CLOSING]
                steps = [step for step in steps if receivers.kind_of(step.resource, scope.made) != "file"]
                if steps:
                    yield _finding(handler, steps)


def _finding(handler: ast.ExceptHandler, steps: list[Step]) -> Finding:
    sentence = (
        f"`{steps[0].text}` (line {steps[0].call.lineno}) is not reached when the task is cancelled: `except Exception` does not catch that"
    )
    return Finding(place_of(handler), EXCEPTION_ONLY, sentence, instead.of_everything([step.call for step in steps]))


def _steps(statements: list[ast.stmt]) -> Iterator[Step]:
    """Yield the clean-ups in some statements, in whatever they are nested."""
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Expr) and (step := step_of(node.value)):
                yield step


def _made(scope: Scope) -> set[str]:
    """Return the names that a call has given a value in the function."""
    found: set[str] = set()
    for node in scope.nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call | ast.Await):
            for target in node.targets:
                parts = target.elts if isinstance(target, ast.Tuple) else [target]
                found |= {part.id for part in parts if isinstance(part, ast.Name)}
    return found


def _guarded(scope: Scope) -> set[str]:
    """Return what a finally of the function closes."""
    return {step.resource for node in scope.nodes if isinstance(node, ast.Try) for step in _steps(node.finalbody)}


def _has_await(statements: list[ast.stmt]) -> bool:
    return any(isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) for statement in statements for node in ast.walk(statement))
