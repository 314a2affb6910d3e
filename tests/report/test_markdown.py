from __future__ import annotations

import pytest

from testbed.report import markdown
from testbed.verdict import judge
from tests.journals import contained_night, hung_night


def test_a_table_has_a_row_for_each_variant() -> None:
    """With its outcome, verdict, reason, and the checks that did not hold."""
    judgements = [
        judge.judge(hung_night().journal()),
        judge.judge(contained_night().journal(variant="fixed", expect={"outcome": ["unharmed"]})),
    ]
    lines = markdown.summary(judgements).splitlines()
    assert lines[0] == "### A night"
    assert lines[4:6] == ["| variant | outcome | verdict | why | checks that did not hold |", "|---|---|---|---|---|"]
    original, fixed = (line.strip("| ").split(" | ") for line in lines[6:])
    assert original[:3] == ["original", "grounded, crack 6", "✅ held"]
    assert original[4] == "none"
    assert fixed[:3] == ["fixed", "contained, crack 1", "❌ broken"]
    assert fixed[4].startswith("broken outcome: ")


def test_each_night_has_a_table() -> None:
    """Seeds do not stand side by side."""
    text = markdown.summary([judge.judge(hung_night().journal(seed=seed)) for seed in (1, 2)])
    assert text.count("### A night\n") == 2


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("a|b\nc", r"a\|b c"),
        ("**x** `y` [z](u)", r"\*\*x\*\* \`y\` \[z\](u)"),
        ("<script>&amp;", "&lt;script&gt;&amp;amp;"),
        ("ask @team about #1", r"ask @<!-- -->team about \#1"),
        ("\x00\x1b[31m\u202e", r"\\u0000\\u001b\[31m\\u202e"),
        ("back\\slash", "back\\\\slash"),
    ],
)
def test_no_text_is_read_as_mark_up(words: str, shown: str) -> None:
    """Nor as HTML, as a mention, or as the end of a cell."""
    assert markdown.text(words) == shown


def test_a_long_text_is_shortened() -> None:
    """A comment of a pull request has a limit."""
    assert len(markdown.text("x" * 10_000)) == markdown.MOST_CHARACTERS
