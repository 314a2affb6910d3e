"""Which fact of the case is shown by which scenario or test, and which by nothing."""

from __future__ import annotations

import ast
from collections import defaultdict
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from testbed import package_data, scenario_file
from testbed.facts import FACTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARK = "pytest.mark.fact"


def shown() -> dict[str, list[str]]:
    """Give, for every fact, the scenarios that name it and the tests that are marked with it."""
    by_fact: dict[str, list[str]] = {fact: [] for fact in FACTS}
    for path in scenario_file.known():
        for fact in scenario_file.load(path).facts:
            by_fact[fact].append(f"scenario {path.stem}")
    for directory in scenario_file.directories():
        for fact, tests in _marked(directory.parent).items():
            by_fact.setdefault(fact, []).extend(tests)
    return by_fact


def _marked(root: Path) -> dict[str, list[str]]:
    """Find the marks in the source of the tests: nothing is imported for it."""
    marked: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted([*root.glob("tests/**/test_*.py"), *root.glob("scenarios/test_*.py")]):
        for test in ast.walk(_source(path)):
            if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef) and test.name.startswith("test_"):
                for fact in _facts(test):
                    marked[fact].append(f"{path.relative_to(root)}::{test.name}")
    return marked


def _source(path: Path) -> ast.Module:
    """Read a test's source; one that is not Python, in a directory that may be anybody's, marks nothing."""
    try:
        return ast.parse(path.read_bytes(), str(path))
    except SyntaxError:
        return ast.Module([], [])


def _facts(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Give the facts in the marks of a test."""
    for mark in test.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == MARK:
            yield from (str(fact.value) for fact in mark.args if isinstance(fact, ast.Constant))


def table(by_fact: dict[str, list[str]]) -> Table:
    """Draw the table of facts."""
    drawn = Table(title="The facts of the case, and what shows them", caption=_caption(by_fact))
    drawn.add_column("fact", no_wrap=True)
    drawn.add_column("in a few words", ratio=2)
    drawn.add_column("shown by", ratio=3, overflow="fold")
    for fact, by in by_fact.items():
        drawn.add_row(fact, FACTS.get(fact, "not a fact of the case"), Text("\n".join(by)) if by else Text("nothing yet", "dim"))
    return drawn


def _caption(by_fact: dict[str, list[str]]) -> str:
    covered = sum(bool(by) for by in by_fact.values())
    told = f"{covered} of {len(by_fact)} facts are shown by a scenario or a test"
    if package_data.checkout() is None:
        return f"{told}; the testbed's own tests are not installed: `testbed facts` in a checkout counts them too"
    return told
