from __future__ import annotations

from pathlib import Path

import pytest

from testbed.lint.finding import Unread
from testbed.lint.folders import files_in
from testbed.lint.linter import look

ROOT = Path(__file__).parents[2]
LOOKUPS = ROOT / "flight_search" / "lookup"
MISTAKES = {"original": ["CW001"], "driver_cursor": ["CW001"], "sqlalchemy_connection": ["CW001"], "async_cancelled": ["CW003"]}
# Not a clean-up that is skipped: what is held while one waits, or for too long, no syntax tree tells.
OTHER_MISTAKES = {"nested", "abandoned", "dependency"}
KNOWN = {"flight_search/datasource.py": ["CW002"]}
SERVICES = ROOT / "testbed" / "pools" / "services"


def codes_of(path: Path) -> list[str]:
    """Return the codes of what is found in a file."""
    found = look(path.read_bytes())
    assert not isinstance(found, Unread), found
    return [finding.rule.code for finding in found]


@pytest.mark.fact("O3")
@pytest.mark.fact("S1")
@pytest.mark.parametrize("path", sorted(LOOKUPS.glob("*.py")), ids=lambda path: path.stem)
def test_the_mistake_of_the_case_is_found_and_its_careful_twin_is_not(path: Path) -> None:
    """In each lookup whose mistake is a clean-up that is skipped."""
    assert codes_of(path) == MISTAKES.get(path.stem, [])


def test_the_mistakes_that_no_rule_is_for_are_named() -> None:
    """And there are these."""
    assert {path.stem for path in LOOKUPS.glob("*.py")} >= OTHER_MISTAKES | MISTAKES.keys()


@pytest.mark.skipif(not SERVICES.exists(), reason="there are no services of the compared pools")
def test_each_service_of_the_compared_pools_has_the_mistake_once() -> None:
    """In its mistaken function, and not in the careful one."""
    paths = [path for path in SERVICES.glob("*.py") if path.stem != "__init__"]
    assert {path.stem: len(codes_of(path)) for path in paths} == {path.stem: 1 for path in paths}


def test_our_own_code_has_no_other_finding() -> None:
    """But for what is known: one that is for the end of a process."""
    errors: list[OSError] = []
    found = {
        f"{path.relative_to(ROOT)}": codes
        for package in ("testbed", "flight_search")
        for path in files_in(ROOT / package, errors.append)
        if SERVICES not in path.parents and path.parent != LOOKUPS and (codes := codes_of(path))
    }
    assert errors == []
    assert found.items() <= KNOWN.items()
