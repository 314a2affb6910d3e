"""The matrix as people read it: a table for the terminal, and a page of Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from testbed.clock import span_text
from testbed.expectation import Outcome
from testbed.matrix import lessons

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from testbed.matrix.cell import Cell, Part
    from testbed.matrix.table import Column, Matrix

STYLE: dict[str, str] = {Outcome.GROUNDED: "red", Outcome.CONTAINED: "yellow", Outcome.UNHARMED: "green"}
HOW_TO_READ = (
    "Made by `{command}`; edit nothing here. Every scenario was replayed over every variant, each with its own trace and seed. A cell has "
    "the outcome, how far the crack went (0 nothing, 1 lookup, 2 pool, 3 server, 4 facility, 5 caller, 6 airline), and the share of the "
    "transactions due after the first fault that were answered."
)
NOT_REPLAYED = "-"
LONGEST = len(Outcome.CONTAINED)  # of the words for an outcome: none of them is cut, however narrow the terminal
NO_BREAK = "\N{NO-BREAK SPACE}"


def heading(column: Column, columns: Iterable[Column]) -> str:
    """Name a column: by its scenario, and by its runtime where there are several."""
    several = len({one.runtime for one in columns}) > 1
    return f"{column.scenario} ({column.runtime})" if several else column.scenario


def short(cell: Cell | None) -> str:
    """Tell a cell in a few words: outcome, crack, share of the transactions kept."""
    if cell is None:
        return NOT_REPLAYED
    return f"{cell.word} {cell.crack} {share(cell.all_kept)}".strip()


def share(part: Part) -> str:
    """Tell a share in percent, rounded down, so that 100 % is all."""
    told = percent(part)
    return told and f"{told}{NO_BREAK}%"


def percent(part: Part) -> str:
    """Tell the same without its sign; an empty text where nothing was asked for."""
    return "" if part.share is None else str(int(100 * part.share))


def table(matrix: Matrix) -> Table:
    """Draw it for a terminal: a row for each variant, level by level, a column for each scenario."""
    drawn = Table(
        title="How far the crack went",
        caption="outcome, crack (0 nothing to 6 airline), share of the transactions answered after the fault",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    drawn.add_column("variant", overflow="fold")
    for column in matrix.columns:
        drawn.add_column(heading(column, matrix.columns), min_width=LONGEST)
    level = None
    for row in matrix.rows:
        if level not in (None, row.level):
            drawn.add_section()
        level = row.level
        cells = [matrix.cell(column.key, row.variant) for column in matrix.columns]
        drawn.add_row(row.variant, *(Text(short(one), STYLE.get(one.outcome or "", "dim") if one else "dim") for one in cells))
    return drawn


def taught(matrix: Matrix) -> Text:
    """Tell what it teaches, and which sentences its measurements contradict."""
    lines = []
    for lesson in lessons.taught(matrix):
        style = "green" if lesson.holds else "bold red"
        lines.append(Text.assemble(("holds  " if lesson.holds else "CONTRADICTED  ", style), f"{lesson.says} ({lesson.figures})"))
    return Text("\n").join(lines)


def doubtful(cells: Iterable[Cell]) -> Text:
    """Tell of the cells whose outcome cannot be told, and why."""
    return Text("\n").join(Text(f"unknown: {' '.join(one.key)}: {one.unknown}", "yellow") for one in cells if one.outcome is None)


def markdown(matrix: Matrix) -> str:
    """Write the page: the matrix, what it teaches, the figures of each column, and what each variant is made of."""
    parts = [
        "# How far the crack went: the containment matrix",
        HOW_TO_READ.format(command=matrix.made_by),
        _grid(
            ["variant", *(heading(column, matrix.columns) for column in matrix.columns)],
            [[f"`{row.variant}`", *(short(matrix.cell(column.key, row.variant)) for column in matrix.columns)] for row in matrix.rows],
        ),
        *_lessons(matrix),
        *(part for column in matrix.columns for part in _figures(matrix, column)),
        "## The variants",
        _grid(
            ["level", "variant", "in words", "made of"],
            [[row.level, f"`{row.variant}`", row.says, row.made_of] for row in matrix.rows],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _lessons(matrix: Matrix) -> list[str]:
    told = lessons.taught(matrix)
    parts = []
    for title, held in (("## What it teaches", True), ("## What these measurements contradict", False)):
        lines = [f"- {one.says} ({one.figures}.)" for one in told if one.holds is held]
        if lines:
            parts += [title, "\n".join(lines)]
    return parts


def _figures(matrix: Matrix, column: Column) -> list[str]:
    cells = [one for row in matrix.rows if (one := matrix.cell(column.key, row.variant)) is not None]
    kinds = sorted({kind for one in cells for kind in one.kept})
    heads = [
        "variant",
        *kinds,
        "leaked",
        "servers' threads blocked",
        "callers' threads blocked",
        "health checks green",
        "recovered after",
        "replayed",
    ]
    rows = [
        [
            f"`{one.variant}`",
            *(share(one.kept[kind]) if kind in one.kept else NOT_REPLAYED for kind in kinds),
            _of(one.leaked),
            *(_of(one.blocked[role]) if role in one.blocked else NOT_REPLAYED for role in ("servers", "callers")),
            _of(one.green),
            recovered(one),
            ", ".join(f"{times} times {result}" for result, times in one.seen.items()) or "once",
        ]
        for one in cells
    ]
    facts = f"{column.title}. Seed {column.seed}, {column.requests} requests; each kind of transaction with the share that was answered."
    return [f"## {heading(column, matrix.columns)}", facts, _grid(heads, rows)]


def recovered(cell: Cell) -> str:
    """Tell how long the trouble lasted, and who ended it."""
    if cell.outcome is None:
        return f"unknown: {cell.unknown}"
    if cell.outcome == Outcome.UNHARMED.value:
        return "no trouble"
    if cell.recovery_s is None or cell.recovery_night_s is None:
        return "not within the night"
    return f"{cell.recovery_s:.1f} s ({span_text(cell.recovery_night_s)} of the night), {'by itself' if cell.by_itself else 'by hand'}"


def _of(part: Part) -> str:
    return f"{part.count} of {part.of}"


def _grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)
