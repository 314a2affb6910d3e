"""The five questions of a post-mortem, each with its answer, how sure it is, and the evidence, as a table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.report.fitted import Column, FittedTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from testbed.postmortem.questions import Answer

HEADINGS = ("question", "answer", "how sure", "evidence")


def table(answers: Iterable[Answer]) -> FittedTable:
    """Return a table with a row for each question."""
    drawn = FittedTable([Column(heading) for heading in HEADINGS], title="Five questions")
    for row in rows(answers):
        drawn.add_row(*row)
        drawn.add_section()
    return drawn


def rows(answers: Iterable[Answer]) -> Iterator[tuple[str, str, str, str]]:
    """Yield question, answer, how sure, and the evidence in sentences."""
    for answer in answers:
        yield answer.question, answer.answer, answer.sure, "; ".join(answer.evidence)
