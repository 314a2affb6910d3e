"""The matrix as it is kept: a file of JSON with scenarios, variants and cells, and how several of them become one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from testbed.errors import UsageError
from testbed.matrix.cell import Cell, most_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


class Frozen(BaseModel):
    """A record of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(Frozen):
    """A scenario on a runtime: what was replayed over every variant, with the trace by its SHA-256."""

    scenario: str
    runtime: str
    title: str
    seed: int
    requests: int
    trace_sha256: str

    @property
    def key(self) -> tuple[str, str]:
        """Scenario and runtime."""
        return self.scenario, self.runtime


class Row(Frozen):
    """A variant: its level, what it says, what it is made of, and its settings as they differ from those of that night."""

    variant: str
    level: str = ""
    says: str = ""
    made_of: str = ""
    settings: dict[str, dict[str, bool | int | float | str | None]] = {}


class Matrix(Frozen):
    """Columns, rows and cells; a cell that is missing was not replayed. `made_by` is the command."""

    format: Literal[1] = 1
    made_by: str = ""
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    cells: tuple[Cell, ...]

    def cell(self, column: tuple[str, str], variant: str) -> Cell | None:
        """Give a cell; None when it was not replayed."""
        return next((one for one in self.cells if one.column == column and one.variant == variant), None)

    @property
    def missing(self) -> tuple[tuple[str, str, str], ...]:
        """Scenario, runtime and variant of what was not replayed."""
        there = {one.key for one in self.cells}
        return tuple(key for column in self.columns for row in self.rows if (key := (*column.key, row.variant)) not in there)

    def ordered(self) -> Matrix:
        """Give it with its cells in the order of columns and rows, so that its file changes only where a cell does."""
        columns, rows = [one.key for one in self.columns], [one.variant for one in self.rows]
        cells = sorted(self.cells, key=lambda one: (columns.index(one.column), rows.index(one.variant)))
        return self.model_copy(update={"cells": tuple(cells)})


def write(matrix: Matrix, path: Path) -> None:
    """Write it; raises OSError when that cannot be done."""
    path.write_text(matrix.ordered().model_dump_json(indent=1, exclude_defaults=True) + "\n", encoding="utf-8")


def read(path: Path) -> Matrix:
    """Read a kept matrix; raises UsageError that names the file and the first thing that is wrong in it."""
    try:
        return Matrix.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the matrix {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise UsageError(f"{path} is no matrix: {where}: {first['msg']}; `testbed matrix --out` writes one") from error


def merge(parts: Sequence[tuple[str, Matrix]]) -> Matrix:
    """Make one of several, each with the name of its file; raises UsageError where two tell different things of the same.

    The same column must be the same trace, and the same row the same settings. A cell that is in several was replayed as often.
    """
    columns: dict[tuple[str, str], Column] = {}
    rows: dict[str, Row] = {}
    cells: dict[tuple[str, str, str], list[Cell]] = {}
    for name, part in parts:
        for column in part.columns:
            if columns.setdefault(column.key, column) != column:
                raise UsageError(f"{name}: {column.scenario} on {column.runtime} is another trace than in the files before it")
        for row in part.rows:
            if rows.setdefault(row.variant, row) != row:
                raise UsageError(f"{name}: the variant {row.variant} is another than in the files before it")
        for cell in part.cells:
            cells.setdefault(cell.key, []).append(cell)
    runtimes = list(dict.fromkeys(column.runtime for column in columns.values()))
    return Matrix(
        made_by="; ".join(dict.fromkeys(part.made_by for _, part in parts if part.made_by)),
        # In the order in which a matrix of all of them has them, whichever file had which.
        columns=tuple(sorted(columns.values(), key=lambda one: (runtimes.index(one.runtime), one.scenario))),
        rows=tuple(rows.values()),
        cells=tuple(most_of(several) for several in cells.values()),
    ).ordered()


def with_cells(matrix: Matrix, cells: Iterable[Cell]) -> Matrix:
    """Give it with these cells in place of its own."""
    return matrix.model_copy(update={"cells": tuple(cells)}).ordered()
