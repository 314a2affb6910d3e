"""The graph of who waited for whom in a real browser, compared with what the verdict reads off dumps and evidence."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import pytest

from testbed.journal.thread_states import LOCK, SOCKET
from testbed.report.html import wait_graph
from testbed.report.html.page import page
from testbed.verdict import judge, who_waits
from testbed.verdict.causes.cause import Cause
from testbed.verdict.result import Result
from testbed.verdict.who_waits import Blamed, Edge, WhoWaits
from tests import hangs
from tests.browser import ALL, CUT_OFF, NARROW, WIDE, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testbed.journal.reader import Journal
    from tests.browser import Browser

# Nodes and arrows as they are drawn: their boxes in the window, and how wide an arrow is.
DRAWN = """
(() => {
  const box = (element) => { const r = element.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
  const svg = document.querySelector(".graph svg"), nodes = [...svg.querySelectorAll(".node")];
  const words = (node) => [...node.querySelectorAll("text")].map((text) => text.textContent).join(" ");
  const width = (edge) => +edge.querySelector("path").getAttribute("stroke-width");
  return {
    nodes: Object.fromEntries(nodes.map((node) => [node.dataset.name, box(node.querySelector("rect"))])),
    root: nodes.filter((node) => node.matches(".root")).map((node) => node.dataset.name),
    texts: Object.fromEntries(nodes.map((node) => [node.dataset.name, words(node)])),
    edges: [...svg.querySelectorAll(".edge")].map((edge, n) => [+svg.querySelectorAll(".count")[n].textContent, width(edge)]),
    outside: nodes.filter((node) => {
      const [left, top, right, bottom] = box(node.querySelector("rect"));
      return [...node.querySelectorAll("text")].map(box).some(([l, t, r, b]) => l < left || t < top || r > right + 1 || b > bottom + 1);
    }).length,
  };
})()
"""
MAKERS = [hangs.lost, hangs.locked, hangs.silent, hangs.deadlocked]


def shown(running: Browser, journal: Journal, folder: Path, width: int = WIDE) -> dict[str, Any]:
    """Open the page of a night and return what its graph shows."""
    file = folder / "report.html"
    file.write_text(page([Result(journal, judge.judge(journal), 1.0)]), encoding="utf-8")
    running.size(width)
    running.media(prefers_color_scheme="light")
    running.open(file)
    running.run("document.querySelector('.graph').scrollIntoView()")
    wait_for(running, "document.querySelector('.graph svg') !== null")
    found: dict[str, Any] = running.run(DRAWN)
    return found


def overlap(one: list[float], other: list[float]) -> bool:
    """Whether two boxes have a common point."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("make", MAKERS)
def test_the_graph_that_is_drawn_is_the_verdicts(running: Browser, tmp_path: Path, make: Callable[[Path], Journal], width: int) -> None:
    """Each node and each arrow with its number; nothing covers anything, no text leaves its node, and the page complains of nothing."""
    journal = make(tmp_path)
    (look,) = who_waits.of_journal(journal)
    graph = wait_graph.of(look.who_waits, journal.header.facility)
    assert graph is not None
    drawn = shown(running, journal, tmp_path, width)
    assert drawn["nodes"].keys() == {node.name for node in graph.nodes}
    assert sorted(count for count, _ in drawn["edges"]) == sorted(edge.count for edge in graph.edges)
    assert set(drawn["root"]) == set(graph.root)
    boxes = list(drawn["nodes"].values())
    assert not [(one, other) for number, one in enumerate(boxes) for other in boxes[:number] if overlap(one, other)]
    assert drawn["outside"] == 0
    assert running.run(CUT_OFF) == []
    assert running.complaints == []


LOCKS = tuple(f"cf-1, lock taken at a.py:{line}" for line in (4, 9))
HELD = "held by a thread that waits for a lock"


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize(
    ("edges", "root"),
    [
        ((Edge("kiosk", "cf-1", 4, SOCKET),), ("somebody",)),
        ((Edge("cf-1", LOCKS[0], 4, LOCK), Edge(*LOCKS, 1, HELD), Edge(*reversed(LOCKS), 1, HELD)), LOCKS),
    ],
    ids=["by itself", "circle"],
)
def test_every_root_is_drawn_and_marked(
    running: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edges: tuple[Edge, ...], root: tuple[str, ...], width: int
) -> None:
    """Also one to which no arrow leads, and two that wait for each other."""
    journal, cause = hangs.lost(tmp_path), Cause("deadlock", "; ".join(root), "what is blamed")
    graph = wait_graph.of(WhoWaits(edges, (Blamed(cause, 4, ("cf-1",)),)), journal.header.facility)
    assert graph is not None
    assert graph.root == root
    monkeypatch.setattr(wait_graph, "of", lambda *_: graph)
    drawn = shown(running, journal, tmp_path, width)
    assert set(drawn["root"]) == set(root)
    assert all("what is blamed" in drawn["texts"][name] for name in root)
    assert drawn["nodes"].keys() == {node.name for node in graph.nodes}
    assert not [pair for pair in combinations(drawn["nodes"].values(), 2) if overlap(*pair)]
    assert drawn["outside"] == 0
    assert running.complaints == []


def test_it_goes_from_left_to_right_or_downwards_where_it_is_narrow(running: Browser, tmp_path: Path) -> None:
    """Passengers, callers, servers, pools, and the line."""
    way = ("passengers", "kiosk", "cf-1", "pool of cf-1", "lookup/original.py:16")
    journal = hangs.lost(tmp_path)
    for width, along in ((WIDE, 0), (NARROW, 1)):
        nodes = shown(running, journal, tmp_path, width)["nodes"]
        assert all(nodes[one][along + 2] < nodes[other][along] for one, other in pairwise(way))


@pytest.mark.fact("O3")
def test_the_root_has_its_sentence_and_is_marked_without_a_colour(running: Browser, tmp_path: Path) -> None:
    """In words, and by a second frame that no other node shows."""
    journal = hangs.lost(tmp_path)
    drawn = shown(running, journal, tmp_path)
    (look,) = who_waits.of_journal(journal)
    root = look.who_waits.root
    assert root is not None
    assert f"The root: {root.threads} threads wait for this" in drawn["texts"][root.cause.where]
    assert root.cause.text.replace(" ", "") in drawn["texts"][root.cause.where].replace(" ", "")
    frames = running.run(
        "[...document.querySelectorAll('.node .inner')].filter((each) => getComputedStyle(each).display !== 'none').length"
    )
    assert frames == 1


def test_an_arrow_is_as_wide_as_its_number_says(running: Browser, tmp_path: Path) -> None:
    """More threads, a wider arrow."""
    edges = sorted(shown(running, hangs.lost(tmp_path), tmp_path)["edges"])
    widths = dict(edges)
    assert len(widths) == len(set(map(tuple, edges))) >= 3
    assert list(widths.values()) == sorted(set(widths.values()))


@pytest.mark.parametrize("make", MAKERS)
def test_a_node_that_has_the_focus_shows_its_way(running: Browser, tmp_path: Path, make: Callable[[Path], Journal]) -> None:
    """And says it to a screen reader; a circle is gone round once, and the tabulator leads out of it again."""
    shown(running, make(tmp_path), tmp_path)
    running.run("document.querySelector('.graph .node').focus()")
    assert running.run("document.querySelectorAll('.node:not(.way)').length") == 0  # all that passengers wait for
    assert "waiting for an answer: kiosk" in running.run("document.activeElement.getAttribute('aria-label')")
    for _ in range(running.run("document.querySelectorAll('.node').length")):
        running.press("Tab", 9)
    assert running.run("document.activeElement.tagName") == "SUMMARY"  # the same as a table
    assert running.run("document.querySelectorAll('.way, .chosen').length") == 0


def test_paper_has_the_graph_and_its_table(running: Browser, tmp_path: Path) -> None:
    """As wide as a sheet; afterwards it is as wide as the window again."""
    before = shown(running, hangs.lost(tmp_path), tmp_path)["nodes"]
    running.run('window.dispatchEvent(new Event("beforeprint"))')
    running.media(media="print")
    assert running.run("+document.querySelector('.graph svg').getAttribute('width')") <= 680
    assert running.run("document.querySelector('.graph ~ details').open") is True
    running.media()
    running.run('window.dispatchEvent(new Event("afterprint"))')
    wait_for(running, "+document.querySelector('.graph svg').getAttribute('width') > 680")
    assert running.run(DRAWN)["nodes"].keys() == before.keys()


def test_the_graph_is_drawn_when_the_window_gets_narrow(running: Browser, tmp_path: Path) -> None:
    """The node that had the focus has it still."""
    shown(running, hangs.lost(tmp_path), tmp_path)
    running.run("document.querySelector('.node.root').focus()")
    before = running.run("document.querySelector('.graph').dataset.drawn")
    running.size(NARROW)
    wait_for(running, f"document.querySelector('.graph').dataset.drawn !== '{before}'")
    assert running.run(ALL) > 0
    assert running.run("document.activeElement.classList.contains('root')") is True
