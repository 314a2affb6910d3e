"""The matrix as people read it: tables for the terminal, and a page of Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from testbed.experiments.matrix import lessons
from testbed.plan.clock import span_text
from testbed.plan.expectation import Crack, Outcome
from testbed.report.fitted import Column as Drawn
from testbed.report.fitted import FittedTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from testbed.experiments.matrix.cell import Cell, Part, Tally
    from testbed.experiments.matrix.table import Column, Matrix, Provenance

STYLE: dict[str, str] = {Outcome.GROUNDED: "red", Outcome.CONTAINED: "yellow", Outcome.UNHARMED: "green"}
# By this a page is known as one that may be overwritten.
GENERATED = "# How far the crack went: the containment matrix\n\nGenerated; do not edit.\n"
PAGE = f"""\
{GENERATED}\
`testbed matrix --out` replays every scenario over every variant, each on its own trace and seed, and writes these files.
`testbed matrix show SCENARIO` prints all figures of a scenario.
[variants.toml](../variants.toml) has the settings of each variant and what it is made of.

![What became of the airline, by scenario and variant](containment.svg)

`U` is unharmed, `C` contained, `G` grounded.
The digit is the crack: 0 nothing, 1 lookup, 2 pool, 3 server, 4 facility, 5 caller, 6 airline.
The number after these is the percentage of the transactions due after the first fault that were answered, if not all were.
`3/5`: of five replays three came out so, and the others otherwise, which a corner of the picture shows; where it is missing, all did."""
NOT_REPLAYED = "-"
LONGEST = len(Outcome.CONTAINED) + len(" 0")  # an outcome with its crack: both stand in one line, however narrow the terminal
NO_BREAK = "\N{NO-BREAK SPACE}"
FULL = 100  # percent
NARROWEST = 12  # characters of a column of names or sentences
STOOD_STILL: dict[int, str] = {
    Crack.POOL: "connections leaked, and no service was stuck",
    Crack.SERVER: "all request threads of an application server were blocked for a while",
    Crack.FACILITY: "all request threads of every application server were blocked for a while",
    Crack.CALLER: "all request threads of a calling system were blocked for a while",
    Crack.AIRLINE: "all request threads of every calling system were blocked for a while",
}


def heading(column: Column, columns: Iterable[Column]) -> str:
    """Return the name of a column: its scenario, and its runtime if there are several."""
    several = len({other.runtime for other in columns}) > 1
    return f"{column.scenario} ({column.runtime})" if several else column.scenario


def short(cell: Cell | None) -> str:
    """Return a cell in a few words: outcome, crack, share of the transactions answered; how many replays had it, if not all."""
    if cell is None:
        return NOT_REPLAYED
    words = f"{cell.word} {cell.crack} {share(cell.all_answered)}".strip()
    agreeing = cell.agreeing
    return words if agreeing is None else f"{words}, {agreeing.count} of {agreeing.of}"


def share(part: Part) -> str:
    """Return a share in percent, rounded down, so that 100 % is all; an empty text if the total is 0."""
    number = percent(part)
    return number and f"{number}{NO_BREAK}%"


def mark(cell: Cell | None) -> str:
    """Return the letter of the outcome and the crack, such as `G6`."""
    if cell is None:
        return NOT_REPLAYED
    return f"{cell.outcome[0].upper() if cell.outcome else '?'}{cell.crack}"


def partial_percent(cell: Cell | None) -> str:
    """Return the percentage of the transactions that were answered; an empty text if all were."""
    number = "" if cell is None else percent(cell.all_answered)
    return "" if number == str(FULL) else number


def percent(part: Part) -> str:
    """Return the number of that share without its sign."""
    return "" if part.share is None else str(int(100 * part.share))


def table(matrix: Matrix) -> FittedTable:
    """Return a table for a terminal: a row for each variant, level by level, a column for each scenario."""
    drawn = FittedTable(
        [Drawn("variant", least=NARROWEST), *(Drawn(heading(column, matrix.columns), least=LONGEST) for column in matrix.columns)],
        title="How far the crack went",
        caption="outcome, crack (0 nothing to 6 airline), share of the transactions answered after the fault",
    )
    level = None
    for row in matrix.rows:
        if level not in (None, row.level):
            drawn.add_section()
        level = row.level
        cells = [matrix.cell(column.key, row.variant) for column in matrix.columns]
        drawn.add_row(row.variant, *(Text(short(cell), STYLE.get(cell.outcome or "", "dim") if cell else "dim") for cell in cells))
    return drawn


def lesson_lines(matrix: Matrix) -> Text:
    """Return a line for each lesson: whether it holds on this matrix, its sentence and its figures."""
    words = {True: ("holds  ", "green"), False: ("CONTRADICTED  ", "bold red"), None: ("NOT RECORDED  ", "yellow")}
    lines = [Text.assemble(words[lesson.holds], f"{lesson.says} ({lesson.figures})") for lesson in lessons.check(matrix)]
    return Text("\n").join(lines)


def unknown_lines(cells: Iterable[Cell]) -> Text:
    """Return a line for each cell whose outcome is unknown, with the reason."""
    return Text("\n").join(Text(f"unknown: {' '.join(cell.key)}: {cell.unknown}", "yellow") for cell in cells if cell.outcome is None)


def figures(matrix: Matrix, column: Column) -> tuple[FittedTable, ...]:
    """Return tables for a terminal of one column, a row for each variant.

    What became of it; what was answered of each kind; and, if that was kept of any: how long passengers waited, why it came out so, and
    what circuit breakers did.
    """
    cells = {row.variant: matrix.cell(column.key, row.variant) for row in matrix.rows}
    kinds = sorted({kind for cell in cells.values() if cell is not None for kind in cell.answered})
    became = FittedTable(
        [
            Drawn("variant", least=NARROWEST),
            Drawn("outcome", least=LONGEST),
            *(Drawn(_stacked(head), "right") for head in ("leaked", "servers blocked", "callers blocked", "red checks", "hung after")),
            Drawn("recovered after", least=NARROWEST),
        ],
        title=f"{column.scenario} on {column.runtime}: {column.title}",
        caption=_made(matrix, column),
    )
    answered = FittedTable(
        [Drawn("variant", least=NARROWEST), *(Drawn(_stacked(kind), "right") for kind in kinds)],
        title="Answered of the transactions due after the first fault, %",
    )
    level = None
    for row in matrix.rows:
        if level not in (None, row.level):
            became.add_section()
            answered.add_section()
        level = row.level
        cell = cells[row.variant]
        became.add_row(row.variant, *([NOT_REPLAYED] if cell is None else _became(cell)))
        answered.add_row(row.variant, *(percent(cell.answered[kind]) if cell and kind in cell.answered else NOT_REPLAYED for kind in kinds))
    known = [cell for row in matrix.rows if (cell := cells[row.variant]) is not None]
    return (became, answered, *_waits(known), *_reasons(known), *_breakers(known))


def _waits(cells: Sequence[Cell]) -> Iterator[FittedTable]:
    """Yield the table of waits, a row for each caller; none for cells that do not have them."""
    if not any(cell.waited for cell in cells):
        return
    heads = ("answered or\nnever", "median", f"90{NO_BREAK}%", f"99{NO_BREAK}%", "longest")
    drawn = FittedTable(
        [Drawn("variant", least=NARROWEST), Drawn("caller"), *(Drawn(head, "right") for head in heads)],
        title="Seconds from due until answered, after the first fault",
        caption="never: for ever",
        labels=2,
    )
    for cell in cells:
        for number, (caller, waited) in enumerate(cell.waited.items()):
            waits = (waited.median_s, waited.p90_s, waited.p99_s, waited.longest_s)
            texts = (_seconds(seconds) if waited.count else NOT_REPLAYED for seconds in waits)
            drawn.add_row("" if number else cell.variant, caller, str(waited.count), *texts)
    yield drawn


def _seconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f}"


def _reasons(cells: Sequence[Cell]) -> Iterator[FittedTable]:
    """Yield the table of reasons, and of what outcome and crack mean beside each other; none if there is nothing to say."""
    told = [(cell.variant, cell.reason.code if cell.reason else NOT_REPLAYED, words) for cell in cells if (words := why(cell))]
    if not told:
        return
    drawn = FittedTable([Drawn(head, least=NARROWEST) for head in ("variant", "reason", "")], title="Why")
    for row in told:
        drawn.add_row(*row)
    yield drawn


def why(cell: Cell) -> str:
    """Return the sentences on a cell: its reason, and what its crack means beside its outcome where that is not plain."""
    return "; ".join(words for words in (cell.reason.text if cell.reason else "", beside(cell)) if words)


def beside(cell: Cell) -> str:
    """Return what the crack means beside the outcome; an empty text if the one follows from the other."""
    if cell.outcome == Outcome.GROUNDED.value:
        return "" if cell.crack > Crack.POOL else "no service was stuck: calls came back, and failed"
    unharmed = cell.outcome == Outcome.UNHARMED.value
    if cell.outcome is None or cell.crack < (Crack.POOL if unharmed else Crack.SERVER):
        return ""
    return f"{'all in time' if unharmed and cell.crack > Crack.POOL else 'well at the end'}: {STOOD_STILL[cell.crack]}"


def _breakers(cells: Sequence[Cell]) -> Iterator[FittedTable]:
    """Yield the table of what circuit breakers did; none for cells that do not tell."""
    told = [(cell.variant, cell.breakers) for cell in cells if cell.breakers is not None]
    if not told:
        return
    heads = ("opened", "calls let through", "calls refused")
    drawn = FittedTable(
        [Drawn("variant", least=NARROWEST), *(Drawn(_stacked(head), "right") for head in heads)],
        title="What the circuit breakers of all callers did",
    )
    for variant, breakers in told:
        drawn.add_row(variant, *map(str, (breakers.opened, breakers.let_through, breakers.refused)))
    yield drawn


def _became(cell: Cell) -> Iterator[Text | str]:
    style = STYLE.get(cell.outcome or "", "dim")
    yield Text(f"{cell.word} {cell.crack}", style).append("".join(f"\n{_times(tally)}" for tally in cell.counts), "dim")
    yield str(cell.leaked)
    yield from (str(cell.blocked[role]) if role in cell.blocked else NOT_REPLAYED for role in ("servers", "callers"))
    yield str(cell.red)
    yield NOT_REPLAYED if cell.hang_after_night_s is None else span_text(cell.hang_after_night_s)
    yield recovered(cell)


def _times(tally: Tally) -> str:
    return f"{tally.times} x {tally.outcome or tally.code.replace('_', ' ') or 'unknown'} {tally.crack}"


def _stacked(words: str) -> str:
    return "\n".join(words.replace("_", " ").split())


def _made(matrix: Matrix, column: Column) -> str:
    made = matrix.made.get(column.key)
    return f"seed {column.seed}, {column.requests} requests" + (f"; {_by(made)}" if made else "")


def _by(made: Provenance) -> str:
    return f"made by `{made.made_by or 'an unknown command'}`" + (f" at commit {made.commit}" if made.commit else "")


def markdown(matrix: Matrix) -> str:
    """Return the page: the outcome of every cell, what the matrix teaches, and how it was made."""
    parts = [
        PAGE,
        _grid(
            ["scenario", *(f"`{row.variant}`" for row in matrix.rows)],
            [
                [heading(column, matrix.columns), *(_overview(matrix.cell(column.key, row.variant)) for row in matrix.rows)]
                for column in matrix.columns
            ],
        ),
        *_lessons(matrix),
        *_how_made(matrix),
    ]
    return "\n\n".join(parts) + "\n"


def _overview(cell: Cell | None) -> str:
    agreeing = None if cell is None else cell.agreeing
    times = "" if agreeing is None else f"{agreeing.count}/{agreeing.of}"
    return NO_BREAK.join(filter(None, (mark(cell), partial_percent(cell), times)))


def _lessons(matrix: Matrix) -> list[str]:
    checked = lessons.check(matrix)
    parts = []
    for title, holds in (
        ("## What it teaches", True),
        ("## What these measurements contradict", False),
        ("## What these measurements do not show", None),
    ):
        lines = [f"- {lesson.says} ({lesson.figures}.)" for lesson in checked if lesson.holds is holds]
        if lines:
            parts += [title, "\n".join(lines)]
    return parts


def _how_made(matrix: Matrix) -> list[str]:
    columns: dict[str, list[str]] = {}
    for column in matrix.columns:
        if column.key in matrix.made:
            columns.setdefault(_by(matrix.made[column.key]), []).append(heading(column, matrix.columns))
    return ["## How it was made", "\n".join(f"- {', '.join(names)}: {by}" for by, names in columns.items())] if columns else []


def recovered(cell: Cell) -> str:
    """Return how long the trouble lasted, and whether it ended by itself or by a restart."""
    if cell.outcome is None:
        return f"unknown: {cell.unknown}"
    if cell.outcome == Outcome.UNHARMED.value:
        return "no trouble"
    if cell.recovery_s is None or cell.recovery_night_s is None:
        return "not within the night"
    return f"{cell.recovery_s} s ({span_text(cell.recovery_night_s)} of the night), {'by itself' if cell.by_itself else 'by hand'}"


def _grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)
