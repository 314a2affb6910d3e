"""Writes journals and reads them. Every event is on disk before anything is judged; `events.py` tells what each means."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from testbed.errors import JournalError, TestbedError
from testbed.events import End, Event, Header, Request, Response

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

Kind = TypeVar("Kind")

_header: TypeAdapter[Header] = TypeAdapter(Header)
_event: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


class JournalWriter:
    """A journal that is being written; a context manager.

    Each line is handed to the system as it is written, so that a killed run's journal can be read up to there. Raises
    TestbedError when it cannot be made or written (no space, no permission).
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise TestbedError(f"no journal can be made at {path}: {error.strerror}; give another directory with --runs") from error
        self._write(_header.dump_json(header, by_alias=True))

    def append(self, event: Event) -> None:
        """Write an event."""
        self._write(_event.dump_json(event, by_alias=True))

    def _write(self, line: bytes) -> None:
        """Write a whole line or nothing: half of one would spoil the line that follows, and with it the journal."""
        start, rest = self._file.tell(), memoryview(line + b"\n")
        try:
            while rest:  # the last block of a disk may take half a line, and that is no error
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(start)
                self._file.seek(start)
            raise TestbedError(f"the journal {self.path} cannot be written: {error.strerror}; free space there, or give --runs") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as failure:
            raise TestbedError(f"the journal {self.path} is not safe on disk: {failure.strerror}") from failure
        finally:
            self._file.close()


@dataclass(frozen=True, slots=True)
class Transaction:
    """A request and what became of it: `answered`, `failed` or `unanswered`."""

    request: Request
    response: Response | None

    @property
    def ended(self) -> str:
        """How it ended."""
        return "unanswered" if self.response is None else self.response.ended


@dataclass(frozen=True)
class Journal:
    """A journal as it was read. `torn`: its last line was cut off in the middle, as by a killed run, and left out."""

    path: Path
    header: Header
    events: tuple[Event, ...]
    torn: bool = False

    def of(self, kind: type[Kind]) -> tuple[Kind, ...]:
        """Give the events of a kind, in the order of the journal."""
        return tuple(event for event in self.events if isinstance(event, kind))

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


def read(path: Path) -> Journal:
    """Read a journal; raises JournalError naming the line when one is not as `events.py` says.

    Fields that are not known are passed over, so that a journal of a later version can be read as far as it is understood; events that
    are not known are refused. A last line that was cut off is left out.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read: {error.strerror}") from error
    torn = lines[-1] != b""
    lines = lines[:-1]
    if not lines:
        raise JournalError(f"the journal {path} is empty; its first line should be the header")
    header = _decoded(_header, path, 1, lines[0])
    if header.journal != 1:
        raise JournalError(f"the journal {path} is of format {header.journal}; this testbed reads format 1")
    return Journal(
        path,
        header,
        tuple(_decoded(_event, path, number, line) for number, line in enumerate(lines[1:], start=2)),
        torn,
    )


def _decoded(adapter: TypeAdapter[Any], path: Path, number: int, line: bytes) -> Any:
    try:
        return adapter.validate_json(line, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "line"
        raise JournalError(f"{path}, line {number}: {where}: {first['msg']}") from error
