"""Orders: what a page asks the class's server to do, as JSON; each is checked whole before anything is done."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from testbed.classroom.live.roles import ClassRole
from testbed.errors import UsageError, shortened, visible

LONGEST_ORDER = 16_384  # characters
MOST_TEXT, MOST_NAME, MOST_VALUES = 500, 40, 32
SLOWEST, FASTEST = 0.1, 100.0
Word = Annotated[str, Field(min_length=1, max_length=100)]


class _Order(BaseModel):
    """What all orders have: `n`, by which the page knows the reply."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    n: Annotated[int, Field(ge=0, le=2**53)]


class Join(_Order):
    """Somebody says their name, and which roles they play."""

    order: Literal["join"]
    name: Annotated[str, Field(min_length=1, max_length=MOST_NAME)]
    roles: Annotated[list[ClassRole], Field(max_length=4)]


class Plain(_Order):
    """An order that is a word alone."""

    order: Literal[
        "begin",
        "pause",
        "go_on",
        "step",
        "reveal",
        "end",
        "switchover",
        "next_step",
        "collect",
        "sessions",
        "locks",
    ]


class Speed(_Order):
    """The night goes by so many times as fast as the lesson has it."""

    order: Literal["speed"]
    factor: Annotated[float, Field(ge=SLOWEST, le=FASTEST)]


class Restart(_Order):
    """A service is killed and started again; with `evidence`, all threads are dumped first."""

    order: Literal["restart"]
    service: Word
    evidence: bool


class OfService(_Order):
    """A look at one service."""

    order: Literal["health", "metrics", "dump"]
    service: Word


class Code(_Order):
    """A file of the service's code is read."""

    order: Literal["code"]
    file: Word


class Decide(_Order):
    """The commander decides: restore at once, or look first (O9)."""

    order: Literal["decide"]
    choice: Literal["restore", "look"]


class WriteNote(_Order):
    """A line for the incident's timeline."""

    order: Literal["note"]
    text: Annotated[str, Field(min_length=1, max_length=MOST_TEXT)]


class GiveAnswer(_Order):
    """An answer to a question: one value, or several."""

    order: Literal["answer"]
    question: Word
    value: Annotated[str, Field(max_length=MOST_TEXT)] | Annotated[list[Word], Field(max_length=MOST_VALUES)]


class Prevent(_Order):
    """A variant is chosen that would have kept it from happening; the night is replayed over it."""

    order: Literal["prevent"]
    variant: Word


Order = Annotated[
    Join | Plain | Speed | Restart | OfService | Code | Decide | WriteNote | GiveAnswer | Prevent, Field(discriminator="order")
]
_order: TypeAdapter[Order] = TypeAdapter(Order)


def read(text: str) -> Order:
    """Read an order; raises UsageError that says which field is wrong, what was found and what is allowed."""
    if len(text) > LONGEST_ORDER:
        raise UsageError(f"order: found {len(text)} characters; allowed: at most {LONGEST_ORDER}")
    try:
        order: Order = _order.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "order"
        raise UsageError(f"{where}: {first['msg']}; found {shortened(visible(repr(first.get('input'))), 80)}") from error
    return order


def number_of(text: str) -> int | None:
    """Return the number of an order that may be wrong, so that the page hears of it; None if it has none."""
    try:
        return _Numbered.model_validate_json(text).n
    except ValidationError:
        return None


class _Numbered(BaseModel):
    model_config = ConfigDict(strict=True)

    n: Annotated[int, Field(ge=0, le=2**53)]
