from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.lint.finding import RULES, Unread
from testbed.lint.linter import TOO_DEEP, look
from tests.lint.found import codes, findings, in_finally

STANDARD_LIBRARY = Path(sysconfig.get_paths()["stdlib"])
EVERY = 25  # of the files of the standard library, one in so many


@pytest.mark.parametrize("comment", ["# noqa", "# noqa: CW001", "# NOQA: E501,CW001", "# our server never raises  # noqa: E501 CW001"])
def test_a_comment_in_its_line_silences_a_finding(comment: str) -> None:
    """Without a code all of them, as flake8 and ruff have it."""
    assert codes(in_finally(f"a.close()  {comment}", "b.close()")) == []


@pytest.mark.parametrize("comment", ["# noqa: CW002", "# noqa: E501", "# no qa", "# CW001"])
def test_a_comment_about_something_else_silences_nothing(comment: str) -> None:
    """Nor does one that has the code and not the word."""
    assert codes(in_finally(f"a.close()  {comment}", "b.close()")) == ["CW001"]


def test_a_comment_anywhere_in_a_call_of_several_lines_counts() -> None:
    """A formatter may put it at the end."""
    assert codes(in_finally("a.close(", "    b", ")  # noqa: CW001", "b.close()")) == []


def test_a_file_says_its_own_encoding() -> None:
    """And a column counts characters, whatever that is."""
    text = in_finally("ü.a.close(); b.close()")
    for content in (text.encode(), b"\xef\xbb\xbf" + text.encode(), f"# coding: latin-1\n{text}".encode("latin-1")):
        found = look(content)
        assert not isinstance(found, Unread)
        assert [finding.place.column for finding in found] == [9]
    (finding,) = findings(in_finally("ü = 'ü'; a.close(); b.close()"))
    assert finding.place.column == 18


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"def f(:\n", 1, "invalid syntax"),
        (b"print 1\n", 1, "Missing parentheses"),
        (b"a = 1\0\n", 0, "null byte"),
        (b"# coding: nonsense\n", 0, "nonsense"),
        (b"a = '\xff'\n", 1, ""),
        (b"if a:\nb\n", 2, "expected an indented block"),
        (b"(" * 100_000, 0, ""),
        (b"a = " + b"-" * 100_000 + b"1", 0, ""),
        (b"a" + b".a" * 100_000, 0, TOO_DEEP),
    ],
    ids=lambda case: repr(case)[:20],
)
def test_what_cannot_be_parsed_is_told(content: bytes, line: int, reason: str) -> None:
    """With its line where Python has one, and never by an exception."""
    found = look(content)
    assert isinstance(found, Unread)
    assert reason in found.reason
    assert found.reason
    assert found.line >= line


def test_what_python_parses_and_we_cannot_walk_is_told() -> None:
    """A chain as long as the parser takes is either looked at or told."""
    for count in (100, 500, 900, 2_000, 5_000):
        chain = "if a:\n    pass\n" + "elif a:\n    pass\n" * count
        found = look(in_finally(*chain.splitlines(), "a.close()", "b.close()").encode())
        assert isinstance(found, Unread) or [finding.rule.code for finding in found] == ["CW001"]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(content: bytes) -> None:
    """They are looked at, or told."""
    assert isinstance(look(content), tuple | Unread)


LINES = (
    "a.close()",
    "await a.close()",
    "try:",
    "finally:",
    "except Exception:",
    "with suppress(E):",
    "    ",
    "b.release(a)",
    "x = pool.getconn()",
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(LINES)), max_size=12))
def test_no_function_makes_it_raise(lines: list[tuple[int, str]]) -> None:
    """Whatever stands in it."""
    text = "async def f():\n" + "".join(f"{'    ' * (depth + 1)}{line}\n" for depth, line in lines)
    assert isinstance(look(text.encode()), tuple | Unread)


def test_the_standard_library_does_not_make_it_raise() -> None:
    """A share of its files: nearly all are looked at."""
    paths = sorted(path for path in STANDARD_LIBRARY.rglob("*.py") if "site-packages" not in path.parts)[::EVERY]
    results = [look(path.read_bytes()) for path in paths]
    assert len(results) > 20
    assert sum(isinstance(result, Unread) for result in results) < len(results) / 20


def test_each_rule_has_its_own_code_and_name() -> None:
    """And a sentence why."""
    assert [rule.code for rule in RULES] == [f"CW{number:03}" for number in range(1, len(RULES) + 1)]
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.why.endswith(".") for rule in RULES)
