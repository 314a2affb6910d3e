"""The page can be translated: with another texts.js in its place, nothing that it says is left in the words of the first.

The other one has the same texts in brackets. Without brackets may only stand what a message quotes: names, evidence, and what people wrote.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from testbed.classroom import export, recording
from testbed.classroom.saying import say
from tests.browser import WIDE, wait_for
from tests.classroom.page import played_night as night
from tests.classroom.page.class_server import ClassServer
from tests.nights import RESTART, SWITCHOVER, Flight, scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser import Browser

OTHER = """
{
  const bracket = (group) => Object.entries(group).forEach(([name, text]) => {
    if (typeof text === "object") bracket(text);
    else if (name !== "lang") group[name] = `⟦${text}⟧`;
  });
  bracket(window.TEXTS);
}
"""
FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
UNFOLD = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
# All that somebody sees or hears: texts, and attributes that are read. Lines of one text of a graph belong together, as do the parts of a
# folded one.
READ = """
(() => {
  const shown = (element) => element && (element.getClientRects().length || element.closest("option, title"));
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [document.title], lines = new Map();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement, box = parent.closest("#waits-graph g, .long");
    if (!shown(parent)) continue;
    if (!box) found.push(node.data);
    else {
      if (!lines.has(box)) lines.set(box, new Map());
      const name = parent.getAttribute("class") ?? "", before = lines.get(box).get(name) ?? "";
      lines.get(box).set(name, before + node.data);
    }
  }
  for (const texts of lines.values()) found.push(...texts.values());
  for (const name of ["aria-label", "aria-valuetext", "title", "placeholder", "alt"]) {
    for (const element of document.querySelectorAll(`[${name}]`)) if (shown(element)) found.push(element.getAttribute(name));
  }
  return found;
})()
"""
SEEK = "(() => { const s = document.getElementById('slider'); s.value = VALUE; s.dispatchEvent(new Event('input')); })()"
WORD = re.compile(r"[A-Za-z]{2}")
BOUNDS = {"slowest": 0.5, "fastest": 2, "why": "It depends on real seconds."}
EVERYTHING = ("commander", "operator", "owner", "database")


def unbracketed(text: str) -> list[str]:
    """Return the pieces of a text that have words and stand in no brackets."""
    pieces, depth = [""], 0
    for letter in text:
        if letter in "⟦⟧":
            depth += 1 if letter == "⟦" else -1
            pieces.append("")
        elif depth == 0:
            pieces[-1] += letter
    return [piece.strip() for piece in pieces if WORD.search(piece)]


def quoted(message: Any) -> Iterator[str]:
    """Yield every text of a message, and its lines and paragraphs."""
    if isinstance(message, str):
        yield from (message, *message.split("\n"), *message.split("\n\n"))
    elif isinstance(message, dict):
        for value in message.values():
            yield from quoted(value)
    elif isinstance(message, list | tuple):
        for value in message:
            yield from quoted(value)


def left_over(page: Browser, *messages: Any) -> set[str]:
    """Return what stands in no brackets and in no message; blanks do not count, as lines may be broken anywhere."""
    known = {"".join(text.split()) for message in messages for text in quoted(message)}

    def is_quoted(piece: str) -> bool:
        return "".join(piece.split()) in known or all("".join(part.split()) in known for part in piece.split(", "))

    page.run(UNFOLD)
    page.run(FRAMES)
    read = [text for text in page.run(READ) if text.strip()]
    assert sum("⟦" in text for text in read) > 50
    return {piece for text in read for piece in unbracketed(text) if not is_quoted(piece)}


def translated(index: Path) -> Path:
    """Put the other texts in the place of the first."""
    texts = index.parent / "texts.js"
    texts.write_text(texts.read_text(encoding="utf-8") + OTHER, encoding="utf-8")
    return index


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the files of the page in other words, without a recording."""
    return translated(night.write(tmp_path_factory.mktemp("live"), None)).parent


def test_a_recorded_night_is_in_other_words(running: Browser, tmp_path: Path) -> None:
    """Of the hand-written night, from its beginning to the reveal."""
    recorded = night.recording()
    running.size(WIDE)
    running.open(translated(night.write(tmp_path, recorded)))
    for place in (0, 120, 700, 850, 990):
        running.run(SEEK.replace("VALUE", str(place)))
        assert left_over(running, recorded) == set(), place
    running.run("document.getElementById('slider-reveal').click()")
    assert left_over(running, recorded) == set()
    assert running.complaints == []


def test_an_exported_night_is_in_other_words(running: Browser, tmp_path: Path) -> None:
    """Of a night on fakes as the server records it; what it quotes is evidence, and never one of its own sentences."""
    journal = Flight(scenario(tmp_path, timeline=SWITCHOVER + RESTART), "original", tmp_path).fly()
    export.export(journal, tmp_path / "night")
    running.size(WIDE)
    running.open(translated(tmp_path / "night" / "index.html"))
    recorded = json.loads(json.dumps(recording.of(journal)))
    running.run("document.getElementById('slider-reveal').click()")
    for place in (0, 500, 1000):
        running.run(SEEK.replace("VALUE", str(place)))
        assert left_over(running, recorded) == set(), place


def live(page: Browser, server: ClassServer, state: dict[str, Any], **welcome: Any) -> None:
    """Open the page of a class whose trainer plays all roles, or of somebody who has not joined."""
    server.welcome, server.state = {**night.welcome("live", **welcome), "speed": BOUNDS}, state
    page.size(WIDE)
    page.open_address(server.address)
    page.run("localStorage.clear(); sessionStorage.clear()")
    page.open_address(server.address)
    wait_for(page, "document.getElementById('clock').innerText.includes(':')")
    page.run(FRAMES)


def test_a_live_class_is_in_other_words(running: Browser, folder: Path) -> None:
    """Every panel, with replies of all kinds, before a restart, when all is revealed, and when it is lost or gone."""
    everything = {"people.7": {"name": "Grace", "roles": list(EVERYTHING), "here": True}}
    state = {**night.state(51.0), **everything, "task": {"text": "Look.", "role": "owner", "order": "dump"}}
    with ClassServer(folder, {}, {}) as server:
        live(running, server, state, trainer=True)
        assert left_over(running, state, server.welcome) == set()
        server.replies = {
            "health": {"data": {"status": None, "took_s": 5.0, "body": say("no_answer", within=5.0)}},
            "sessions": {
                "data": {"columns": ["pid"], "rows": [[7]], "missing": [say("with", what="db-1", detail=say("no_answer", within=5.0))]}
            },
            "code": {"ok": False, "text": say("no_such_file", file="a.py", allowed=["b.py", "c.py"])},
            "decide": {"ok": False, "text": say("not_allowed", allowed=["commander"], roles=["owner", "trainer"])},
            "pause": {"ok": False, "text": say("failed", why="cf-1 was not ready")},
        }
        for order in ("health", "sessions", "decide", "pause"):
            running.run(f"document.querySelector('[data-order={order}]').click()")
        running.run("document.querySelector('.stack .way').click()")
        wait_for(running, "document.querySelectorAll('.reply.refused').length === 3")
        assert left_over(running, state, server.welcome, server.replies) == set()
        running.run("document.querySelector('#operator-restart [data-order=restart]').click()")
        assert left_over(running, state, server.welcome, server.replies) == set()
        running.run("document.querySelector('#question button:last-child').click()")
        told = night.told()
        server.set(**{key.replace(".", "__"): value for key, value in told.items()})
        server.set(clock={"night_s": 1.0, "t_s": 1.0, "speed": 0, "held": say("clock_stopped")}, phase="night", task=None)
        wait_for(running, "document.getElementById('score').hidden === false")
        assert left_over(running, state, told, server.welcome, server.replies) == set()
        gone = {"phase": "gone", "gone.why": "no PostgreSQL here"}
        server.set(phase="gone", gone__why="no PostgreSQL here")
        server.hang_up()
        wait_for(running, "document.getElementById('gone').hidden === false")
        assert left_over(running, state, told, gone, server.welcome, server.replies) == set()
        server.go()
        wait_for(running, "document.getElementById('banner').offsetParent !== null")
        assert left_over(running, state, told, gone, server.welcome, server.replies) == set()


def test_joining_is_in_other_words(running: Browser, folder: Path) -> None:
    """Before the night, for somebody who has no name yet."""
    state = {
        **night.state(0.0),
        "phase": "ready",
        "switchover": {"step": 2, "of": 5, "done": [night.STEPS[0]], "next": night.STEPS[1], "running": True},
    }
    with ClassServer(folder, {}, {}) as server:
        live(running, server, state)
        assert left_over(running, state, server.welcome) == set()


def test_a_text_that_is_missing_is_shown_by_its_key(running: Browser, folder: Path) -> None:
    """Not an empty place, and nothing is thrown; so is a code of the server without a text, and a word."""
    with ClassServer(folder, {}, {}) as server:
        live(running, server, night.state(51.0))
        running.run("delete TEXTS.log.heading; delete TEXTS.said.dumped; Classroom.fillTexts()")
        assert running.run("document.getElementById('log-title').innerText") == "log.heading"
        server.set(log__90={"night_s": 1.0, "who": "", "kind": "strange", "text": say("dumped", service="cf-1")})
        wait_for(running, "document.querySelectorAll('#log .entry.kind-strange').length === 1")
        assert running.run("document.querySelector('.kind-strange').innerText").split()[1:] == ["strange", "said.dumped"]
        assert running.complaints == []
