"""The matrix as a record: scenarios, variants and cells, and how several matrices are merged into one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from testbed.errors import UsageError
from testbed.experiments.matrix.cell import Cell, most_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ColumnKey = tuple[str, str]


class Frozen(BaseModel):
    """A frozen record."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(Frozen):
    """A scenario on a runtime, which is replayed over every variant, with the SHA-256 of its trace."""

    scenario: str
    runtime: str
    title: str
    seed: int
    requests: int
    trace_sha256: str

    @property
    def key(self) -> ColumnKey:
        """Scenario and runtime."""
        return self.scenario, self.runtime


class Row(Frozen):
    """A variant: its level, what it says and what it is made of."""

    variant: str
    level: str = ""
    says: str = ""
    made_of: str = ""


class Provenance(Frozen):
    """How a column was made: the command, the commit of the code, and a digest of each variant's settings, by its name."""

    made_by: str = ""
    commit: str = ""
    settings: dict[str, str] = {}


class Matrix(Frozen):
    """Columns, rows and cells; a cell that is missing was not replayed. `made`: how each column was made."""

    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    cells: tuple[Cell, ...]
    made: dict[ColumnKey, Provenance] = {}

    def cell(self, column: ColumnKey, variant: str) -> Cell | None:
        """Return a cell; None if it was not replayed."""
        return next((cell for cell in self.cells if cell.column == column and cell.variant == variant), None)

    @property
    def missing(self) -> tuple[tuple[str, str, str], ...]:
        """Scenario, runtime and variant of each cell that was not replayed."""
        present = {cell.key for cell in self.cells}
        return tuple(key for column in self.columns for row in self.rows if (key := (*column.key, row.variant)) not in present)

    def ordered(self) -> Matrix:
        """Return it with its cells in the order of columns and rows."""
        columns, rows = [column.key for column in self.columns], [row.variant for row in self.rows]
        cells = sorted(self.cells, key=lambda cell: (columns.index(cell.column), rows.index(cell.variant)))
        return self.model_copy(update={"cells": tuple(cells)})

    def only(self, key: ColumnKey) -> Matrix:
        """Return it with one column, and with the rows that this column has."""
        variants = self.made.get(key, Provenance()).settings or {cell.variant for cell in self.cells if cell.column == key}
        return Matrix(
            columns=tuple(column for column in self.columns if column.key == key),
            rows=tuple(row for row in self.rows if row.variant in variants),
            cells=tuple(cell for cell in self.cells if cell.column == key),
            made={key: self.made[key]} if key in self.made else {},
        )


def merge(parts: Sequence[tuple[str, Matrix]]) -> Matrix:
    """Return one matrix of several, each with the name of its folder; raises UsageError if two of them contradict each other.

    The same column must have the same trace, and the same variant the same settings. A cell that several have was replayed as often.
    """
    columns: dict[ColumnKey, Column] = {}
    rows: dict[str, Row] = {}
    cells: dict[tuple[str, str, str], list[Cell]] = {}
    made: dict[ColumnKey, list[Provenance]] = {}
    for name, part in parts:
        _require_same_settings(name, part, made)
        for column in part.columns:
            if columns.setdefault(column.key, column) != column:
                raise UsageError(f"{name}: {column.scenario} on {column.runtime} has another trace than in the folders before it")
            made.setdefault(column.key, []).append(part.made.get(column.key, Provenance()))
        for row in part.rows:
            rows.setdefault(row.variant, row)
        for cell in part.cells:
            cells.setdefault(cell.key, []).append(cell)
    runtimes = list(dict.fromkeys(column.runtime for column in columns.values()))
    return Matrix(
        # In the order in which a matrix of all of them has them, whichever folder had which.
        columns=tuple(sorted(columns.values(), key=lambda column: (runtimes.index(column.runtime), column.scenario))),
        rows=tuple(rows.values()),
        cells=tuple(most_of(replays) for replays in cells.values()),
        made={key: _merged(several) for key, several in made.items() if any(provenance != Provenance() for provenance in several)},
    ).ordered()


def _require_same_settings(name: str, part: Matrix, before: Mapping[ColumnKey, Sequence[Provenance]]) -> None:
    known: dict[str, set[str]] = {}
    for provenances in before.values():
        for provenance in provenances:
            for variant, digest in provenance.settings.items():
                known.setdefault(variant, set()).add(digest)
    for key, provenance in part.made.items():
        for variant, digest in provenance.settings.items():
            if known.get(variant, {digest}) != {digest}:
                raise UsageError(f"{name}: the variant {variant} in {key[0]} on {key[1]} has other settings than in the folders before it")


def _merged(several: Sequence[Provenance]) -> Provenance:
    return Provenance(
        made_by="; ".join(dict.fromkeys(provenance.made_by for provenance in several if provenance.made_by)),
        commit="; ".join(dict.fromkeys(provenance.commit for provenance in several if provenance.commit)),
        settings={variant: digest for provenance in several for variant, digest in provenance.settings.items()},
    )


def with_cells(matrix: Matrix, cells: Iterable[Cell]) -> Matrix:
    """Return it with these cells in place of its own."""
    return matrix.model_copy(update={"cells": tuple(cells)}).ordered()
