"""Cells and matrices of a few words, for the tests of everything that reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.experiments.matrix.cell import Cell, Part
from testbed.experiments.matrix.table import Column, Matrix, Provenance, Row

if TYPE_CHECKING:
    from collections.abc import Iterable

NIGHT = ("the_night", "processes")


def cell(variant: str = "original", outcome: str | None = "grounded", crack: int = 6, **more: object) -> Cell:
    """Make a cell of a night over a variant; 80 connections, 120 request threads of callers, 100 transactions.

    All of them were answered if it is unharmed, and otherwise 15.
    """
    callers = 120 if crack == 6 else 0
    check_ins, passes = (90, 10) if outcome == "unharmed" else (10, 5)
    fields = {
        "scenario": NIGHT[0],
        "runtime": NIGHT[1],
        "answered": {"kiosk check_in": Part(count=check_ins, of=90), "kiosk reprint_boarding_pass": Part(count=passes, of=10)},
        "leaked": Part(count=80, of=80),
        "blocked": {"servers": Part(count=80, of=80), "callers": Part(count=callers, of=120)},
        "red": 0,
        "unknown": "" if outcome else "the open loop was late",
    }
    return Cell.model_validate({**fields, "variant": variant, "outcome": outcome, "crack": crack, **more})


def matrix(cells: Iterable[Cell], *, seed: int = 1) -> Matrix:
    """Make the matrix of some cells, with the columns and rows that they need; each variant's settings have its name as their digest."""
    made = tuple(cells)
    columns = dict.fromkeys(each.column for each in made)
    names = tuple(dict.fromkeys(each.variant for each in made))
    return Matrix(
        columns=tuple(
            Column(scenario=scenario, runtime=runtime, title="A night", seed=seed, requests=100, trace_sha256=f"{scenario}-{seed}")
            for scenario, runtime in columns
        ),
        rows=tuple(Row(variant=name, level="code", says="in words", made_of="a file") for name in names),
        cells=made,
        made=dict.fromkeys(columns, Provenance(made_by="testbed matrix", commit="0123456789ab", settings={name: name for name in names})),
    )
