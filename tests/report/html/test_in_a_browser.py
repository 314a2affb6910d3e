"""The page in a real browser: what it draws is what the journal says, on a wide screen, on a narrow one, in the dark, and on paper."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from testbed.journal.events import OperationEvent, Sample
from testbed.report.html import series
from testbed.report.html.page import page
from testbed.verdict import judge
from testbed.verdict.latency import waited_s
from testbed.verdict.result import Result
from tests.browser import ALL, CUT_OFF, NARROW, WIDE, wait_for
from tests.nights import RESTART, SWITCHOVER, flown

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.reader import Journal
    from tests.browser import Browser

PDF_PAGE = re.compile(rb"/Type\s*/Page\b")
# Every point of the lines of a chart, by their names, in the numbers of its axes.
LINES = """
(() => {
  const box = [...document.querySelectorAll(".chart")].find((each) => each.dataset.key === KEY && each.dataset.replay === REPLAY);
  const x = box.plot.scale("x"), y = box.plot.scale("y");
  const points = (part) => [...part.matchAll(/(-?[\\d.]+),(-?[\\d.]+)/g)].map((pair) => [x.invert(+pair[1]), y.invert(+pair[2])]);
  const drawn = [...box.querySelectorAll("path[aria-label]")].filter((path) => path.getAttribute("d"));
  return Object.fromEntries(drawn.map((path) => [path.getAttribute("aria-label"), path.getAttribute("d").split("M").slice(1).map(points)]));
})()
"""


# Comes near each chart and graph until it is drawn, as a reader does: on a busy machine keys are faster than frames, and the tabulator
# would be past a graph before there is a node in it. One drawn in the width that the window had before would be drawn again later, and
# the nodes that had been reached would be gone.
AS_IF_READ = """
(async () => {
  for (const box of document.querySelectorAll(".chart, .graph")) {
    box.scrollIntoView();
    const width = () => String(Math.floor(box.getBoundingClientRect().width));
    while (box.dataset.drawn?.split(" ").at(-1) !== width()) await new Promise(requestAnimationFrame);
  }
  scrollTo(0, 0);
})()
"""


@pytest.fixture(scope="module")
def journals() -> dict[str, Journal]:
    """Return the night on fakes over both variants."""
    return {"original": flown("original", SWITCHOVER + RESTART), "fixed": flown("fixed", SWITCHOVER + RESTART)}


@pytest.fixture(scope="module")
def path(journals: dict[str, Journal], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of the page."""
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(page([Result(journal, judge.judge(journal), 1.0) for journal in journals.values()]), encoding="utf-8")
    return file


@pytest.fixture
def browser(running: Browser, path: Path) -> Browser:
    """Return the browser with the page in it, on a wide screen, in the light."""
    running.size(WIDE)
    running.media(prefers_color_scheme="light")
    running.open(path)
    return running


def lines(browser: Browser, key: str, replay: str) -> dict[str, list[list[list[float]]]]:
    """Return the lines of a chart as parts between gaps, each of points in the numbers of the axes."""
    found: dict[str, list[list[list[float]]]] = browser.run(LINES.replace("KEY", json.dumps(key)).replace("REPLAY", json.dumps(replay)))
    return found


def values(parts: list[list[list[float]]]) -> list[float]:
    """Return the numbers of a line."""
    return [y for part in parts for _, y in part]


def test_six_replays_open_fast_and_are_drawn_when_they_are_near(running: Browser, journals: dict[str, Journal], tmp_path: Path) -> None:
    """Loading takes a second of a processor at most, and everything two; measured were 0.2 and 0.5 s."""
    results = [Result(journal, judge.judge(journal), 1.0) for journal in (*journals.values(),) * 3]
    file = tmp_path / "six.html"
    file.write_text(page(results), encoding="utf-8")
    running.size(WIDE)
    running.open(file)
    loaded_s = running.worked_s
    charts, drawn = (running.run(f"document.querySelectorAll('.chart{what}').length") for what in ("", " svg"))
    assert drawn < charts / 2
    assert 0 < loaded_s < 1
    assert running.run(ALL) == charts == 6 * 7
    assert loaded_s < running.worked_s < 2


def test_it_loads_without_a_complaint_and_asks_nobody(browser: Browser, path: Path) -> None:
    """No error, no warning, no request but the one for the file itself."""
    browser.run(ALL)
    assert browser.complaints == []
    assert browser.requests == [path.as_uri()]
    assert browser.run("[...document.querySelectorAll('.chart')].every((box) => box.plot)") is True


def test_a_page_that_was_tampered_with_runs_nothing(running: Browser, path: Path, tmp_path: Path) -> None:
    """A script that is not its own is refused, and so is every request: this is what the test above would see."""
    other = tmp_path / "other.html"
    text = path.read_text(encoding="utf-8")
    other.write_text(text.replace("<main", "<script>window.evil = 1</script><img src='http://127.0.0.1:9/x.png'><main"), encoding="utf-8")
    running.open(other)
    assert running.run("window.evil === undefined") is True
    assert len([complaint for complaint in running.complaints if "Content Security Policy" in complaint]) >= 2


@pytest.mark.parametrize("server", ["cf-1", "cf-2"])
@pytest.mark.parametrize("variant", ["original", "fixed"])
def test_the_pool_that_is_drawn_is_the_journals(browser: Browser, journals: dict[str, Journal], variant: str, server: str) -> None:
    """Highest and lowest of in, out, leaked and waiting, read from the lines themselves."""
    browser.run(ALL)
    drawn = lines(browser, f"pool {server}", variant)
    pools = [sample.pool for sample in journals[variant].of(Sample) if sample.service == server and sample.pool is not None]
    expected = {
        "in": [pool.in_ for pool in pools],
        "out": [pool.out for pool in pools],
        "leaked": [pool.leaked for pool in pools],
        "waiting": [pool.waiting for pool in pools],
    }
    assert drawn.keys() == expected.keys()
    for name, numbers in expected.items():
        assert max(values(drawn[name])) == pytest.approx(max(numbers), abs=0.05), name
        assert min(values(drawn[name])) == pytest.approx(min(numbers), abs=0.05), name
    assert (max(expected["leaked"]) > 0) is (variant == "original")


def test_the_first_leak_is_drawn_when_it_was_seen(browser: Browser, journals: dict[str, Journal]) -> None:
    """On the night's clock and in real seconds."""
    browser.run(ALL)
    samples = sorted(
        (sample for sample in journals["original"].of(Sample) if sample.service == "cf-1" and sample.pool), key=lambda each: each.t_s
    )
    most = max(sample.pool.leaked for sample in samples if sample.pool)
    first = next(sample for sample in samples if sample.pool and sample.pool.leaked == most)
    for clock, expected, near in (("n", first.night_s, 60.0), ("t", first.t_s, 0.05)):
        browser.run(f"document.querySelector('input[value={clock}]').click()")
        browser.run(ALL)
        browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        browser.run("document.querySelector('[data-key=\"pool cf-1\"]').scrollIntoView()")
        wait_for(browser, f"document.querySelector('[data-key=\"pool cf-1\"]').dataset.drawn.startsWith('{clock} ')")
        points = [point for part in lines(browser, "pool cf-1", "original")["leaked"] for point in part]
        at = next(x for x, y in points if y == pytest.approx(most, abs=0.05))
        assert at == pytest.approx(expected, abs=near)


def test_paper_has_the_clock_that_was_chosen(browser: Browser) -> None:
    """Also in charts that were drawn by the other one, and are further down."""
    browser.run(ALL)
    browser.run("document.querySelector('input[value=t]').click()")
    browser.run(ALL)
    assert browser.run("[...document.querySelectorAll('.chart')].every((box) => box.dataset.drawn.startsWith('t '))") is True


def test_a_gap_is_drawn_as_one(browser: Browser, journals: dict[str, Journal]) -> None:
    """While a server is restarted it tells nothing: its line has two parts, of which neither ends at zero for that."""
    browser.run(ALL)
    [one] = [line for line in series.busy(journals["original"]) if line.name == "cf-1"]
    gaps = sum(before.value is not None and after.value is None for before, after in zip(one.points, one.points[1:], strict=False))
    assert gaps >= 1
    assert len(lines(browser, "busy", "original")["cf-1"]) >= gaps + (one.points[-1].value is not None)


def test_latency_is_drawn_from_when_due(browser: Browser, journals: dict[str, Journal]) -> None:
    """The highest dot is the slowest answer."""
    browser.run(ALL)
    found = browser.run("""
    (() => {
      const box = document.querySelector('[data-key="latency"][data-replay="fixed"]'), y = box.plot.scale("y");
      const height = (dot) => y.invert(+dot.getAttribute("transform").match(/,([\\d.]+)/)[1]);
      return [...box.querySelectorAll('path[aria-label$=" answered"]')].map(height);
    })()
    """)
    slowest_s = max(wait for asked in journals["fixed"].transactions if (wait := waited_s(asked)) is not None)
    assert max(found) == pytest.approx(max(slowest_s, 0.001), rel=0.02)


def test_faults_are_shaded_in_every_chart(browser: Browser) -> None:
    """The switchover and the restart, at the same place in each."""
    count = browser.run(ALL)
    assert browser.run("document.querySelectorAll('[aria-label=\"active: switchover\"]').length") == count
    places = browser.run("""
    new Set([...document.querySelectorAll('[data-replay=original] [aria-label="active: switchover"]')]
      .map((rect) => rect.getAttribute("x"))).size
    """)
    assert places == 1


# Where marks of a chart begin and end, by a selector, in the numbers of its axis of time.
MARKS = """
(() => {
  const box = document.querySelector('[data-key="KEY"][data-replay="original"]'), x = box.plot.scale("x");
  return [...box.querySelectorAll('SELECTOR')].map((mark) => {
    const { x: left, width } = mark.getBBox(), moved = (mark.getAttribute("transform") ?? "").match(/translate\\(([\\d.]+)/);
    return moved ? [x.invert(+moved[1]), x.invert(+moved[1])] : [x.invert(left), x.invert(left + width)];
  });
})()
"""


def marks(browser: Browser, key: str, selector: str) -> list[list[float]]:
    """Return from when until when each mark of a chart is drawn, by the clock that was chosen."""
    browser.run("document.querySelector('input[value=t]').click()")
    browser.run(ALL)
    found: list[list[float]] = browser.run(MARKS.replace("KEY", key).replace("SELECTOR", selector))
    return found


def test_a_fault_is_shaded_from_when_it_began_until_it_ended(browser: Browser, journals: dict[str, Journal]) -> None:
    """In the journal's own seconds, in the chart of a pool: the switchover, and the restart."""
    events = journals["original"].of(OperationEvent)
    for word in ("switchover", "restart"):
        begin, end = (
            next(event.t_s for event in events if event.operation == word and (event.state == "begin") is first) for first in (True, False)
        )
        assert marks(browser, "pool cf-1", f'[aria-label="active: {word}"]') == [
            [pytest.approx(begin, abs=0.02), pytest.approx(end, abs=0.02)]
        ]


def test_the_first_failure_and_the_hang_are_drawn_when_they_were(browser: Browser, journals: dict[str, Journal]) -> None:
    """The first failure is the first answer with an error, and the hang when the last caller had no thread free for good."""
    journal = journals["original"]
    failed_s = min(asked.response.answered_s for asked in journal.transactions if asked.ended == "failed" and asked.response is not None)
    blocked_s = []
    for caller in journal.header.facility.callers:
        samples = sorted((sample for sample in journal.of(Sample) if sample.service == caller), key=lambda sample: sample.t_s)
        blocked_s.append(next(sample.t_s for sample in samples if sample.busy == sample.request_threads))
    first, hang = sorted(marks(browser, "spans", '[aria-label="moments"]'))[-2:]
    assert first[0] == pytest.approx(failed_s, abs=0.02)
    assert hang[0] == pytest.approx(max(blocked_s), abs=0.3)


def test_the_pool_at_a_time_is_what_was_sampled_then(browser: Browser, journals: dict[str, Journal]) -> None:
    """Wherever a sample says another number than the one before it, the line goes through it."""
    browser.run("document.querySelector('input[value=t]').click()")
    browser.run(ALL)
    samples = sorted((one for one in journals["original"].of(Sample) if one.service == "cf-2" and one.pool), key=lambda one: one.t_s)
    changed = [
        (later.t_s, later.pool.out) for one, later in pairwise(samples) if one.pool and later.pool and one.pool.out != later.pool.out
    ]
    drawn = [tuple(point) for part in lines(browser, "pool cf-2", "original")["out"] for point in part]
    assert len(changed) >= 5
    for at_s, out in changed:
        assert min(abs(x - at_s) / 0.02 + abs(y - out) / 0.1 for x, y in drawn) < 2, (at_s, out)


@pytest.mark.parametrize("unfolded", [False, True])
@pytest.mark.parametrize("width", [WIDE, 1_000, 800, NARROW])
def test_nothing_is_cut_off(browser: Browser, width: int, *, unfolded: bool) -> None:
    """The page is never wider than the screen, and no text is wider than its place."""
    browser.size(width)
    browser.run(f"document.querySelectorAll('details').forEach((each) => {{ each.open = {str(unfolded).lower()}; }})")
    browser.run("document.querySelectorAll('.chart svg').forEach((each) => each.remove())")
    browser.run(ALL)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run(CUT_OFF) == []


def test_an_empty_cell_takes_no_line(browser: Browser) -> None:
    """On a narrow screen, where each cell is a line with the name of its column; in a table, it keeps its place."""
    seen = "[...document.querySelectorAll('td:empty')].map((cell) => cell.getClientRects().length)"
    assert set(browser.run(seen)) == {1}
    browser.size(NARROW)
    assert set(browser.run(seen)) == {0}


def test_no_word_of_a_heading_is_broken(browser: Browser) -> None:
    """No heading of a table has more lines than words."""
    browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    broken = """
    [...document.querySelectorAll("thead th")].filter((head) => {
      const words = document.createRange();
      words.selectNodeContents(head);
      return new Set([...words.getClientRects()].map((box) => Math.round(box.top))).size > head.textContent.split(/\\s+/).length;
    }).map((head) => head.textContent)
    """
    assert browser.run(broken) == []


def test_the_names_of_rows_are_whole(browser: Browser) -> None:
    """On a wide screen, where there is room for them."""
    browser.run(ALL)
    rows = browser.run(
        "[...document.querySelectorAll('[data-key=health] [aria-label=\"y-axis tick label\"] text')].map((row) => row.textContent)"
    )
    assert sorted(set(rows)) == ["cf-1", "cf-2", "ivr", "kiosk", "partner"]


def test_the_same_chart_of_two_variants_stands_side_by_side(browser: Browser) -> None:
    """At the same height, although legends and rows of one are longer; on a narrow screen, below each other."""
    browser.run(ALL)
    tops = "[...document.querySelectorAll('.chart')].map((box) => [box.dataset.key, Math.round(box.getBoundingClientRect().top)])"
    assert len(set(map(tuple, browser.run(tops)))) == 7
    browser.size(NARROW)
    assert len(set(map(tuple, browser.run(tops)))) == 14


def test_what_is_cut_off_would_be_seen(browser: Browser) -> None:
    """Both what is too wide for the screen, and what is clipped."""
    for style in ("width: 3000px", "width: 20px; overflow: hidden; white-space: nowrap"):
        browser.run(f"document.querySelector('h3').style = '{style}'")
        assert len(browser.run(CUT_OFF)) >= 1


def test_the_charts_follow_the_width_of_the_window(browser: Browser) -> None:
    """They are drawn again, and letters keep their size."""
    browser.run("document.querySelector('.chart').scrollIntoView()")
    before = browser.run("document.querySelector('.chart').dataset.drawn")
    browser.size(NARROW)
    wait_for(browser, f"document.querySelector('.chart').dataset.drawn !== '{before}'")
    assert browser.run("document.querySelector('.chart svg').getBoundingClientRect().width") <= NARROW


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, `rgb(r, g, b)`, by WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_in_the_light_and_in_the_dark(browser: Browser, scheme: str) -> None:
    """Texts have a contrast of 4.5 to the paper, and lines and marks of 3."""
    browser.media(prefers_color_scheme=scheme)
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (contrast(paper, "rgb(0, 0, 0)") < 3) is (scheme == "dark")
    texts = browser.run("""
    [...new Set([...document.querySelectorAll("p, h1, h2, a, summary, td, th, dd, .when, figcaption")]
      .map((each) => getComputedStyle(each).color))]
    """)
    assert [colour for colour in texts if contrast(colour, paper) < 4.5] == []
    browser.run(ALL)
    drawn = browser.run("""
    [...new Set([...document.querySelectorAll(".chart path[aria-label], .chart rect[aria-label]")]
      .flatMap((each) => [getComputedStyle(each).stroke, getComputedStyle(each).fill])
      .filter((colour) => colour.startsWith("rgb(")))]
    """)
    assert len(drawn) >= 5
    assert [colour for colour in drawn if contrast(colour, paper) < 3] == []


def test_every_detail_can_be_unfolded_with_the_keyboard(browser: Browser) -> None:
    """The tabulator reaches each of them, every link, choice and node of a graph; Enter unfolds, and Enter folds again."""
    browser.run(AS_IF_READ)
    wanted = browser.run("document.querySelectorAll('a, summary, fieldset, [tabindex]').length")
    reached: list[str] = []
    for _ in range(wanted + 20):
        browser.press("Tab", 9)
        at = browser.run("(() => { const here = document.activeElement; here.dataset.seen = 1; return here.tagName; })()")
        reached.append(at)
        if at == "SUMMARY" and reached.count("SUMMARY") <= 2:
            for opened in (True, False):
                browser.press("Enter", 13)
                assert browser.run("document.activeElement.parentElement.open") is opened
            assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    missed = """
    [...document.querySelectorAll("a, summary, [tabindex]")]
      .filter((each) => !each.dataset.seen && !each.closest("details:not([open]) > :not(summary)")).length
    """
    assert browser.run(missed) == 0
    assert browser.run("document.querySelector('input:checked').dataset.seen") == "1"


def test_it_prints(browser: Browser) -> None:
    """On paper it has all charts and what unfolds, in the colours of paper whatever the screen has; then it is as it was."""
    browser.media(prefers_color_scheme="dark")
    folded = browser.run("document.querySelectorAll('details:not([open])').length")
    printed = browser.pdf()
    assert printed.startswith(b"%PDF-")
    assert 3 <= len(PDF_PAGE.findall(printed)) <= 60
    assert browser.run("document.querySelectorAll('.chart svg').length === document.querySelectorAll('.chart').length") is True
    assert browser.run("document.querySelectorAll('details:not([open])').length") == folded
    browser.media(media="print", prefers_color_scheme="dark")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    browser.run('window.dispatchEvent(new Event("beforeprint"))')
    assert browser.run("document.querySelectorAll('details.print:not([open])').length") == 0
    assert browser.run("document.documentElement.scrollWidth") <= WIDE
