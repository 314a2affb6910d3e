"""What shuts nobody out of the page of a class: by axe-core, where it can be had, by the keyboard, and by rules of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import axe
from tests.browser import NARROW, WIDE, wait_for
from tests.classroom.page import played_night as night
from tests.classroom.page.class_server import ClassServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser import Browser

FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
LATE = "(() => { const s = document.getElementById('slider'); s.value = 985; s.dispatchEvent(new Event('input')); })()"
# What somebody must be able to reach, in the order of the page; of the choices of one question only one is reached by Tab.
CONTROLS = """
[...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")].filter((each) => {
  if (!each.getClientRects().length || each.closest(".skip")) return false;
  if (each.type !== "radio") return true;
  const name = `input[name="${each.name}"]`;
  return each === (document.querySelector(`${name}:checked`) ?? document.querySelector(name));
})
"""


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the script of axe-core, or skip."""
    return axe.script_or_skip(tmp_path_factory.mktemp("axe"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of the recorded night."""
    return night.write(tmp_path_factory.mktemp("night"), night.recording())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClassServer]:
    """Return the server of a class whose trainer plays all roles, when all is revealed."""
    everything = {"name": "Grace", "roles": ["commander", "operator", "owner", "database"], "here": True}
    task = {"text": "Look.", "role": "owner", "order": "dump"}
    state = {**night.state(51.0), **night.told(), "people.7": everything, "task": task}
    welcome = {**night.welcome("live", trainer=True), "class_address": "http://10.0.0.1:8000/abc/"}
    with ClassServer(night.write(tmp_path_factory.mktemp("live"), None).parent, welcome, state) as running_server:
        running_server.replies = {"sessions": {"data": {"columns": ["pid", "state"], "rows": [[7, "idle"]], "missing": []}}}
        running_server.replies["code"] = {"data": {"file": "lookup/original.py", "lines": night.code()}}
        yield running_server


def enter(page: Browser, server: ClassServer) -> None:
    """Open the live page with all of its panels, a table, and a file of the code."""
    page.call("Emulation.setFocusEmulationEnabled", enabled=True)  # also after Tab has left the page
    page.open_address(server.address)
    wait_for(page, "document.querySelectorAll('.panel:not([hidden])').length === 4")
    page.run(axe.UNFOLD)
    page.run("document.querySelector('[data-order=sessions]').click(); document.querySelector('.stack .way').click()")
    wait_for(page, "document.querySelector('#database-answer table') && document.querySelector('#code-lines li') ? true : false")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_axe_finds_nothing_in_a_recorded_night(running: Browser, recorded: Path, checker: str, width: int, scheme: str) -> None:
    """With everything revealed and unfolded: order of headings, contrast, names, roles, heads of tables, language."""
    running.size(width)
    running.media(prefers_color_scheme=scheme)
    running.open(recorded)
    running.run(LATE)
    running.run("document.getElementById('slider-reveal').click()")
    running.run(axe.UNFOLD)
    running.run(FRAMES)
    running.run(f"{checker}; 0")
    assert running.run(axe.FOUND) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_axe_finds_nothing_in_a_live_class(running: Browser, server: ClassServer, checker: str, width: int, scheme: str) -> None:
    """With every panel, and with the question before a restart on top."""
    running.size(width)
    running.media(prefers_color_scheme=scheme)
    enter(running, server)
    running.run(f"{checker}; 0")
    assert running.run(axe.FOUND) == []
    running.run("document.querySelector('#operator-restart [data-order=restart]').click()")
    running.run(FRAMES)
    assert running.run(axe.FOUND) == []


def test_the_keyboard_reaches_every_control(running: Browser, server: ClassServer) -> None:
    """Tab leads through all of the live page, in its order; what has the focus is outlined, and stands below the board that stays."""
    running.size(WIDE)
    running.media(prefers_color_scheme="light")
    enter(running, server)
    running.run(
        f"window.controls = {CONTROLS}; window.scrollTo(0, 0); document.activeElement.blur(); document.querySelector('.skip').focus()"
    )
    count = running.run("controls.length")
    assert count > 50
    reached, outlines, covered = set(), set(), []
    look = """
    (() => {
      const each = document.activeElement, box = each.getBoundingClientRect();
      const board = document.getElementById("board").getBoundingClientRect();
      const hidden = !each.matches(".skip, body") && !each.closest("#board") && box.bottom <= board.bottom && box.bottom > 0;
      return [controls.indexOf(each), getComputedStyle(each).outlineStyle, hidden];
    })()
    """
    for _ in range(count + 5):
        number, outline, hidden = running.run(look)
        reached.add(number)
        outlines.add(outline)
        if hidden:
            covered.append(number)
        running.press("Tab", 9)
    missed = [running.run(f"controls[{number}].outerHTML.slice(0, 120)") for number in range(count) if number not in reached]
    assert missed == []
    assert covered == []
    assert outlines <= {"solid", "none", "auto"}
    assert "solid" in outlines


def test_a_question_keeps_the_keyboard_and_gives_it_back(running: Browser, server: ClassServer) -> None:
    """Tab stays within it, Escape closes it, and the focus is again where it was."""
    running.size(WIDE)
    enter(running, server)
    running.run("document.querySelector('#operator-restart [data-order=restart]').focus()")
    running.press("Enter", 13)
    running.run(FRAMES)
    for _ in range(3):
        assert running.run("document.getElementById('question').contains(document.activeElement)") is True
        running.press("Tab", 9)
    running.run("document.querySelector('#question button').focus()")
    running.press("Escape", 27)
    running.run(FRAMES)
    assert running.run("document.activeElement.dataset.order") == "restart"


def test_skip_links_lead_past_the_board(running: Browser, server: ClassServer) -> None:
    """The first key reaches the first of them, and it is seen."""
    running.size(WIDE)
    enter(running, server)
    running.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    assert running.run("[...document.querySelectorAll('.skip')].map((each) => each.getAttribute('href'))") == ["#map", "#desk"]
    running.run("document.querySelector('.skip').focus()")
    assert running.run("document.activeElement.getBoundingClientRect().left >= 0") is True


def test_only_news_is_said_aloud(running: Browser, server: ClassServer) -> None:
    """Task and log are live regions; numbers that change ten times a second are in none."""
    running.size(WIDE)
    enter(running, server)
    live = "[aria-live], [role=status], [role=alert], [role=log]"
    for name in ("task-text", "log-lines", "choice-told"):
        assert running.run(f"document.getElementById('{name}').closest('{live}') !== null") is True, name
    for name in ("clock", "pace", "board-answered", "board-waiting", "board-cost", "choice-sum", "choice-cost", "map-drawing", "map-rows"):
        assert running.run(f"document.getElementById('{name}').closest('{live}') === null") is True, name


def test_nothing_moves(running: Browser, recorded: Path) -> None:
    """No animation, no transition and no smooth scrolling: also for who never asked for reduced motion."""
    running.size(WIDE)
    running.media(prefers_reduced_motion="no-preference")
    running.open(recorded)
    running.run(LATE)
    moving = """
    [...document.querySelectorAll("*")].map((each) => getComputedStyle(each))
      .filter((style) => style.transitionDuration !== "0s" || style.animationName !== "none" || style.scrollBehavior === "smooth").length
    """
    assert running.run(moving) == 0


def test_tables_have_heads_and_captions(running: Browser, server: ClassServer) -> None:
    """Every column and every row has one, by its scope."""
    running.size(WIDE)
    enter(running, server)
    bare = """
    [...document.querySelectorAll("table")].filter((table) => !table.caption || !table.caption.textContent
      || !table.querySelector("thead th[scope=col]") || [...table.tBodies[0].rows].some((row) => row.cells[0].scope !== "row")).length
    """
    assert running.run("document.querySelectorAll('table').length") >= 4
    assert running.run(bare) == 0
