"""The matrix as a picture (SVG): a line a scenario, a field a variant, coloured by outcome and shaded by how far the crack went."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

from testbed.expectation import Crack, Outcome
from testbed.matrix.told import NOT_REPLAYED, heading, percent, recovered

if TYPE_CHECKING:
    from testbed.matrix.cell import Cell
    from testbed.matrix.table import Matrix

LEFT, TOP, RIGHT = 310, 190, 130  # the names of scenarios, and those of variants, which lean over the last one
WIDTH, HEIGHT, GAP = 56, 24, 2
LEAN = -50  # degrees
FONT = "ui-monospace, Menlo, Consolas, monospace"
# Told apart also by those who do not see red and green, and in print: the colours of Okabe and Ito (2008), and every field has its words.
COLOUR: dict[str, str] = {Outcome.UNHARMED: "#009E73", Outcome.CONTAINED: "#F0E442", Outcome.GROUNDED: "#D55E00"}
UNKNOWN, INK, PAPER = "#BBBBBB", "#1B1B1B", "#FFFFFF"
LEAST = 0.45  # the opacity of a crack of 0


def draw(matrix: Matrix) -> str:
    """Give the picture; each field has, on hovering, what became of the cell in words."""
    width = LEFT + len(matrix.rows) * (WIDTH + GAP) + RIGHT
    height = TOP + len(matrix.columns) * (HEIGHT + GAP) + 40
    picture = Xml.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}", role="img")
    Xml.SubElement(picture, "title").text = "The containment matrix: what became of the airline, by scenario and variant"
    Xml.SubElement(picture, "rect", width=str(width), height=str(height), fill=PAPER)
    for number, row in enumerate(matrix.rows):
        x, y = LEFT + number * (WIDTH + GAP) + WIDTH / 2, TOP - 8
        _text(picture, x, y, row.variant, transform=f"rotate({LEAN} {x:g} {y})")
    for line, column in enumerate(matrix.columns):
        y = TOP + line * (HEIGHT + GAP)
        _text(picture, LEFT - 10, y + 16, heading(column, matrix.columns), anchor="end")
        for number, row in enumerate(matrix.rows):
            _field(picture, LEFT + number * (WIDTH + GAP), y, matrix.cell(column.key, row.variant))
    x, y = LEFT, height - 26
    for word, colour in COLOUR.items():
        Xml.SubElement(picture, "rect", x=str(x), y=str(y), width="14", height="14", fill=colour)
        _text(picture, x + 20, y + 12, f"{word[0].upper()} {word}")
        x += 130
    _text(picture, x, y + 12, "the crack: 0 nothing to 6 airline; % of the transactions due after the first fault that were answered")
    Xml.indent(picture)
    return Xml.tostring(picture, encoding="unicode") + "\n"


def _field(picture: Xml.Element, x: float, y: float, cell: Cell | None) -> None:
    group = Xml.SubElement(picture, "g")
    colour = UNKNOWN if cell is None or cell.outcome is None else COLOUR[cell.outcome]
    opacity = 1.0 if cell is None or cell.outcome is None else LEAST + (1 - LEAST) * cell.crack / max(Crack)
    shape = {"x": str(x), "y": str(y), "width": str(WIDTH), "height": str(HEIGHT), "rx": "3"}
    Xml.SubElement(group, "rect", shape | {"fill": colour, "fill-opacity": f"{opacity:.2f}"})
    if cell is None:
        _text(group, x + WIDTH / 2, y + 16, NOT_REPLAYED, anchor="middle")
        return
    Xml.SubElement(group, "title").text = f"{' '.join(cell.key)}: {cell.word}, crack {cell.crack}; recovered: {recovered(cell)}"
    letter = cell.outcome[0].upper() if cell.outcome else "?"
    _text(group, x + WIDTH / 2, y + 16, f"{letter}{cell.crack} {percent(cell.all_kept)}", anchor="middle")


def _text(parent: Xml.Element, x: float, y: float, words: str, anchor: str = "start", **more: str) -> None:
    given = {"x": f"{x:g}", "y": f"{y:g}", "font-family": FONT, "font-size": "12", "text-anchor": anchor, "fill": INK}
    Xml.SubElement(parent, "text", given | more).text = words
