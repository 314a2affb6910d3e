"""What to write in place of what was found, with the names of the code that was found."""

from __future__ import annotations

import ast

from testbed.lint.steps import one_line

DEEPEST = 4  # clean-ups that are nested; of more, a stack is easier to read
INDENT = "    "


def nested(calls: list[ast.expr]) -> tuple[str, ...]:
    """Return clean-ups each under its own guard, in their order."""
    if len(calls) > DEEPEST:
        return _stacked(calls)
    lines = [one_line(calls[-1])]
    for call in reversed(calls[:-1]):
        lines = ["try:", f"{INDENT}{one_line(call)}", "finally:", *(INDENT + line for line in lines)]
    return tuple(lines)


def _stacked(calls: list[ast.expr]) -> tuple[str, ...]:
    """Return clean-ups pushed on an exit stack, which calls the last first, whatever the others raise."""
    is_async = any(isinstance(call, ast.Await) for call in calls)
    opened = (
        "async with AsyncExitStack() as stack:" if is_async else "with ExitStack() as stack:  # runs all of them, the last pushed first"
    )
    return (opened, *(f"{INDENT}{_pushed(call)}" for call in reversed(calls)))


def _pushed(call: ast.expr) -> str:
    push = "push_async_callback" if isinstance(call, ast.Await) else "callback"
    inner = call.value if isinstance(call, ast.Await) else call
    if not isinstance(inner, ast.Call):
        return f"stack.callback(lambda: {one_line(inner)})"
    given = [one_line(inner.func), *map(one_line, inner.args)]
    return f"stack.{push}({', '.join(given)})"


def of_everything(calls: list[ast.expr]) -> tuple[str, ...]:
    """Return clean-ups in a handler that a cancellation does not pass."""
    return ("except BaseException:  # a cancellation too", *(f"{INDENT}{one_line(call)}" for call in calls), f"{INDENT}raise")


def block_of(name: str, receiver: str, method: str, *, awaited: bool) -> tuple[str, ...]:
    """Return a checkout whose check-in no exception skips, in the idiom of the pool that has this method."""
    if method == "getconn":
        wait = "await " if awaited else ""
        give = f"{wait}{receiver}.putconn({name})"
        return (f"{name} = {wait}{receiver}.getconn()", "try:", f"{INDENT}…", "finally:", f"{INDENT}{give}")
    if awaited or method in ("acquire", "connection", "connect"):
        return (f"{'async ' if awaited else ''}with {receiver}.{method}(…) as {name}:", f"{INDENT}…")
    return (f"with closing({receiver}.{method}(…)) as {name}:  # from contextlib", f"{INDENT}…")
