"""The matrix as a picture: a field for each cell, coloured by outcome and shaded by how far the crack went (SVG)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

from testbed import outcome
from testbed.matrix.told import NOT_REPLAYED, heading, recovered, share

if TYPE_CHECKING:
    from testbed.matrix.cell import Cell
    from testbed.matrix.table import Matrix

LEFT, TOP = 250, 64
WIDTH, HEIGHT, GAP = 172, 24, 3
FONT = "ui-monospace, Menlo, Consolas, monospace"
# Told apart also by those who do not see red and green, and in print: the colours of Okabe and Ito (2008), and every field has its words.
COLOUR = {outcome.UNHARMED: "#009E73", outcome.CONTAINED: "#F0E442", outcome.GROUNDED: "#D55E00"}
UNKNOWN, INK, PAPER = "#BBBBBB", "#1B1B1B", "#FFFFFF"
LEAST = 0.45  # the opacity of a crack of 0


def draw(matrix: Matrix) -> str:
    """Give the picture; each field has, on hovering, what became of the cell in words."""
    width = LEFT + len(matrix.columns) * (WIDTH + GAP) + GAP
    height = TOP + len(matrix.rows) * (HEIGHT + GAP) + 40
    picture = Xml.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}", role="img")
    Xml.SubElement(picture, "title").text = "The containment matrix: what became of the airline, by variant and scenario"
    Xml.SubElement(picture, "rect", width=str(width), height=str(height), fill=PAPER)
    for number, column in enumerate(matrix.columns):
        _text(picture, LEFT + number * (WIDTH + GAP) + WIDTH / 2, TOP - 12, heading(column, matrix.columns), anchor="middle")
    for line, row in enumerate(matrix.rows):
        y = TOP + line * (HEIGHT + GAP)
        _text(picture, LEFT - 10, y + 16, row.variant, anchor="end")
        for number, column in enumerate(matrix.columns):
            _field(picture, LEFT + number * (WIDTH + GAP), y, matrix.cell(column.key, row.variant))
    x = float(LEFT)
    for word, colour in COLOUR.items():
        y = height - 26
        Xml.SubElement(picture, "rect", x=str(x), y=str(y), width="14", height="14", fill=colour)
        _text(picture, x + 20, y + 12, word)
        x += 120
    Xml.indent(picture)
    return Xml.tostring(picture, encoding="unicode") + "\n"


def _field(picture: Xml.Element, x: float, y: float, cell: Cell | None) -> None:
    group = Xml.SubElement(picture, "g")
    colour = UNKNOWN if cell is None or cell.outcome is None else COLOUR[cell.outcome]
    opacity = 1.0 if cell is None or cell.outcome is None else LEAST + (1 - LEAST) * cell.crack / (len(outcome.CRACK) - 1)
    shape = {"x": str(x), "y": str(y), "width": str(WIDTH), "height": str(HEIGHT), "rx": "3"}
    Xml.SubElement(group, "rect", shape | {"fill": colour, "fill-opacity": f"{opacity:.2f}"})
    if cell is None:
        _text(group, x + WIDTH / 2, y + 16, NOT_REPLAYED, anchor="middle")
        return
    Xml.SubElement(group, "title").text = f"{' '.join(cell.key)}: {cell.word}, crack {cell.crack}; recovered: {recovered(cell)}"
    _text(group, x + WIDTH / 2, y + 16, f"{cell.word} {cell.crack} · {share(cell.all_kept)}", anchor="middle")


def _text(parent: Xml.Element, x: float, y: float, words: str, anchor: str = "start") -> None:
    given = {"x": f"{x:g}", "y": f"{y:g}", "font-family": FONT, "font-size": "12", "text-anchor": anchor, "fill": INK}
    Xml.SubElement(parent, "text", given).text = words
