"""What a matrix that was interrupted had got to: a line for each cell that was replayed, by everything that decides the cell."""

from __future__ import annotations

import fcntl
import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from pydantic import ValidationError

from testbed import package_data
from testbed.errors import UsageError
from testbed.matrix.cell import Cell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testbed.matrix.plan import Planned

CODE = (package_data.packages() / "testbed", package_data.packages() / "flight_search")


@dataclass(slots=True)
class Progress:
    """The cells so far, and the open file that takes more; `code` is the digest of the code that they were replayed with."""

    file: TextIO
    code: str
    cells: dict[str, Cell] = field(default_factory=dict)

    def find(self, planned: Planned) -> Cell | None:
        """Give a cell that was replayed already, by this code and with these settings; None when it was not."""
        return self.cells.get(self._key(planned))

    def add(self, planned: Planned, cell: Cell) -> None:
        """Write a cell down at once."""
        self.file.write(json.dumps({"key": self._key(planned), "cell": cell.model_dump(mode="json")}) + "\n")
        self.file.flush()

    def _key(self, planned: Planned) -> str:
        scenario = planned.sown.only(planned.variant)
        decides = (
            self.code,
            planned.sown.runtime,
            planned.sown.sent.header.sha256,
            scenario.path.read_text(encoding="utf-8"),
            scenario.variants[0].settings.model_dump_json(),
            scenario.night.model_dump_json(),
        )
        return hashlib.sha256("\0".join(decides).encode()).hexdigest()


@contextmanager
def kept_in(directory: Path, *, anew: bool) -> Iterator[Progress]:
    """Hold a directory's progress; `anew` forgets it first. When all went well it is forgotten, for the next matrix is a new one.

    Raises UsageError when another matrix is being made there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "cells.jsonl"
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(f"another matrix is being made in {directory}; give another directory with --runs") from error
        if anew:
            file.truncate(0)
        yield Progress(file, _code(), _read(file))
        file.truncate(0)


def _read(file: TextIO) -> dict[str, Cell]:
    file.seek(0)
    cells = {}
    for line in file:
        try:
            told = json.loads(line)
            cells[told["key"]] = Cell.model_validate(told["cell"])
        except (ValueError, KeyError, TypeError, ValidationError):  # cut off as it was written, or another version's
            continue
    return {key: cell for key, cell in cells.items() if cell.outcome is not None}  # what could not be told is tried again


def _code() -> str:
    digest = hashlib.sha256()
    for file in sorted(file for part in CODE for file in part.rglob("*") if file.is_file() and "__pycache__" not in file.parts):
        digest.update(f"{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()
