from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from testbed.report import markdown
from testbed.verdict import judge
from tests.journals import contained_night, hung_night

JOURNAL = markdown.text(hung_night().journal().path.name)


def test_a_table_has_a_row_for_each_variant() -> None:
    """With its outcome, verdict, reason, and the checks that did not hold."""
    judgements = [
        judge.judge(hung_night().journal()),
        judge.judge(contained_night().journal(variant="fixed", expect={"outcome": ["unharmed"]})),
    ]
    lines = markdown.summary(judgements).splitlines()
    assert lines[0] == "### A night"
    assert lines[4:6] == ["| variant | journal | outcome | verdict | why | checks that did not hold |", "|---|---|---|---|---|---|"]
    original, fixed = (line.strip("| ").split(" | ") for line in lines[6:])
    assert original[:4] == ["original", JOURNAL, "grounded, crack 6", "✅ held"]
    assert original[5] == "none"
    assert fixed[:4] == ["fixed", JOURNAL, "contained, crack 1", "❌ broken"]
    assert fixed[5].startswith("broken outcome: ")


def test_replays_of_a_variant_are_counted_and_told_by_their_journals() -> None:
    """Which of eighteen was the one that was grounded, and how many there are."""
    outcomes = (contained_night, hung_night, contained_night)
    replays = [replace(night().journal(), path=Path(f"runs/{number}/original.jsonl")) for number, night in enumerate(outcomes, start=1)]
    lines = markdown.summary(map(judge.judge, replays)).splitlines()
    assert lines[4] == "3 replays: 2 contained, 1 grounded"
    assert [line.split(" | ")[1] for line in lines[8:]] == [f"{number}/original.jsonl" for number in (1, 2, 3)]
    other = replace(hung_night().journal(variant="fixed"), path=Path("/elsewhere/fixed.jsonl"))
    lines = markdown.summary(map(judge.judge, [*replays, other])).splitlines()
    assert lines[4] == "original: 2 contained, 1 grounded; fixed: 1 grounded"
    assert lines[-1].split(" | ")[1] == "/elsewhere/fixed.jsonl"


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
