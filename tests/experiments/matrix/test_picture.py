"""The geometry of the matrix's picture: nothing in it is cut off, however small the matrix and however long its names."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

import pytest

from testbed.experiments.matrix.picture import HEIGHT, WIDTH, draw
from tests.experiments.matrix.cells import cell, matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

SVG = "{http://www.w3.org/2000/svg}"
Point = tuple[float, float]
# Of a font's size: how wide a character is in the usual monospaced fonts (0.60 to 0.61), and how far it goes above and below its line.
ADVANCE, ABOVE, BELOW = 0.61, 0.8, 0.25
ANCHORED = {"name": 1.0, "": 0.5}  # in a row: which part of a text is left of its x


def corners(picture: Xml.Element) -> Iterator[tuple[str, list[Point]]]:
    """Return the four corners of everything that is drawn, with what it is."""
    for child in picture:
        rows = child if child.tag == f"{SVG}g" else [child]
        moved = moves(child) if child.tag == f"{SVG}g" else (0.0, 0.0, 0.0)
        for element in rows:
            for what, box in boxes(element, in_row=child.tag == f"{SVG}g"):
                yield what, [at(at(point, moves(element)), moved) for point in box]


def boxes(element: Xml.Element, *, in_row: bool) -> Iterator[tuple[str, list[Point]]]:
    """Return the corners of an element, before it is moved: of a text, each of its lines."""
    x, y = float(element.get("x", "0")), float(element.get("y", "0"))
    if element.tag == f"{SVG}use":
        yield "field", rectangle(x, -12, WIDTH, HEIGHT)
    elif element.tag == f"{SVG}rect" and element.get("width") != "100%":
        yield "rect", rectangle(x, y, float(element.get("width", "")), float(element.get("height", "")))
    elif element.tag == f"{SVG}text":
        size = {"name": 13, "runtime": 14}.get(element.get("class", ""), 14 if in_row else 12)
        left = ANCHORED[element.get("class", "")] if in_row else 0.0
        lines = [(element.text or "", y), *((share.text or "", y + float(share.get("dy", ""))) for share in element)]
        for text, line_y in lines:
            width = len(text) * ADVANCE * size
            yield text, rectangle(x - left * width, line_y - ABOVE * size, width, (ABOVE + BELOW) * size)


def rectangle(x: float, y: float, width: float, height: float) -> list[Point]:
    """Return its corners."""
    return [(x, y), (x + width, y), (x, y + height), (x + width, y + height)]


def moves(element: Xml.Element) -> tuple[float, float, float]:
    """Return by how much an element is moved to the right and down, and turned, in degrees."""
    moved = re.match(r"translate\(([-\d.]+) ([-\d.]+)\)(?: rotate\(([-\d.]+)\))?$", element.get("transform", "translate(0 0)"))
    assert moved is not None
    return float(moved[1]), float(moved[2]), float(moved[3] or 0)


def at(point: Point, moved: tuple[float, float, float]) -> Point:
    """Return where a point is after it was turned and moved."""
    (x, y), angle = point, math.radians(moved[2])
    return moved[0] + x * math.cos(angle) - y * math.sin(angle), moved[1] + x * math.sin(angle) + y * math.cos(angle)


@pytest.mark.parametrize(
    ("scenarios", "variants", "runtimes"),
    [
        (["a"], ["b"], ["processes"]),
        (["the_night"], ["original", "fixed"], ["processes"]),
        (["rack_and_switchover_of_another_airline"], ["original", "fixed"], ["containers"]),
        (["the_night"], ["original", "circuit_breaker_call_timeout_and_fail_fast"], ["processes", "containers"]),
        (["the_night", "dead_connection_detection"], [f"a_variant_of_its_own_{number}" for number in range(30)], ["processes"]),
    ],
    ids=["one cell", "one scenario", "long scenario", "long variant", "many"],
)
def test_everything_lies_within_the_picture(scenarios: list[str], variants: list[str], runtimes: list[str]) -> None:
    """Fields, names and the legend are whole, from one cell on."""
    cells = [cell(variant, scenario=scenario, runtime=runtime) for runtime in runtimes for scenario in scenarios for variant in variants]
    picture = Xml.fromstring(draw(matrix(cells)))  # noqa: S314 - our own
    _, _, width, height = map(float, picture.get("viewBox", "").split())
    drawn = list(corners(picture))
    assert {"G grounded", "corner: of other replays", "field", *scenarios, *variants, *runtimes} <= {what for what, _ in drawn}
    assert [what for what, box in drawn for x, y in box if not (0 <= x <= width and 0 <= y <= height)] == []


@pytest.mark.parametrize("variants", [["b"], ["original", "circuit_breaker_call_timeout_and_fail_fast"]])
def test_no_name_lies_on_the_legend(variants: list[str]) -> None:
    """A long name of a variant rises beside it, and that of a scenario stands below it."""
    drawn = list(corners(Xml.fromstring(draw(matrix([cell(variant) for variant in variants])))))  # noqa: S314 - our own
    legend = [
        box for what, box in drawn if what in ("rect", "the fault, if not all", "digit: the crack, 0 to 6", "corner: of other replays")
    ]
    right, bottom = max(x for box in legend for x, _ in box), max(y for box in legend for _, y in box)
    others = [(what, box) for what, box in drawn if what in ("processes", "the_night", *variants)]
    assert [what for what, box in others if any(x < right and y < bottom for x, y in box)] == []
