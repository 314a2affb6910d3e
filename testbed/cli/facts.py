"""`testbed facts`: the facts of the case, and the scenarios and tests that show each."""

from __future__ import annotations

import ast
import os
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
from rich import box
from rich.table import Table
from rich.text import Text

from testbed import scenario_file
from testbed.cli.output import warn_passed_over
from testbed.plan import given_file, package_data
from testbed.plan.facts import FACTS
from testbed.report.terminal import plain_console, whole_line_console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MARK = "pytest.mark.fact"
UNKNOWN_FACT = "not a fact of the case"


@dataclass(frozen=True, slots=True)
class ShownBy:
    """What shows a fact: the scenarios that name it, and the tests that are marked with it (`path::name`)."""

    scenarios: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.scenarios or self.tests)


def shown() -> dict[str, ShownBy]:
    """Return what shows each fact, in the order of the case; marks that name no fact of the case come last."""
    scenarios: defaultdict[str, list[str]] = defaultdict(list)
    known, wrong = scenario_file.load_known(strict=False)
    warn_passed_over(wrong)
    for scenario in known:
        for fact in scenario.facts:
            scenarios[fact].append(scenario.name)
    tests: defaultdict[str, list[str]] = defaultdict(list)
    if (top := package_data.checkout()) is not None:  # the tests beside a `scenarios` of the user's own are of another project
        tests |= _marked(top)
    return {fact: ShownBy(tuple(scenarios[fact]), tuple(tests[fact])) for fact in dict.fromkeys([*FACTS, *scenarios, *tests])}


def _marked(root: Path) -> defaultdict[str, list[str]]:
    """Return the tests marked with each fact. They are found in the source; no test is imported."""
    marked: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted([*root.glob("tests/**/test_*.py"), *root.glob("scenarios/test_*.py")]):
        for test, facts in _tests(path):
            for fact in facts:
                marked[fact].append(f"{path.relative_to(root)}::{test}")
    return marked


def _tests(path: Path) -> list[tuple[str, list[str]]]:
    """Return the tests of a file with their facts; none if it cannot be read as Python: a folder, a dangling link, too deep a text."""
    try:
        module = ast.parse(given_file.read(path, given_file.MOST_TEXT_BYTES), str(path))
        of_module = [
            mark for node in module.body if isinstance(node, ast.Assign) and _names(node) == ["pytestmark"] for mark in _marks(node)
        ]
        return [
            (test.name, list(dict.fromkeys(_facts([*of_module, *test.decorator_list]))))
            for test in ast.walk(module)
            if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef) and test.name.startswith("test_")
        ]
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def _names(assignment: ast.Assign) -> list[str]:
    return [ast.unparse(target) for target in assignment.targets]


def _marks(assignment: ast.Assign) -> list[ast.expr]:
    """Return the marks of a module: `pytestmark` is a mark or a list of marks."""
    return assignment.value.elts if isinstance(assignment.value, ast.List | ast.Tuple) else [assignment.value]


def _facts(marks: list[ast.expr]) -> Iterator[str]:
    """Yield the facts that marks name."""
    for mark in marks:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == MARK:
            yield from (fact.value for fact in mark.args if isinstance(fact, ast.Constant) and isinstance(fact.value, str))


def table(by_fact: dict[str, ShownBy]) -> Table:
    """Draw the facts as a table: one line per fact at any width, with the number of scenarios and tests that show it."""
    drawn = Table(title="The facts of the case, and how many scenarios and tests show each", box=box.SIMPLE_HEAD, caption=_caption(by_fact))
    drawn.add_column("fact", no_wrap=True, min_width=max(map(len, by_fact)))  # whole at any width
    drawn.add_column("in a few words")  # narrowed before the numbers are
    drawn.add_column("scenarios", justify="right", no_wrap=True)
    drawn.add_column("tests", justify="right", no_wrap=True)
    for fact, by in by_fact.items():
        counts = (str(len(by.scenarios)), str(len(by.tests))) if by else ("nothing", "yet")
        text = Text(FACTS.get(fact, UNKNOWN_FACT), no_wrap=True, overflow="ellipsis")
        drawn.add_row(fact, text, *counts, style=None if by else "bold red")
    return drawn


def lines(by_fact: dict[str, ShownBy]) -> Iterator[str]:
    """Yield the lines of the long list: each fact in full, and below it every scenario and test that shows it, one a line."""
    for fact, by in by_fact.items():
        yield f"{fact}  {FACTS.get(fact, UNKNOWN_FACT)}"
        yield from (f"    scenario {name}" for name in by.scenarios)
        yield from (f"    {test}" for test in by.tests)
        if not by:
            yield "    nothing yet"
    yield _caption(by_fact).plain


def _caption(by_fact: dict[str, ShownBy]) -> Text:
    missing = [fact for fact, by in by_fact.items() if not by]
    text = Text(f"{len(by_fact) - len(missing)} of {len(by_fact)} facts are shown by a scenario or a test")
    if missing:
        text.append(f"; nothing shows {', '.join(missing)}", "bold red")
    if package_data.checkout() is None:
        text.append("; the testbed's own tests are not installed: `testbed facts` in a checkout counts them too")
    return text


@click.command(name="facts")
@click.option("--tests", "names", is_flag=True, help="Name the scenarios and tests that show each fact, one per line.")
def facts_(*, names: bool) -> None:
    """List the facts of the case, and how often each is shown.

    Each fact has an id, such as O4, by which scenarios and tests name it.
    """
    by_fact = shown()
    if not names:
        # In a pipe, lines are whole, so that grep finds them; a width that was asked for is kept.
        console = plain_console() if os.environ.get("COLUMNS", "").isdigit() else whole_line_console()
        console.print(table(by_fact))
        return
    for line in lines(by_fact):
        click.echo(line)  # rich would fold a long name, and then it cannot be pasted
