"""The short form for the summary of a pull request: a table in Markdown, as GitHub and GitLab read it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from testbed.errors import shortened, visible
from testbed.report import nights
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testbed.report.nights import Column
    from testbed.verdict.judge import Judgement

MOST_CHARACTERS = 1_000  # of a cell
MARKS = re.compile(r"([\\`*_\[\]#|~$])")  # what would be read as mark-up, or as the number of an issue
HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "@<!-- -->"})  # a comment, so that nobody is mentioned
SIGN = {Verdict.HELD: "✅", Verdict.BROKEN: "❌", Verdict.UNKNOWN: "❔"}
HEADS = ("variant", "journal", "outcome", "verdict", "why", "checks that did not hold")


def summary(judgements: Iterable[Judgement]) -> str:
    """Return a table for each night: of each replay its journal, outcome, verdict, reason, and every check that did not hold.

    Above it stands how often each variant came out as what, if one was replayed more than once.
    """
    tables = []
    for night in nights.of(judgements):
        header = night.columns[0].judgement.figures.header
        lines = [
            f"### {text(header.title)}",
            "",
            text(f"{header.night.date}, {night.name}"),
            "",
            *([text(night.outcomes), ""] if night.outcomes else []),
            f"| {' | '.join(HEADS)} |",
            f"|{'---|' * len(HEADS)}",
            *(f"| {' | '.join(_cells(column, journal))} |" for column, journal in zip(night.columns, night.journals, strict=True)),
        ]
        tables.append("\n".join(lines) + "\n")
    return "\n".join(tables)


def text(words: str) -> str:
    """Return a text, whoever wrote it, as Markdown that shows it in one line: no mark-up, no HTML, and nobody is mentioned."""
    shown = visible(shortened(words, MOST_CHARACTERS)).encode("utf-8", "backslashreplace").decode("utf-8")
    return MARKS.sub(r"\\\1", " ".join(shown.split())).translate(HTML)


def _cells(column: Column, journal: str) -> tuple[str, ...]:
    judgement = column.judgement
    unmet = [finding for finding in judgement.findings if finding.verdict is not Verdict.HELD]
    checks = "<br>".join(f"{finding.verdict.value} {text(finding.check)}: {text(finding.text)}" for finding in unmet)
    return (
        text(column.name),
        text(journal),
        f"{judgement.outcome or 'unknown'}, crack {judgement.crack_number}",
        f"{SIGN[judgement.verdict]} {judgement.verdict.value}",
        text(judgement.reason.text),
        checks or "none",
    )
