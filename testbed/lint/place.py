"""Where a node of a syntax tree stands."""

from __future__ import annotations

import ast

from testbed.lint.finding import Place


def place_of(node: ast.expr | ast.stmt | ast.excepthandler) -> Place:
    """Return its place; the column is in bytes of UTF-8, as the parser counts, until `source` makes characters of it."""
    return Place(node.lineno, node.col_offset + 1, node.end_lineno or node.lineno)
