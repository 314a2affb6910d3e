"""Reads journals; `events.py` says what each event means."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from testbed.errors import JournalError, bounded
from testbed.journal.events import FORMAT, End, Event, Header, Request, Response
from testbed.plan import given_file

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


Kind = TypeVar("Kind")
header_adapter: TypeAdapter[Header] = TypeAdapter(Header)
# JSON has no such numbers, but its readers take them; and one of 400 digits is infinite, too.
PERHAPS_NOT_FINITE = re.compile(rb"NaN|Infinity|\d[eE]\+?\d{3}|\d{300}")
event_adapter: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


@dataclass(frozen=True, slots=True)
class Transaction:
    """A request and what became of it: `answered`, `failed` or `unanswered`."""

    request: Request
    response: Response | None

    @property
    def ended(self) -> str:
        """How it ended, in a word."""
        return "unanswered" if self.response is None else self.response.ended


@dataclass(frozen=True)
class Journal:
    """A journal as it was read. `torn`: its last line was cut off, as by a killed run, and is left out."""

    path: Path
    header: Header
    events: tuple[Event, ...]
    torn: bool = False

    def __repr__(self) -> str:
        """Return one line: its events are too many for a prompt."""
        torn = ", torn" if self.torn else ""
        return f"<Journal: {self.header.scenario} over {self.header.variant}, {len(self.events)} events{torn}, in {str(self.path)!r}>"

    def of(self, kind: type[Kind]) -> tuple[Kind, ...]:
        """Return the events of a kind, in the order of the journal."""
        return self._by_kind.get(kind, ())

    @cached_property
    def _by_kind(self) -> dict[type, tuple[Any, ...]]:
        """The events by their kind: a verdict asks for the same kinds again and again."""
        by_kind: defaultdict[type, list[Event]] = defaultdict(list)
        for event in self.events:
            by_kind[type(event)].append(event)
        return {kind: tuple(events) for kind, events in by_kind.items()}

    @cached_property
    def transactions(self) -> tuple[Transaction, ...]:
        """Every request with its response, in the order in which they were sent."""
        responses = {response.id: response for response in self.of(Response)}
        return tuple(Transaction(request, responses.get(request.id)) for request in self.of(Request))

    @property
    def end(self) -> End | None:
        """How the replay ended; None when it was killed."""
        ends = self.of(End)
        return ends[-1] if ends else None

    @property
    def is_complete(self) -> bool:
        """Whether the replay came to its end."""
        return self.end is not None and self.end.reason == "complete"


def read(path: Path) -> Journal:
    """Read a journal, line by line; raises JournalError, with the line's number, when a line is not as `events.py` says.

    Also for what is no regular file, and for one of more than 4 GiB, or with a line of more than 64 MiB.
    Unknown fields are ignored, so that a journal of a later version can be read as far as it is understood; unknown events are refused,
    and numbers that are none. A last line that was cut off is left out.
    """
    events: list[Event] = []
    torn = False
    with closing(_lines(path)) as lines:
        first = next(lines, b"")
        if not first.endswith(b"\n"):
            raise JournalError(f"the journal {path} is empty; its first line must be the header")
        header = _decoded(header_adapter, path, 1, first)
        if header.journal != FORMAT:
            raise JournalError(f"the journal {path} has format {header.journal}; this testbed reads format {FORMAT}")
        for number, line in enumerate(lines, start=2):
            torn = not line.endswith(b"\n")  # only the last can be
            if not torn:
                events.append(_decoded(event_adapter, path, number, line))
    return Journal(path, header, tuple(events), torn)


def _lines(path: Path) -> Generator[bytes, None, None]:
    """Yield the lines of a journal, each with its newline; raises JournalError when it cannot be read."""
    try:
        yield from given_file.lines(path)
    except (OSError, ValueError) as error:  # ValueError: a path that no system has
        raise JournalError(f"the journal {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _decoded(adapter: TypeAdapter[Any], path: Path, number: int, line: bytes) -> Any:
    if PERHAPS_NOT_FINITE.search(line):
        _require_finite(path, number, line)
    try:
        return adapter.validate_json(line, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "line"
        mistake = bounded(f"{where}: {first['msg']}")
        raise JournalError(f"{path}, line {number}: {mistake}") from error


def _require_finite(path: Path, number: int, line: bytes) -> None:
    """Raise JournalError for a number that is infinite or none."""

    def require(text: str) -> None:
        if not math.isfinite(float(text)):
            raise JournalError(f"{path}, line {number}: {text[:20]} is no number of a journal; allowed: finite numbers")

    with suppress(ValueError, RecursionError):  # no JSON at all, which is told by what decodes it
        json.loads(line, parse_float=require, parse_int=require, parse_constant=require)
