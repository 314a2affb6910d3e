"""The functions of a module, each with its own nodes: those of a function within it are the inner function's."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from testbed.lint.receivers import made_of

INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Scope:
    """A function, or the module itself (`name` is empty); `made` is what its names and its class's members were made with."""

    name: str
    body: list[ast.stmt]
    nodes: tuple[ast.AST, ...]
    inner: tuple[ast.AST, ...]
    is_async: bool
    in_class: bool
    made: Mapping[str, str]


def scopes_of(module: ast.Module) -> Iterator[Scope]:
    """Yield the module and every function in it."""
    waiting: list[tuple[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, bool, dict[str, str]]] = [(module, False, {})]
    while waiting:
        node, in_class, members = waiting.pop()
        nodes, inner = _own(node.body)
        if isinstance(node, ast.ClassDef):
            members = _members(node)
        else:
            yield Scope(
                name="" if isinstance(node, ast.Module) else node.name,
                body=node.body,
                nodes=nodes,
                inner=inner,
                is_async=isinstance(node, ast.AsyncFunctionDef),
                in_class=in_class,
                made={**members, **made_of(nodes)},
            )
        waiting += [
            (found, isinstance(node, ast.ClassDef), members)
            for found in inner
            if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ]


def _own(body: list[ast.stmt]) -> tuple[tuple[ast.AST, ...], tuple[ast.AST, ...]]:
    """Return the nodes of a body in the order of the file, and the functions, lambdas and classes that are directly in it."""
    nodes: list[ast.AST] = []
    inner: list[ast.AST] = []
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, INNER):
            inner.append(node)
            continue
        nodes.append(node)
        waiting += reversed(list(ast.iter_child_nodes(node)))
    return tuple(nodes), tuple(inner)


def _members(node: ast.ClassDef) -> dict[str, str]:
    """Return what the members of a class were made with, in any of its methods."""
    return {name: kind for name, kind in made_of(ast.walk(node)).items() if name.startswith(("self.", "cls."))}
