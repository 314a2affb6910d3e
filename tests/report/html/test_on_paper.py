"""The page on paper: nothing lies upon anything else or over an edge, and no table and no word is broken where it should not be.

A browser breaks a page over columns by the same rules as over sheets, and tells only of columns what stands where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.report.html.page import page
from testbed.verdict import judge
from testbed.verdict.result import Result
from tests.journals import hung_night
from tests.nights import RESTART, SWITCHOVER, flown

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.reader import Journal
    from tests.browser import Browser

WIDTH, HEIGHT, APART = 718, 1_047, 100  # of a sheet of A4 within its margins, and how far apart the sheets stand, pixels
SHEETS = f"""
(() => {{
  window.dispatchEvent(new Event("beforeprint"));
  const sheets = document.createElement("style");
  sheets.textContent = `body {{ margin: 0; width: {WIDTH}px; height: {HEIGHT}px;
    columns: {WIDTH}px; column-gap: {APART}px; column-fill: auto; }}`;
  document.head.append(sheets);
  window.sheetOf = (box) => Math.floor(box.left / {WIDTH + APART});
  // Every box of a text and of a drawing.
  const told = "h1, h2, h3, h4, p, dt, dd, li, summary, caption, th, td, figcaption > strong, .chart, .graph";
  window.boxes = () => [...document.querySelectorAll(told)].flatMap((element) => {{
    const text = document.createRange();
    text.selectNodeContents(element);
    const name = `${{element.tagName}} ${{element.textContent.slice(0, 40)}}`;
    return [...(element.matches(".chart, .graph") ? element : text).getClientRects()].filter((box) => box.width && box.height)
      .map((box) => ({{ element, box, name }}));
  }});
}})()
"""
# A letter may reach 3 pixels into the line below its own.
UPON_EACH_OTHER = """
(() => {
  const all = boxes();
  const beside = (one, other) => one.right <= other.left + 1 || other.right <= one.left + 1;
  const below = (one, other) => one.bottom <= other.top + 3 || other.bottom <= one.top + 3;
  return all.flatMap((one, number) => all.slice(number + 1)
    .filter((other) => !beside(one.box, other.box) && !below(one.box, other.box))
    .filter((other) => !one.element.contains(other.element) && !other.element.contains(one.element))
    .map((other) => `${one.name} | ${other.name}`));
})()
"""
OVER_AN_EDGE = f"""
boxes()
  .filter(({{ box }}) => box.right - sheetOf(box) * {WIDTH + APART} > {WIDTH + 1} || box.top < -1 || box.bottom > {HEIGHT + 3})
  .map(({{ name }}) => name)
"""
# Tables whose caption or first heads stand on another sheet than their first row, and headings that stand alone at the foot of a sheet.
ALONE = """
[...document.querySelectorAll("table")].filter((table) => table.getClientRects().length).filter((table) => {
  const parts = [table.caption, table.tHead.rows[0], table.tBodies[0].rows[0]];
  return new Set(parts.map((part) => sheetOf(part.getClientRects()[0]))).size > 1;
}).map((table) => table.caption.textContent).concat(
  [...document.querySelectorAll("h2, h3, h4, h2 + .note")].filter((heading) => {
    const [box] = heading.getClientRects(), [next] = heading.nextElementSibling?.getClientRects() ?? [];
    return box && next && sheetOf(box) !== sheetOf(next);
  }).map((heading) => heading.textContent))
"""
# A word of letters that would fit into a line, and stands in two.
BROKEN_WORDS = """
(() => {
  const found = [], texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode, word = document.createRange();
    if (text.parentElement.closest("svg, script")) continue;
    for (const { 0: letters, index } of text.data.matchAll(/[A-Za-z_]{2,24}/g)) {
      word.setStart(text, index);
      word.setEnd(text, index + letters.length);
      if (new Set([...word.getClientRects()].map((box) => Math.round(box.top))).size > 1) found.push(letters);
    }
  }
  return found;
})()
"""


def several_nights() -> list[Journal]:
    """Return two nights, one of them over two variants: the page has headings of one more level."""
    return [hung_night().journal(seed=1, variant=variant) for variant in ("original", "fixed")] + [hung_night().journal(seed=2)]


PAGES = {
    "two variants": lambda: [flown("original", SWITCHOVER + RESTART), flown("fixed", SWITCHOVER + RESTART)],
    "one": lambda: [flown("original")],
    "several nights": several_nights,
}


@pytest.fixture(scope="module", params=PAGES)
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a page."""
    path = tmp_path_factory.mktemp("paper") / "report.html"
    path.write_text(page([Result(journal, judge.judge(journal), 1.0) for journal in PAGES[request.param]()]), encoding="utf-8")
    return path


@pytest.fixture
def paper(running: Browser, file: Path) -> Browser:
    """Return the browser with the page in it as it is printed, from a screen of the width of a laptop."""
    running.size(1_280)
    running.media()
    running.open(file)
    running.media(media="print")
    running.run(SHEETS)
    return running


def test_nothing_lies_upon_anything_else(paper: Browser) -> None:
    """No text and no chart, of whichever section."""
    assert paper.run("boxes().length") > 300
    assert paper.run(UPON_EACH_OTHER) == []


def test_nothing_goes_over_an_edge(paper: Browser) -> None:
    """Of its own sheet: neither a text nor a chart is cut off."""
    assert paper.run(OVER_AN_EDGE) == []


def test_nothing_stands_alone_at_the_foot_of_a_sheet(paper: Browser) -> None:
    """A heading stands above what it is the heading of, and a table's caption and heads above a row of it, wherever a sheet ends."""
    for lower in range(0, HEIGHT, HEIGHT // 20):
        assert paper.run(f"document.querySelector('h1').style.marginTop = '{lower}px', {ALONE}") == [], lower


def test_no_word_is_broken(paper: Browser) -> None:
    """Words of letters, which a line has room for."""
    assert paper.run(BROKEN_WORDS) == []
