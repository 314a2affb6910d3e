"""Journals that nobody would write: they are refused, or judged, and no exception leaves the border of either."""

from __future__ import annotations

import copy
import io
import json
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from testbed.errors import JournalError
from testbed.experiments import batch
from testbed.journal import reader
from testbed.journal.reader import event_adapter, header_adapter
from testbed.postmortem import stack_reading, warning_time
from testbed.report import json_lines, junit, markdown, side_by_side, stacks, warnings
from testbed.report.html.page import FAILED, page
from testbed.verdict import figures, judge
from testbed.verdict.finding import Verdict
from testbed.verdict.result import Result
from tests.journals import NightBuilder, contained_night, hung_night
from tests.mutations import times

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.events import OperationEvent
    from testbed.journal.reader import Journal
    from testbed.verdict.stuck_spans import Spans

NIGHTS = {"hung": hung_night, "contained": contained_night}
NUMBERS: tuple[float, ...] = (-1.0, 0.0, 0.5, 1e18, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"))
WHOLE = (-1, 0, 1, 2**63, 10**30, -(10**30), 10**400)
TEXTS = ("", "x", "\x00", "\x1b[31m", "\ud800", "cf-1", "kiosk", "restart", "begin", "complete", "a" * 3000)


def lines_of(night: NightBuilder) -> list[dict[str, Any]]:
    """Return a night as its journal's lines."""
    journal = night.journal(expect={"outcome": ["grounded", "contained"], "health_green": True})
    first = json.loads(header_adapter.dump_json(journal.header, by_alias=True))
    return [first, *(json.loads(event_adapter.dump_json(event, by_alias=True)) for event in journal.events)]


def odd(chance: random.Random, value: object) -> object:
    """Return another value in place of one: mostly one of its type, because the others are refused."""
    if isinstance(value, bool) or chance.random() < 0.05:
        return chance.choice([True, False, None, [], {}, "x", 1])
    if isinstance(value, float):
        return chance.choice(NUMBERS)
    if isinstance(value, int):
        return chance.choice(WHOLE)
    if isinstance(value, str):
        return chance.choice(TEXTS)
    if isinstance(value, list):
        return chance.choice([[], value * 2, value[:1]])
    return chance.choice([None, {}, 0, "x"])


def change_field(chance: random.Random, line: dict[str, Any]) -> dict[str, Any]:
    """Return a line with one value changed, at any depth."""
    changed = copy.deepcopy(line)
    inside: Any = changed
    while True:
        key = chance.choice(list(inside) if isinstance(inside, dict) else range(len(inside)))
        if not (isinstance(inside[key], dict | list) and inside[key]) or chance.random() < 0.2:
            inside[key] = odd(chance, inside[key])
            return changed
        inside = inside[key]


def spoil(chance: random.Random, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return lines of which some were changed, dropped, doubled or swapped, or one field of all that are alike."""
    spoiled = list(lines)
    for _ in range(chance.choice([1, 1, 2, 4])):
        at, to = (chance.randrange(len(spoiled)) * (chance.random() < 0.8) for _ in range(2))  # the header, more often than by chance
        how = chance.choice(["field", "field", "field", "alike", "alike", "drop", "double", "swap"])
        if how == "field":
            spoiled[at] = change_field(chance, spoiled[at])
        elif how == "alike":
            field = chance.choice(list(spoiled[at]))
            value, event = odd(chance, spoiled[at][field]), spoiled[at].get("event")
            spoiled = [{**line, field: value} if line.get("event") == event and field != "event" else line for line in spoiled]
        elif how == "drop" and len(spoiled) > 1:
            del spoiled[at]
        elif how == "double":
            spoiled.insert(to, spoiled[at])
        else:
            spoiled[at], spoiled[to] = spoiled[to], spoiled[at]
    return spoiled


def judged(path: Path, lines: list[dict[str, Any]]) -> str:
    """Return what becomes of a journal: its verdict, or `refused`; all that the terminal and programs get of it is made, too."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    try:
        journal = reader.read(path)
        judgement = judge.judge(journal)
    except JournalError as error:
        return "refused" if len(str(error).splitlines()) == 1 else str(error)
    console = Console(file=io.StringIO(), width=100)
    console.print(side_by_side.side_by_side([judgement]), side_by_side.findings([judgement]))
    json_lines.line(judgement, 1.0)
    with suppress(JournalError):  # of times that cannot be
        console.print(warnings.table(warning_time.of(journal, judgement)))
    console.print(stacks.table(stack_reading.of_journal(journal)))
    assert FAILED not in page([Result(journal, judgement, 1.0)])
    ElementTree.fromstring(junit.xml([judgement]))  # noqa: S314 - our own
    markdown.summary([judgement]).encode()
    return judgement.verdict.value


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("night", NIGHTS)
def test_no_journal_raises_anything_but_that_it_is_refused(tmp_path: Path, night: str, seed: int) -> None:
    """Whatever is in it; where nothing was changed, it holds."""
    chance, lines = random.Random(f"{night} {seed}"), lines_of(NIGHTS[night]())
    assert judged(tmp_path / "a.jsonl", lines) == "held"
    ends = {judged(tmp_path / "a.jsonl", spoil(chance, lines)) for _ in range(times(250, quick=25))}
    assert {"refused", "unknown"} <= ends <= {"refused", *(verdict.value for verdict in Verdict)}


def impossible(directory: Path) -> Journal:
    """Return a journal that cannot be: there were fewer connections than none."""
    night = NightBuilder()
    night.samples(0.0)
    night.request(0.5, "kiosk", "answered")
    night.end(2.0)
    lines = lines_of(night)
    lines[0]["facility"]["pool_size"] = -7
    path = directory / "a.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return reader.read(path)


def test_figures_that_fail_give_unknown_with_their_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is kept; and what the journal itself contradicts is told beside it."""
    needed_restart = figures.needed_restart

    def fails(journal: Journal, spans: Spans) -> tuple[OperationEvent, tuple[str, ...]] | None:
        if journal.events:
            raise IndexError
        return needed_restart(journal, spans)

    monkeypatch.setattr(figures, "needed_restart", fails)
    judgement = judge.judge(impossible(tmp_path))
    assert (judgement.verdict, judgement.outcome, judgement.reason.code) == (Verdict.UNKNOWN, None, "not_judged")
    consistent, failed = judgement.findings
    assert "has a pool of 4; the header says -7" in consistent.text
    assert failed.text.startswith("the figures cannot be computed: IndexError: ")
    assert "Traceback" in failed.traceback
    assert [doubt.check for doubt in judgement.doubts] == ["consistent", "figures"]
    batch.keep_tracebacks(tmp_path / "a.jsonl", judgement)
    assert any("IndexError" in path.read_text() for path in tmp_path.rglob("*.txt"))


def test_a_header_of_which_nothing_can_be_computed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one message, with the journal's path."""

    def fails(_: Journal) -> figures.Figures:
        raise ZeroDivisionError

    journal = impossible(tmp_path)
    monkeypatch.setattr(figures, "of", fails)
    with pytest.raises(JournalError, match=r"the journal .*a\.jsonl cannot be judged: of its header, ZeroDivisionError"):
        judge.judge(journal)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1E+999", "9" * 400])
def test_a_number_that_is_none_is_refused(tmp_path: Path, number: str) -> None:
    """With the line that has it; the same letters in a text are no number."""
    path = tmp_path / "a.jsonl"
    lines = [json.dumps(line) for line in lines_of(hung_night())]
    named = [lines[0].replace('"A night"', f'"{number}"'), *lines[1:]]
    path.write_text("".join(f"{line}\n" for line in named))
    assert judge.judge(reader.read(path)).verdict is Verdict.HELD
    path.write_text("".join(f"{line}\n" for line in [*lines[:3], lines[3].replace('"t_s": 0.0', f'"t_s": {number}'), *lines[4:]]))
    with pytest.raises(JournalError, match=r"a\.jsonl, line 4: .* is no number of a journal; allowed: finite numbers"):
        reader.read(path)
