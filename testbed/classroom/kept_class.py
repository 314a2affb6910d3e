"""What a class answered and chose: `class.json`, beside the journal of its night, so that its recording has it, too.

What the answers come to is not kept: it is computed from the journal, by the rules of the day.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from testbed.classroom.inquiry import questions
from testbed.classroom.inquiry.prevention import UNKNOWN, Replayed
from testbed.classroom.lessons.plan import LEAST_PREVENTIONS, Words
from testbed.classroom.live.orders import MOST_NAME
from testbed.errors import UsageError, bounded
from testbed.plan import given_file, written_file
from testbed.plan.decoding import MOST_ENTRIES, decode, found_text
from testbed.plan.expectation import Crack, Outcome
from testbed.plan.sections import VARIANT_NAME
from testbed.plan.settings import StrictRecord
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.reader import Journal

FILE = "class.json"
MOST_BYTES = 2 * given_file.MOST_TEXT_BYTES  # it has texts of a lesson's file, and what was answered
CODES = ("became_unknown", "could_not_be_replayed", "bug")  # what the page says of a replay of which the outcome is not known, and why
VISIBLE = 6  # characters: how a control character of a name is shown


def _one_of(*words: str) -> str:
    """Return the pattern of a text that is one of some words."""
    return f"^({'|'.join(words)})$"


def _told(text: object) -> str | dict[str, Any]:
    """Return what a replay came to, in words or as a code; raises ValueError for what is neither."""
    if isinstance(text, str):
        return text
    if isinstance(text, dict) and text.keys() == {"code", "why"} and text["code"] in CODES and isinstance(text["why"], str):
        return text
    raise ValueError(f"allowed: a text, or an object of `code`, one of {', '.join(CODES)}, and `why`, a text")


def _given(value: object) -> questions.Value:
    """Return an answer, of which the question says whether it may be; raises ValueError for what none can be."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    raise ValueError("allowed: a text, or a list of texts")


class KeptAnswer(StrictRecord):
    """An answer, who gave it, and when, in seconds of the night."""

    value: Annotated[Any, AfterValidator(_given)]
    by: Annotated[str, Field(max_length=VISIBLE * MOST_NAME)]
    night_s: Annotated[float, Field(allow_inf_nan=False)]


class KeptReplay(StrictRecord):
    """What became of the airline over a prevention, as `inquiry.prevention.Replayed` has it."""

    outcome: Annotated[str, Field(pattern=_one_of(*Outcome, UNKNOWN))]
    crack: Annotated[int, Field(ge=min(Crack), le=max(Crack))] | None
    verdict: Annotated[str, Field(pattern=_one_of(*Verdict))]
    text: Annotated[Any, AfterValidator(_told)]
    held: bool | None


class KeptClass(StrictRecord):
    """A class: the lesson's texts, what could be chosen to prevent it, and what was answered and replayed, each by its name.

    `started_at`: of its night, as that journal's header has it. `measured`: whether each variant held in the kept matrix.
    """

    started_at: str
    title: Words
    introduction: Words
    explanation: Words
    preventions: dict[str, Words]
    measured: dict[str, bool | None]
    answers: dict[str, KeptAnswer]
    replays: dict[str, KeptReplay]

    @property
    def values(self) -> dict[str, questions.Value]:
        """The answers alone."""
        return {question: answer.value for question, answer in self.answers.items()}

    @property
    def replayed(self) -> dict[str, Replayed]:
        """The replays as the class had them."""
        return {name: Replayed(each.outcome, each.crack, each.verdict, each.text, each.held) for name, each in self.replays.items()}


def write(kept: KeptClass, path: Path) -> None:
    """Write a class whole or not at all; raises OSError."""
    written_file.write(path, kept.model_dump_json(indent=1) + "\n")


def beside(journal: Journal) -> KeptClass | None:
    """Return the class whose night a journal has; None if it was no class's.

    Raises UsageError for a file that no class has written, and for that of another night: its first mistake, with the key, what was found
    and what is allowed.
    """
    path = journal.path.with_name(FILE)
    try:
        text = given_file.read(path, MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    try:
        kept = _decoded(text)
        _check(kept, journal)
    except UsageError as error:
        raise UsageError(f"{path}: {error}; without this file the journal is played alone") from error
    return kept


def _decoded(text: bytes) -> KeptClass:
    """Return a class as its file has it; raises UsageError with the first mistake, and how many more there are."""
    try:
        data = json.loads(text.decode())
    except (ValueError, RecursionError) as error:  # no UTF-8 and no JSON are ValueErrors; brackets nested by the thousand
        raise UsageError(f"not JSON: {bounded(str(error))}; allowed: what a class has written") from error
    if not isinstance(data, dict):
        raise UsageError(f"found {bounded(found_text(data))}; allowed: an object, as a class has written it")
    mistakes: list[str] = []
    kept = decode(KeptClass, data, "", mistakes)
    if kept is None:
        more = f"; and {len(mistakes) - 1} more" if len(mistakes) > 1 else ""
        raise UsageError(bounded(mistakes[0]) + more)
    return kept


def _check(kept: KeptClass, journal: Journal) -> None:
    """Raise UsageError for what can be chosen, answered or replayed in no class, and for another night than the journal's."""
    if kept.started_at != journal.header.started_at:
        raise UsageError(
            f"started_at: found {bounded(repr(kept.started_at))}; allowed: {journal.header.started_at!r}, of {journal.path.name}"
        )
    if not LEAST_PREVENTIONS <= (count := len(kept.preventions)) <= MOST_ENTRIES:
        raise UsageError(f"preventions: found {count}; allowed: {LEAST_PREVENTIONS} to {MOST_ENTRIES:,} variants, as a lesson has them")
    for key, names in (("preventions", kept.preventions), ("measured", kept.measured)):
        for name in names:
            if not VARIANT_NAME.fullmatch(name):
                raise UsageError(f"{key}: found {bounded(repr(name))}; allowed: names of variants, such as checkout_timeout")
    asked = questions.questions(tuple(kept.preventions))
    for question, answer in kept.answers.items():
        questions.checked(asked, question, answer.value)
    for name in kept.replays:
        if name not in kept.preventions:
            raise UsageError(f"replays: found {bounded(repr(name))}; allowed: {', '.join(kept.preventions)}")
