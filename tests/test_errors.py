from __future__ import annotations

import inspect
import re

import pytest

from testbed import errors
from testbed.errors import ScenarioError, TestbedError

LINE = re.compile(r"^ {4}(?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+) {2,}.*?(?:exit code (?P<code>\d))?(?: unless said otherwise)?$")


def drawn() -> list[tuple[int, str, int | None]]:
    """Return the tree in the module's docstring: depth, name, and the exit code where the tree has it."""
    lines = [LINE.match(line) for line in (errors.__doc__ or "").splitlines()]
    return [(len(line["branch"]) // 4, line["name"], int(line["code"]) if line["code"] else None) for line in lines if line]


def test_the_tree_that_is_drawn_is_the_tree_of_the_classes() -> None:
    """Every class stands in it once, below its base."""
    parents: list[str] = []
    for depth, name, _ in drawn():
        parents[depth:] = [name]
        base = getattr(errors, name).__bases__[0].__name__
        assert base == (parents[depth - 1] if depth else "Exception"), name
    classes = {name for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__}
    assert sorted(name for _, name, _ in drawn()) == sorted(classes)


@pytest.mark.parametrize(("name", "code"), [(name, code) for _, name, code in drawn() if code is not None])
def test_the_exit_codes_that_are_drawn_are_those_of_the_classes(name: str, code: int) -> None:
    """What the command line returns for it."""
    assert getattr(errors, name).exit_code == code


def test_those_without_a_code_of_their_own_have_the_trees() -> None:
    """3, unless said otherwise."""
    assert {getattr(errors, name).exit_code for _, name, code in drawn() if code is None} == {TestbedError.exit_code}


def test_the_error_of_a_wrong_file_has_every_mistake() -> None:
    """The file, how many mistakes, and each in its line."""
    error = ScenarioError("a.toml", ("night: missing", "title: found 1"))
    assert str(error).splitlines() == ["a.toml: 2 mistakes", "  night: missing", "  title: found 1"]
    assert str(ScenarioError("a.toml", ("x",))).startswith("a.toml: 1 mistake\n")
