"""A recorded night in a real browser, from a file: what the page shows at a time is what the frames say."""

from __future__ import annotations

import copy
import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import CUT_OFF, NARROW, WIDE, wait_for
from tests.classroom.page import played_night as night

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import Browser

FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
SEEK = "(() => { const s = document.getElementById('slider'); s.value = VALUE; s.dispatchEvent(new Event('input')); })()"
UNFOLD = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
HOSTILE = ("<img src=x onerror='window.evil=1'><script>window.evil=1</script>", "\u202eevil\u202c \u05d0\u05d1\u05d2", "w" * 500)
# How many cells of a node are filled, by their class.
CELLS = """
(() => {
  const found = {};
  for (const cell of document.querySelectorAll(".node[data-name='NAME'] .cell")) {
    const kind = cell.getAttribute("class").replace(/cell ?/, "") || "free";
    found[kind] = (found[kind] ?? 0) + 1;
  }
  return found;
})()
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of the recorded night."""
    return night.write(tmp_path_factory.mktemp("night"), night.recording())


@pytest.fixture
def page(running: Browser, path: Path) -> Browser:
    """Return the browser with the recorded night, on a wide screen, in the light."""
    running.size(WIDE)
    running.media(prefers_color_scheme="light")
    running.open(path)
    return running


def seek(page: Browser, t_s: float) -> float:
    """Move the slider to a second of the recording, as near as its steps go; return the time of the frame that is then shown."""
    part = round(t_s / night.LASTS_S * 1000)
    page.run(SEEK.replace("VALUE", str(part)))
    page.run(FRAMES)
    return math.floor(part / 1000 * night.LASTS_S / night.FRAME_S + 1e-6) * night.FRAME_S


def shown(page: Browser, name: str) -> Any:
    """Return the text of an element by its id."""
    return page.run(f"document.getElementById({json.dumps(name)}).innerText")


def cells(page: Browser, name: str) -> dict[str, int]:
    """Return how many cells of a node are filled, by how."""
    found: dict[str, int] = page.run(CELLS.replace("NAME", name))
    return found


def test_it_loads_from_a_file_without_a_complaint(page: Browser, path: Path) -> None:
    """No error, no warning, no refusal by the content security policy, and no request but for the files beside it."""
    seek(page, 55.0)
    assert page.complaints == []
    assert len(page.requests) > 20
    assert all(request.startswith(path.parent.as_uri() + "/") for request in page.requests)


def test_an_empty_recording_from_a_file_is_told(running: Browser, tmp_path: Path) -> None:
    """Without data and without a server the page says so, and complains of nothing."""
    running.open(night.write(tmp_path, None))
    assert "data.js" in shown(running, "banner")
    assert running.complaints == []


@pytest.mark.parametrize("width", [WIDE, 768, NARROW])
def test_nothing_is_cut_off(running: Browser, path: Path, width: int) -> None:
    """Unfolded and revealed, early and late in the night: nothing ends outside of the window, and no text leaves its box."""
    running.size(width)
    running.open(path)
    running.run("document.getElementById('slider-reveal').click()")
    for t_s in (6.0, 59.0):
        seek(running, t_s)
        running.run(UNFOLD)
        running.run(FRAMES)
        assert running.run(CUT_OFF) == []


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_texts_of_the_map_stay_in_their_nodes(running: Browser, path: Path, width: int) -> None:
    """At the end of the night, when numbers are longest; no text covers another, and no two nodes have a common point."""
    running.size(width)
    running.open(path)
    seek(running, 54.0)
    outside = running.run("""
    [...document.querySelectorAll("#map .node")].flatMap((node) => {
      const frame = node.querySelector(".frame").getBoundingClientRect();
      return [...node.querySelectorAll("text")].filter((text) => {
        const box = text.getBoundingClientRect();
        return box.width && (box.left < frame.left || box.right > frame.right || box.bottom > frame.bottom + 1);
      }).map((text) => `${node.dataset.name}: ${text.textContent}`);
    })
    """)
    assert outside == []
    over = running.run("""
    [...document.querySelectorAll("#map .node")].flatMap((node) => {
      const boxOf = (text) => [text.textContent, text.getBoundingClientRect()];
      const texts = [...node.querySelectorAll("text")].map(boxOf).filter(([, box]) => box.width);
      return texts.flatMap(([one, a], number) => texts.slice(0, number).filter(([, b]) =>
        a.left < b.right && b.left < a.right && a.top + 4 < b.bottom && b.top + 4 < a.bottom).map(([other]) => `${one} over ${other}`));
    })
    """)
    assert over == []
    common = running.run("""
    (() => {
      const boxes = [...document.querySelectorAll("#map .node .frame")].map((frame) => frame.getBoundingClientRect());
      return boxes.flatMap((one, number) => boxes.slice(0, number).filter((other) =>
        one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom)).length;
    })()
    """)
    assert common == 0


@pytest.mark.parametrize("t_s", [0.0, 20.0, 38.0, 43.0, 47.0, 57.0])
def test_the_map_shows_what_the_frames_say(page: Browser, t_s: float) -> None:
    """Threads and connections of every service as so many cells, and where the virtual IP leads."""
    state = night.state(round(seek(page, t_s), 3))
    for name in (*night.CALLERS, *night.SERVERS):
        service = state[f"services.{name}"]
        found, busy = cells(page, name), service["busy"]
        out = service["pool"]["out"] if service["pool"] else 0
        assert found.get("stuck" if service["stuck"] else "busy", 0) == busy, name
        assert found.get("out", 0) == out, name
        assert found.get("free", 0) == night.THREADS - busy + (night.SIZE - out if service["pool"] else 0), name
    assert page.run("document.querySelector('.link[data-on=true]').dataset.to") == state["virtual_ip"]


def test_seeking_to_and_fro_ends_at_the_same_page(page: Browser) -> None:
    """However one gets to a time, by playing on or by jumping back, the page is the same."""
    whole = "document.querySelector('main').innerText + document.querySelector('#map-drawing').innerHTML"
    seek(page, 41.0)
    straight = page.run(whole)
    for t_s in (59.0, 3.0, 40.0, 40.5, 41.0):
        seek(page, t_s)
    page.run("new Promise((done) => setTimeout(done, 1100))")  # what the outage costs is shown anew every second
    assert page.run(whole) == straight


def test_what_is_gone_in_a_frame_is_gone_from_the_page(page: Browser) -> None:
    """A log line of later is not there before it, nor a dump, nor the choice."""
    seek(page, 51.0)
    later = page.run("[document.querySelectorAll('.entry').length, document.querySelectorAll('.dump').length]")
    assert later == [len([key for key, line in night.state(51.0).items() if key.startswith("log.") and line["kind"] != "fault"]), 1]
    assert page.run("document.getElementById('choice').hidden") is False
    seek(page, 2.0)
    assert page.run("[document.querySelectorAll('.entry').length, document.querySelectorAll('.dump').length]") == [1, 0]
    assert page.run("document.getElementById('choice').hidden") is True


def test_numbers_of_the_board_are_those_of_the_frame(page: Browser) -> None:
    """Clock, passengers and cost."""
    seek(page, 45.0)
    state = night.state(45.0)
    night_s = state["clock"]["night_s"] % 86_400
    assert shown(page, "clock") == f"{int(night_s // 3600):02}:{int(night_s % 3600 // 60):02}"
    for name in ("answered", "failed", "waiting"):
        assert shown(page, f"board-{name}") == str(state["passengers"][name])
    assert shown(page, "board-cost") == "15"


def test_what_is_blamed_is_held_back_until_it_is_revealed(page: Browser) -> None:
    """Faults in the log, leaked connections, what is blamed in the graph, answers, comparisons and score; and it can be hidden again."""
    answered = "[...document.querySelectorAll('#questions-list .answered')].filter((each) => !each.hidden).map((each) => each.innerText)"
    seek(page, 59.0)
    assert page.run(answered) == []
    told = "[...document.querySelectorAll('.entry.kind-fault, .waiter.blamed, .cell.leaked, .judged')].length"
    hidden = "['revealed', 'score', 'prevention'].every((each) => document.getElementById(each).hidden)"
    assert page.run(told) == 0
    assert page.run(hidden) is True
    page.run("document.getElementById('slider-reveal').click()")
    page.run(FRAMES)
    assert page.run("document.querySelectorAll('.entry.kind-fault').length") == 1
    assert page.run("document.querySelector('.waiter.root').dataset.name") == "pool of cf-1"
    assert "lookup/original.py:24" in shown(page, "revealed-told")
    assert page.run("[...document.querySelectorAll('.judged')].map((each) => each.className.split(' ')[1])") == ["right", "unsure", "right"]
    assert "70 of 100" in shown(page, "score-sum")
    assert [text.split(" at ")[0] for text in page.run(answered)] == [
        "The class says: No: it had been carried out, and something else stopped service, given by Ada",
        "Not answered yet.",
        "The class says: lookup/original.py:24, given by Ada",
    ]
    page.run("document.getElementById('slider-reveal').click()")
    page.run(FRAMES)
    assert page.run(answered) == []
    assert page.run(told) == 0
    assert page.run(hidden) is True


def test_the_first_night_stands_beside_the_prevention(page: Browser) -> None:
    """The outcome of the replay over what was chosen comes below that of the first night."""
    seek(page, 59.0)
    page.run("document.getElementById('slider-reveal').click()")
    page.run(FRAMES)
    rows = page.run(
        "[...document.querySelectorAll('#prevention-replays tbody tr')].map((row) => [...row.cells].map((cell) => cell.innerText))"
    )
    assert [row[1] for row in rows] == ["grounded", "unharmed"]
    assert rows[0][0] == "the first night (original)"


def test_moments_are_jumped_to(page: Browser) -> None:
    """By their list, and by the next and the one before; each has a tick at its place on the slider."""
    page.run("document.querySelectorAll('#moments-list button')[2].click()")
    page.run(FRAMES)
    assert page.run("+document.getElementById('slider').value") == round(night.HANGS_S / night.LASTS_S * 1000)
    assert page.run("document.querySelector('#moments-list [aria-current]').textContent").endswith("threads of cf-1")
    for button, expected in (("after", night.RESTARTED_S), ("before", night.HANGS_S), ("before", night.LEAKS_S)):
        page.run(f"document.getElementById('slider-{button}').click()")
        assert page.run("+document.getElementById('slider').value") == round(expected / night.LASTS_S * 1000)
    places = page.run("[...document.querySelectorAll('.tick')].map((tick) => parseFloat(tick.style.left))")
    moments = (night.SWITCHED_S, night.LEAKS_S, night.HANGS_S, night.RESTARTED_S)
    assert places == pytest.approx([t_s / night.LASTS_S * 100 for t_s in moments], abs=0.01)


def test_it_plays_to_the_end_and_stops(page: Browser) -> None:
    """At ten times the speed the last five seconds take half a second; then the button says play again."""
    seek(page, 55.0)
    page.run("(() => { const s = document.getElementById('slider-speed'); s.value = 10; s.dispatchEvent(new Event('change')); })()")
    page.run("document.getElementById('slider-play').click()")
    assert shown(page, "slider-play") == "Pause"
    wait_for(page, "document.getElementById('slider').value === '1000'")
    page.run(FRAMES)
    assert shown(page, "slider-play") == "Play"
    assert shown(page, "pace") == "the night is over"


def test_the_slider_goes_by_keys(page: Browser) -> None:
    """An arrow moves it, and says the night's time to a screen reader."""
    seek(page, 30.0)
    page.run("document.getElementById('slider').focus()")
    page.press("ArrowRight", 39)
    assert page.run("+document.getElementById('slider').value") == 501
    page.press("Home", 36)
    page.run(FRAMES)
    assert page.run("document.getElementById('slider').getAttribute('aria-valuetext')") == "22:50, second 0"


def test_code_is_shown_with_the_line_at_which_threads_stood(page: Browser) -> None:
    """A line of a stack leads to its file; it is marked, says how many threads stood there, and has its comments once revealed."""
    seek(page, 51.0)
    page.run("document.querySelector('.dump').open = true; document.querySelector('.group').open = true")
    page.run("[...document.querySelectorAll('.stack .way')].find((way) => way.innerText.includes('original.py:16')).click()")
    page.run(FRAMES)
    assert page.run("document.querySelectorAll('#code-lines .line').length") == len(night.code())
    assert page.run("document.querySelector('.line.here.stands code').textContent") == night.code()[15]
    assert page.run("document.querySelector('.line.stands .threads').innerText") == "40 threads stood here"
    assert page.run("document.querySelectorAll('.line.stands').length") == 1
    last = "[...document.querySelectorAll('#code-lines .line code')].at(-1).textContent"
    for expected in (night.REVEALED_LINE, night.code()[-1]):
        page.run("document.getElementById('slider-reveal').click()")
        page.run(FRAMES)
        assert page.run(last) == expected


def test_the_map_has_the_same_as_a_table(page: Browser) -> None:
    """For who cannot see it: each part with its condition, and how many of its threads are at work."""
    seek(page, 47.0)
    page.run("document.getElementById('map-table').open = true")
    page.run("new Promise((done) => setTimeout(done, 100))")
    rows = page.run("[...document.querySelectorAll('#map-rows tbody tr')].map((row) => row.innerText)")
    assert len(rows) == 11
    [row] = [row for row in rows if row.startswith("cf-1")]
    assert "stuck" in row
    assert "40 of 40 threads" in row


@pytest.mark.parametrize("text", HOSTILE, ids=["markup", "right_to_left", "long"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_what_strangers_write_is_text(running: Browser, tmp_path: Path, text: str, width: int) -> None:
    """Names, notes, answers, dumps, graph, code and evidence: shown as they are, nothing of them is run, and nothing is pushed out."""
    recorded = hostile(text)
    running.size(width)
    running.open(night.write(tmp_path, recorded))
    seek(running, 59.0)
    running.run("document.getElementById('slider-reveal').click()")
    running.run(UNFOLD)
    running.run(FRAMES)
    running.run("document.querySelector('.stack .way')?.click()")
    running.run("new Promise((done) => setTimeout(done, 100))")
    assert running.run("window.evil === undefined") is True
    assert running.run("document.querySelectorAll('main img, main script').length") == 0
    assert running.complaints == []
    found = running.run("document.body.textContent")
    assert found.count(text) > 10
    assert running.run(CUT_OFF) == []
    directions = running.run("[...document.querySelectorAll('bdi')].length")
    assert directions > 10


def hostile(text: str) -> dict[str, Any]:
    """Return the recording with every text that a stranger may have written replaced."""
    recorded: dict[str, Any] = copy.deepcopy(night.recording())
    for _, changes in recorded["frames"]:
        for key, value in changes.items():
            if isinstance(value, dict):
                _spoil(key, value, text)
    recorded["frames"][-1][1]["replays.fixed"] = {"running": False, "outcome": text, "crack": text, "verdict": text, "text": text}
    recorded["frames"][-1][1]["waits"] = {"night_s": 1.0, "graph": {"nodes": [], "edges": []}, "missing": [text]}
    for moment in recorded["moments"]:
        moment["text"] = text
    recorded["welcome"]["lesson"] = {"title": text, "introduction": text, "minutes": 1}
    return recorded


def _spoil(key: str, value: dict[str, Any], text: str) -> None:
    if key.startswith(("log.", "people.", "answers.")):
        value.update({name: text for name in ("who", "text", "name", "by", "value") if name in value})
    if key.startswith("dumps."):
        value["groups"][0]["state"] = text
        value["groups"][0]["stack"].append(text)
    if key.startswith("compared."):
        value.update(answer=text, evidence=[text])
    if key == "waits":
        for node in value["graph"]["nodes"]:
            node["name"] = text
