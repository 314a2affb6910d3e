"""What shuts nobody out of the page: by axe-core, where it can be had, and by rules of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.report.html.page import page
from testbed.verdict import judge
from testbed.verdict.result import Result
from tests import axe, hangs
from tests.browser import ALL, NARROW, WIDE
from tests.nights import RESTART, SWITCHOVER, flown

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import Browser


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the script of axe-core, or skip."""
    return axe.script_or_skip(tmp_path_factory.mktemp("axe"))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page with everything: two variants of a night, and a hang with its evidence, which is another night."""
    folder = tmp_path_factory.mktemp("page")
    journals = [flown("original", SWITCHOVER + RESTART), flown("fixed", SWITCHOVER + RESTART), hangs.lost(folder)]
    file = folder / "report.html"
    file.write_text(page([Result(journal, judge.judge(journal), 1.0) for journal in journals]), encoding="utf-8")
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_axe_finds_nothing(running: Browser, path: Path, checker: str, width: int, scheme: str) -> None:
    """With everything drawn and unfolded: order of headings, contrast, names, roles, heads of tables, language."""
    running.size(width)
    running.media(prefers_color_scheme=scheme)
    running.open(path)
    running.run(ALL)
    running.run(axe.UNFOLD)
    running.run(f"{checker}; 0")
    assert running.run(axe.FOUND) == []


def test_axe_would_find_something(running: Browser, path: Path, checker: str) -> None:
    """A page without a language, and a text that is hardly there."""
    running.media(prefers_color_scheme="light")
    running.open(path)
    running.run(f"{checker}; 0")
    running.run("document.documentElement.removeAttribute('lang'); document.querySelector('h2').style.color = '#eee'")
    assert {"html-has-lang", "color-contrast"} <= {found[0] for found in running.run(axe.FOUND)}


def test_nothing_moves(running: Browser, path: Path) -> None:
    """No animation, no transition and no smooth scrolling: also for who never asked for reduced motion."""
    running.size(WIDE)
    running.media(prefers_reduced_motion="no-preference")
    running.open(path)
    running.run(ALL)
    assert running.run("document.getAnimations().length") == 0
    moving = """
    [...document.querySelectorAll("*")].map((each) => getComputedStyle(each))
      .filter((style) => style.transitionDuration !== "0s" || style.animationName !== "none" || style.scrollBehavior === "smooth").length
    """
    assert running.run(moving) == 0


def test_tables_have_heads_and_captions(running: Browser, path: Path) -> None:
    """Every column and every row has one, by its scope."""
    running.open(path)
    bare = """
    [...document.querySelectorAll("table")].filter((table) => !table.caption || !table.caption.textContent
      || !table.querySelector("thead th[scope=col]") || [...table.tBodies[0].rows].some((row) => row.cells[0].scope !== "row")).length
    """
    assert running.run("document.querySelectorAll('table').length") > 20
    assert running.run(bare) == 0


def test_what_has_the_focus_is_seen(running: Browser, path: Path) -> None:
    """A link, a summary and a choice by an outline, a node of the graph by its frame; and Tab leads through to the end."""
    running.size(WIDE)
    running.media(prefers_color_scheme="light")
    running.open(path)
    running.run(ALL)
    frame = "getComputedStyle(document.querySelector('.node rect')).strokeWidth"
    before = running.run(frame)
    running.run("document.querySelector('.node').focus()")
    assert running.run(frame) != before
    stops = running.run("document.querySelectorAll('a, summary, [tabindex], input:checked').length")
    running.run("document.activeElement.blur(); window.scrollTo(0, 0); document.querySelector('.skip').focus()")
    outlines, last = set(), ""
    for _ in range(stops):
        outlines.add(running.run("document.activeElement.matches('.node') || getComputedStyle(document.activeElement).outlineStyle"))
        last = running.run("document.activeElement.textContent")
        running.press("Tab", 9)
    assert outlines == {"solid", True}
    assert last == running.run("[...document.querySelectorAll('summary')].at(-1).textContent")
