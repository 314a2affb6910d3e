"""The matrix as a picture (SVG): a row for each scenario, a field for each variant, coloured by outcome and shaded by crack.

A field is a line of the file, and a scenario a group that moves as a whole: a new scenario adds its lines and moves no other field.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from math import ceil, cos, radians, sin
from typing import TYPE_CHECKING

from testbed.experiments.matrix.text import mark, partial_percent
from testbed.plan.expectation import Crack, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.experiments.matrix.table import Column, Matrix, Row

LEFT, TOP = 212, 222  # the names of scenarios, and those of variants; the least that the legend needs
MARGIN, BEFORE_FIELDS, ABOVE_FIELDS = 4, 10, 4
WIDTH, HEIGHT, GAP = 36, 30, 2
BETWEEN_LEVELS = 8
LEAN = -50  # degrees
CHARACTER = 7.3  # the width of a character of 12 pixels
NAME = 7.9  # and of one of 13
# The colours of Okabe and Ito (2008), which are also distinct to people who do not see red and green; and every field has its letters.
COLOUR: dict[str, tuple[int, int, int]] = {
    Outcome.UNHARMED: (0x00, 0x9E, 0x73),
    Outcome.CONTAINED: (0xF0, 0xE4, 0x42),
    Outcome.GROUNDED: (0xD5, 0x5E, 0x00),
}
LEAST = 0.45  # how much of its colour a field with a crack of 0 has
TITLE = "The containment matrix: what became of the airline, by scenario and variant"
GENERATED = f"<title>{TITLE}</title>"  # by this a picture is known as one that may be overwritten
EXPLAINED = (
    "letter: the outcome",
    "digit: the crack, 0 to 6",
    "below: % answered after",
    "the fault, if not all",
    "corner: of other replays",
)
CORNER = 11  # pixels of a field's two sides
STYLE = """\
text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1b1b1b}
.row text{text-anchor:middle;font-size:14px}
.row .name{text-anchor:end;font-size:13px}
tspan{font-size:11px}
.runtime{font-weight:bold;font-size:14px}
.x{fill:#bbb}"""


def draw(matrix: Matrix) -> str:
    """Return the picture."""
    places = _places(matrix.rows)
    left, top = _corner(matrix)
    width = left + max(
        x + WIDTH / 2 + len(row.variant) * CHARACTER * cos(radians(LEAN)) for x, row in zip(places, matrix.rows, strict=True)
    )
    width = max(width, left + places[-1] + WIDTH) + 20
    rows, height = [], top
    runtime = ""
    for column in matrix.columns:
        if column.runtime != runtime:
            runtime = column.runtime
            rows.append(f'<text class="runtime" x="12" y="{height + 20}">{escape(runtime)}</text>')
            height += HEIGHT
        rows += _row(matrix, column, places, left, height)
        height += HEIGHT + GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height + 16}" role="img">',
        GENERATED,
        *f"<style>{STYLE}\n{_shades()}</style>".splitlines(),
        f'<defs><rect id="f" y="-12" width="{WIDTH}" height="{HEIGHT}" rx="3"/></defs>',
        '<rect width="100%" height="100%" fill="#fff"/>',
        *_legend(),
        *_heads(matrix.rows, places, left, top),
        *rows,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _corner(matrix: Matrix) -> tuple[int, int]:
    """Return where the fields begin: right of the longest name of a scenario, and below the longest name of a variant."""
    longest_scenario = max(len(column.scenario) for column in matrix.columns)
    longest_variant = max(len(row.variant) for row in matrix.rows)
    leaning = longest_variant * CHARACTER * sin(radians(-LEAN)) + 12  # and the height of a character
    return max(LEFT, ceil(MARGIN + BEFORE_FIELDS + longest_scenario * NAME)), max(TOP, ceil(MARGIN + leaning + ABOVE_FIELDS))


def _places(rows: Sequence[Row]) -> list[int]:
    """Return the x of each variant; levels stand apart."""
    places = [0]
    for before, row in pairwise(rows):
        places.append(places[-1] + WIDTH + GAP + (BETWEEN_LEVELS if row.level != before.level else 0))
    return places


def _shades() -> str:
    """Return a class for each outcome and crack: the letter and the digit that the field shows."""
    lines = []
    for word, colour in COLOUR.items():
        shades = []
        for crack in Crack:
            part = LEAST + (1 - LEAST) * crack / max(Crack)
            shade = "".join(f"{round(255 + (value - 255) * part):02x}" for value in colour)
            shades.append(f".{word[0].upper()}{crack}{{fill:#{shade}}}")
        lines.append("".join(shades))
    return "\n".join(lines)


def _legend() -> Iterator[str]:
    for number, word in enumerate(COLOUR):
        letter = word[0].upper()
        yield f'<rect class="{letter}6" x="12" y="{12 + 22 * number}" width="16" height="16" rx="3"/>'
        yield f'<text x="36" y="{25 + 22 * number}">{letter} {word}</text>'
    for number, text in enumerate(EXPLAINED):
        yield f'<text x="12" y="{98 + 17 * number}">{text}</text>'


def _heads(rows: Sequence[Row], places: Sequence[int], left: int, top: int) -> Iterator[str]:
    for x, row in zip(places, rows, strict=True):
        yield f'<text transform="translate({left + x + WIDTH // 2} {top - ABOVE_FIELDS}) rotate({LEAN})">{escape(row.variant)}</text>'


def _corner_of(right: int, other: str | None) -> str:
    """Return the upper right corner of a field of which some replays had another outcome, in the colour of that."""
    shade = "x" if other is None else f"{other[0].upper()}{max(Crack)}"
    return f'<path class="{shade}" stroke="#fff" d="M{right - CORNER} -12h{CORNER}v{CORNER}z"/>'


def _row(matrix: Matrix, column: Column, places: Sequence[int], left: int, y: int) -> Iterator[str]:
    name = f'<text class="name" x="-{BEFORE_FIELDS}" y="7">{escape(column.scenario)}</text>'
    yield f'<g class="row" transform="translate({left} {y + 12})">{name}'
    for x, row in zip(places, matrix.rows, strict=True):
        cell = matrix.cell(column.key, row.variant)
        shade = "x" if cell is None or cell.outcome is None else mark(cell)
        middle = x + WIDTH // 2
        below = partial_percent(cell)
        share, y_of_mark = (f'<tspan x="{middle}" dy="13">{below}</tspan>', "") if below else ("", ' y="7"')
        corner = "" if cell is None or not cell.others else _corner_of(x + WIDTH, cell.others[0])
        yield f'<use href="#f" x="{x}" class="{shade}"/>{corner}<text x="{middle}"{y_of_mark}>{mark(cell)}{share}</text>'
    yield "</g>"
