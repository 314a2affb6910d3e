"""The checkpoint of a matrix: a line for each cell that was replayed, under a digest of everything that decides the cell."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import distributions
from typing import TYPE_CHECKING, TextIO

from pydantic import ValidationError

from testbed.errors import TestbedError, UsageError
from testbed.experiments.matrix.cell import Cell
from testbed.plan import package_data, written_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from testbed.experiments.matrix.plan import PlannedCell

# Compose files count on every runtime: a cell that is replayed once more costs less than one that is wrong.
CODE = (package_data.packages() / "testbed", package_data.packages() / "flight_search", package_data.directory("compose"))


@dataclass(slots=True)
class CheckpointFile:
    """The cells so far, and the open file that takes more, at `path`.

    `code` is the digest of the code that they are replayed with, `libraries` names the libraries and their versions, and `given` returns
    what the command line decides for all of them.
    """

    path: Path
    file: TextIO
    code: str
    libraries: str
    given: Callable[[], Sequence[str]]
    cells: dict[str, Cell] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)  # the keys that this matrix asked for

    def find(self, planned: PlannedCell, number: int = 1) -> Cell | None:
        """Return what came of a cell's replay of this number, from 1, by this code and with these settings; None if there is none."""
        key = self._key(planned, number)
        self.own.add(key)
        return self.cells.get(key)

    def add(self, planned: PlannedCell, cell: Cell, number: int = 1) -> None:
        """Write what came of a replay at once, so that a kill costs only those that are going on."""
        key = self._key(planned, number)
        self.own.add(key)
        self.file.write(json.dumps({"key": key, "cell": cell.model_dump(mode="json")}) + "\n")
        self.file.flush()

    def remove_own(self) -> None:
        """Remove the cells of this matrix, as the next is a new measurement; those of another that was interrupted stay.

        Only what was printed and written may be removed: until then a failure would cost every replay. And the others are written to a
        new file that takes the place of this one: a full disk or a kill meanwhile loses none of them. Raises OSError.
        """
        self.file.seek(0)
        others = [line for line in self.file if _key_of(line) not in {None, *self.own}]
        written_file.write(self.path, "".join(others))
        self.file = self.path.open("a+", encoding="utf-8")  # the one before stays open, for its lock

    def _key(self, planned: PlannedCell, number: int) -> str:
        scenario = planned.column.only(planned.variant)
        decides = (
            self.code,
            self.libraries,
            *self.given(),
            planned.column.runtime,
            planned.column.sent.header.sha256,
            scenario.path.read_text(encoding="utf-8"),
            scenario.variants[0].settings.model_dump_json(),
            scenario.night.model_dump_json(),
            str(number),
        )
        return hashlib.sha256("\0".join(decides).encode()).hexdigest()


@contextmanager
def checkpoint_in(directory: Path, *, anew: bool, given: Callable[[], Sequence[str]] = tuple) -> Iterator[CheckpointFile]:
    """Open the checkpoint of a directory and lock it; `anew` empties it first.

    `given` returns what else decides every cell; it is called for each cell, as the backend knows its PostgreSQL only once it is entered.

    Raises UsageError if another matrix holds it, or has just replaced it, TestbedError if it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path = (directory / "cells.jsonl").resolve()
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise TestbedError(f"no checkpoint in {directory}: {error.strerror}; give another directory with --runs") from error
    with file:  # to the end, also when it is replaced: its lock is this matrix's
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_replaced = not os.path.samestat(os.fstat(file.fileno()), path.stat())  # by a matrix that has just ended
        except OSError as error:
            raise UsageError(f"another matrix is being made in {directory}; choose another directory with --runs") from error
        if is_replaced:
            raise UsageError(f"another matrix has just ended in {directory}; give the command again")
        if anew:
            file.truncate(0)
        checkpoint = CheckpointFile(path, file, _code(), _libraries(), given, _read(file))
        try:
            yield checkpoint
        finally:
            checkpoint.file.close()


def _read(file: TextIO) -> dict[str, Cell]:
    file.seek(0)
    cells, line = {}, "\n"
    for line in file:
        try:
            entry = json.loads(line)
            cells[entry["key"]] = Cell.model_validate(entry["cell"])
        except (ValueError, KeyError, TypeError, ValidationError):  # cut off by a kill, or another version's
            continue
    if not line.endswith("\n"):
        file.write("\n")  # or the next cell would be part of the line that was cut off
    # What cannot be believed is tried again.
    return {key: cell for key, cell in cells.items() if any(replay.is_believed for replay in cell.each)}


def _key_of(line: str) -> str | None:
    """Return the key of a line; None if the line was cut off."""
    try:
        return str(json.loads(line)["key"])
    except (ValueError, KeyError, TypeError):
        return None


def _code() -> str:
    digest = hashlib.sha256()
    for part in CODE:
        for file in sorted(path for path in part.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            digest.update(f"{part.name}/{file.relative_to(part)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _libraries() -> str:
    """Return Python and every installed library with its version: those that a cell needs bring others, which no list here would have."""
    installed = {f"{library.name} {library.version}" for library in distributions()}
    return "\n".join([platform.python_version(), *sorted(installed)])
