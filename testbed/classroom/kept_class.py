"""What a class answered and chose: `class.json`, beside the journal of its night, so that its recording has it, too.

What the answers come to is not kept: it is computed from the journal, by the rules of the day.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from testbed.classroom.inquiry import questions
from testbed.classroom.inquiry.prevention import UNKNOWN, Replayed
from testbed.errors import UsageError, bounded, visible
from testbed.plan import given_file, written_file
from testbed.plan.expectation import Crack, Outcome
from testbed.verdict.finding import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.reader import Journal

FILE = "class.json"
MOST_BYTES = 1_000_000
STRICT = ConfigDict(strict=True, extra="forbid")


def _one_of(*words: str) -> str:
    """Return the pattern of a text that is one of some words."""
    return f"^({'|'.join(words)})$"


@checked(frozen=True, slots=True, config=STRICT)
class KeptAnswer:
    """An answer, who gave it, and when, in seconds of the night."""

    value: str | list[str]
    by: str
    night_s: float


@checked(frozen=True, slots=True, config=STRICT)
class KeptReplay:
    """What became of the airline over a prevention, as `inquiry.prevention.Replayed` has it."""

    outcome: Annotated[str, Field(pattern=_one_of(*Outcome, UNKNOWN))]
    crack: Annotated[int, Field(ge=min(Crack), le=max(Crack))] | None
    verdict: Annotated[str, Field(pattern=_one_of(*Verdict))]
    text: str | dict[str, Any]
    held: bool | None


@checked(frozen=True, slots=True, config=STRICT)
class KeptClass:
    """A class: the lesson's texts, what could be chosen to prevent it, and what was answered and replayed, each by its name.

    `started_at`: of its night, as that journal's header has it. `measured`: whether each variant held in the kept matrix.
    """

    started_at: str
    title: str
    introduction: str
    explanation: str
    preventions: dict[str, str]
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


_adapter: TypeAdapter[KeptClass] = TypeAdapter(KeptClass)


def write(kept: KeptClass, path: Path) -> None:
    """Write a class whole or not at all; raises OSError."""
    written_file.write(path, _adapter.dump_json(kept, indent=1).decode() + "\n")


def beside(journal: Journal) -> KeptClass | None:
    """Return the class whose night a journal has; None if it was no class's.

    Raises UsageError for a file that no class has written, and for that of another night.
    """
    path = journal.path.with_name(FILE)
    try:
        kept = _adapter.validate_json(given_file.read(path, MOST_BYTES))
        _check(kept, journal)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValidationError, UsageError) as error:
        raise UsageError(
            f"{path}: {_mistake(error)}; allowed: what a class has written; without this file the journal is played alone"
        ) from error
    return kept


def _check(kept: KeptClass, journal: Journal) -> None:
    """Raise UsageError for an answer or a replay that no class can have had, and for another night than the journal's."""
    if kept.started_at != journal.header.started_at:
        raise UsageError(
            f"started_at: found {bounded(visible(repr(kept.started_at)))}; allowed: {journal.header.started_at!r}, of {journal.path.name}"
        )
    asked = questions.questions(tuple(kept.preventions))
    for question, answer in kept.answers.items():
        questions.checked(asked, question, answer.value)
        if not math.isfinite(answer.night_s):
            raise UsageError(f"answers.{question}.night_s: found {answer.night_s}; allowed: a finite number")
    for name in kept.replays:
        if name not in kept.preventions:
            raise UsageError(f"replays: found {bounded(visible(repr(name)))}; allowed: {', '.join(kept.preventions)}")


def _mistake(error: ValidationError | UsageError) -> str:
    if isinstance(error, UsageError):
        return str(error)
    first = error.errors(include_url=False)[0]
    where = visible(".".join(map(str, first["loc"])))
    return bounded(f"{where}: {first['msg']}" if where else first["msg"])
