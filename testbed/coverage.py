"""Which fact of the case is shown by which scenario or test, and which by nothing."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from rich.table import Table
from rich.text import Text

from testbed import scenario_file
from testbed.facts import FACTS

MARK = re.compile(r"pytest\.mark\.fact\(([^)]*)\)")
TEST = re.compile(r"^\s*(?:async )?def (test_\w+)")
ID = re.compile(r"\"([A-Z]\d+)\"")


def shown() -> dict[str, list[str]]:
    """Give, for every fact, the scenarios that name it and the tests that are marked with it."""
    by_fact: dict[str, list[str]] = {fact: [] for fact in FACTS}
    for path in scenario_file.known():
        for fact in scenario_file.load(path).facts:
            by_fact[fact].append(f"scenario {path.stem}")
    for fact, tests in _marked(scenario_file.directory().parent).items():
        by_fact.setdefault(fact, []).extend(tests)
    return by_fact


def _marked(root: Path) -> dict[str, list[str]]:
    """Find the marks in the source of the tests: nothing is imported for it."""
    marked: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted([*root.glob("tests/**/test_*.py"), *root.glob("scenarios/test_*.py")]):
        facts: list[str] = []
        for line in path.read_text(encoding="utf-8").splitlines():
            for mark in MARK.findall(line):
                facts += ID.findall(mark)
            test = TEST.match(line)
            if test:
                for fact in facts:
                    marked[fact].append(f"{path.relative_to(root)}::{test[1]}")
                facts = []
    return marked


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
    return f"{covered} of {len(by_fact)} facts are shown by a scenario or a test"
