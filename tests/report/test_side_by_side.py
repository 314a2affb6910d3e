from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from testbed.errors import TestbedError
from testbed.report import side_by_side
from testbed.report.terminal import plain_console
from testbed.verdict import judge
from tests.journals import contained_night, hung_night

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from testbed.journal.reader import Journal
    from testbed.verdict.judge import Judgement


def printed(what: RenderableType, width: int = 80, *, soft_wrap: bool = False) -> str:
    """Return what is printed on a terminal of `width` columns."""
    console = plain_console(file=io.StringIO(), width=width)
    console.print(what, soft_wrap=soft_wrap)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def judged(*journals: Journal) -> list[Judgement]:
    """Judge journals."""
    return [judge.judge(journal) for journal in journals]


@pytest.fixture
def both() -> list[Judgement]:
    """Return the judgements of the night over both variants."""
    return judged(hung_night().journal(), contained_night().journal(variant="fixed", expect={"outcome": ["contained"]}))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_word_of_the_report_is_cut_off(both: list[Judgement], width: int) -> None:
    """Whatever the terminal's width, everything can be read."""
    assert "…" not in printed(side_by_side.side_by_side(both), width)


def test_the_report_has_the_two_numbers_that_people_ask_for(both: list[Judgement]) -> None:
    """How long from the first fault to the hang in the night's time, and what it cost, by kind."""
    text = " ".join(printed(side_by_side.side_by_side(both), 120).split())
    assert "first fault to hang 6 min 30 s of the night, at 22:08:20 never hung" in text
    assert "kiosk check_in 3 failed, 4 unanswered 3 answered, 3 failed" in text
    assert "all 8 failed, 12 unanswered 9 answered, 8 failed" in text


def test_the_report_shows_where_the_threads_are_blocked(both: list[Judgement]) -> None:
    """Each blocked service has its line, out of the dump."""
    text = " ".join(printed(side_by_side.side_by_side(both), 280).split())
    assert "4 of 4 request threads of cf-1: waiting for a connection from the pool, called from lookup_by_city" in text
    assert "4 of 4 request threads of ivr: blocked reading a socket, called from lookup_by_city" in text


def test_words_in_square_brackets_are_printed_as_they_are() -> None:
    """A title or an error with brackets is no mark-up."""
    text = printed(side_by_side.side_by_side(judged(hung_night().journal(title="The [red]night[/blue] [/]", variant="[/v]"))), 120)
    assert "The [red]night[/blue] [/]" in text
    assert "[/v]" in text


def test_what_did_not_hold_is_listed_with_its_facts() -> None:
    """A broken expectation has its own line, below the journal's path, which no width breaks."""
    wrong = hung_night().journal(expect={"outcome": ["contained"], "health_green": True})
    lines = printed(side_by_side.findings(judged(wrong)), 40, soft_wrap=True).splitlines()
    assert lines[0] == "original: 10 of 11 checks held; journal a_night.jsonl"
    assert lines[1].startswith("  broken outcome: outcome grounded, expected contained: kiosk, ivr and partner stood still to the end; ")
    assert lines[1].endswith(" (O10)")


def test_the_picture_is_drawn_and_needs_nothing_from_elsewhere(both: list[Judgement], tmp_path: Path) -> None:
    """An SVG with the same words, that fetches no font."""
    side_by_side.draw(both, tmp_path / "night.svg")
    svg = (tmp_path / "night.svg").read_text(encoding="utf-8")
    assert svg.startswith("<svg")
    assert "grounded" in svg
    assert "url(http" not in svg.replace("&quot;", "").replace('"', "")


def test_a_picture_that_cannot_be_written_is_one_clear_error(both: list[Judgement], tmp_path: Path) -> None:
    """The error names the file and the reason."""
    with pytest.raises(TestbedError, match=r"cannot be written to .*no/such\.svg: No such file or directory; give another file with --svg"):
        side_by_side.draw(both, tmp_path / "no" / "such.svg")
