"""The tally: what the answers of a class come to, as values of the board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.classroom.inquiry import prevention, questions, score

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from testbed.classroom.board import Json
    from testbed.classroom.inquiry.examination import Examination
    from testbed.classroom.inquiry.prevention import Replayed
    from testbed.classroom.inquiry.questions import Value


def of(
    journal: Path,
    examined: Examination | None,
    answers: Mapping[str, Value],
    replays: Mapping[str, Replayed],
    held: Mapping[str, bool | None],
) -> dict[str, Json]:
    """Return each answer beside the post-mortem's, and for a night that could be examined what became of it, and the score.

    `held`: whether each variant that may be chosen holds the night (`prevention.held`). A journal that could not be examined is read once
    more, to tell why.
    """
    if examined is None:
        compared = questions.compare(journal, answers, held)
        return {f"compared.{question}": told.data() for question, told in compared.items()}
    compared = questions.of_examination(examined, answers, held)
    return {
        f"replays.{examined.journal.header.variant}": prevention.became(examined.judgement).data(),
        "score": score.of(examined, answers, compared, replays).data(),
        **{f"compared.{question}": told.data() for question, told in compared.items()},
    }
