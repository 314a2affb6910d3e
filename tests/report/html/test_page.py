from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testbed.journal import reader
from testbed.journal.events import NightSpan, ThreadGroup, Threads
from testbed.report.html import chart, judged, markup, moments
from testbed.report.html import page as page_module
from testbed.report.html.fragment import Fragment
from testbed.report.html.markup import Markup, element
from testbed.report.html.page import FAILED, SECTIONS, page
from testbed.report.html.sections import after_the_stop, stacks
from testbed.verdict import judge
from testbed.verdict.result import Result
from tests.journals import CALLERS, NightBuilder, contained_night, hung_night
from tests.nights import RESTART, SWITCHOVER, flown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.journal.reader import Journal
    from testbed.report.html.judged import JudgedNight

ROOT = Path(__file__).parents[3]
MOST_BYTES = 2_000_000
MOST_ELEMENTS = 30_000
EVIL = "</script><script>alert(1)</script><!--\x00\x1b[31m\u202e'\"&"
VOID = {"meta", "link", "input", "wbr"}


def results(*journals: Journal) -> list[Result]:
    """Judge journals."""
    return [Result(journal, judge.judge(journal), 1.0) for journal in journals]


class Elements(HTMLParser):
    """The elements of a page, which must be closed in the order in which they were opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.json: list[str] = []
        self._open: list[str] = []
        self._kind: str | None = ""
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        assert len(dict(attrs)) == len(attrs), attrs
        self.found.append((tag, dict(attrs)))
        self._kind = dict(attrs).get("type")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the last that was opened."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep texts, and data for the script."""
        inside = self._open[-1] if self._open else ""
        if inside == "script" and self._kind == "application/json":
            self.json.append(data)
        elif inside not in ("script", "style"):
            self.texts.append(data)

    @property
    def charts(self) -> list[dict[str, Any]]:
        """What the charts are drawn from; graphs have data, too."""
        return [data for data in map(json.loads, self.json) if data["kind"] != "graph"]

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements of a name."""
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def two() -> str:
    """Return the page of the night on fakes over both variants."""
    return page(results(flown("original"), flown("fixed")))


def test_the_page_says_what_became_of_each_variant(two: str) -> None:
    """Title, date, outcome, reason, crack and verdict stand before anything else."""
    text = " ".join(re.sub(r"<[^>]*>", " ", two.partition('id="timeline"')[0]).split())
    for words in (
        "A night on fakes, 2013-10-07",
        "original",
        "grounded",
        "were stuck to the end",
        "6, airline",
        "fixed",
        "contained",
        "held",
    ):
        assert words in text, words


def test_a_card_says_what_its_variant_is_and_the_page_what_its_words_mean(two: str) -> None:
    """The settings in which replays of a night differ; a replay that is alone has none of its own."""
    summary = two.partition('id="timeline"')[0]
    assert [re.findall(r"Its own settings: ([^<]*)<", card) for card in summary.split("<article")[1:]] == [
        ["lookup: original"],
        ["lookup: fixed"],
    ]
    assert "with other code or other settings" in summary
    assert {"<dt>grounded</dt>", "<dt>crack</dt>", "<dt>held</dt>"} <= set(re.findall(r"<dt>\w+</dt>", summary))
    assert "Its own settings" not in page(results(flown("original")))


def test_replays_of_one_variant_are_counted_and_told_by_their_journals() -> None:
    """A card says which journal it is of, and the introduction speaks of other code or settings only where there are any."""
    nights = (contained_night, hung_night, contained_night)
    replays = [replace(night().journal(), path=Path(f"runs/{number}/original.jsonl")) for number, night in enumerate(nights, start=1)]
    summary = page(results(*replays), SECTIONS[:1])
    assert "<strong>3 replays: 2 contained, 1 grounded</strong>" in summary
    assert re.findall(r"<dt>Journal</dt><dd>(.*?)</dd>", summary) == [f"{number}/original.jsonl" for number in (1, 2, 3)]
    assert "with the same code and the same settings" in summary
    assert "with other code or other settings" not in summary
    alone = page(results(replays[0]), SECTIONS[:1])
    assert not {"same settings", "other settings", "1 replays"} & set(re.findall("same settings|other settings|1 replays", alone))


def test_headings_leave_out_no_level() -> None:
    """Of one night and of several."""
    for journals in ([hung_night().journal()], [hung_night().journal(seed=seed) for seed in (1, 2)]):
        levels = [int(tag[1]) for tag, _ in Elements(page(results(*journals))).found if re.fullmatch(r"h\d", tag)]
        assert levels[0] == 1
        assert max(later - earlier for earlier, later in pairwise(levels)) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("", ""),
        ("ReadTimeout: 2 s", "ReadTimeout: 2 s"),
        ('503: {"detail":"the pool is empty"}', "the pool is empty"),
        ('{"transaction":"book","detail":"http://a/flights: 503: {\\"detail\\":\\"closed\\"}"}', "closed"),
        ('{"detail": 3}', '{"detail": 3}'),
        ("{}", "{}"),
        ("{not JSON", "{not JSON"),
        ("{" * 100_000, "{" * 100_000),
    ],
)
def test_an_error_is_told_by_the_innermost_service(error: str, said: str) -> None:
    """Whatever put it into JSON on its way; what is no such JSON stays as it is."""
    assert moments.innermost(error) == said


def test_every_section_is_there_and_in_the_contents(two: str) -> None:
    """In the order of the list, and none of them failed."""
    elements = Elements(two)
    anchors = [attributes["id"] for attributes in elements.named("section") if attributes.get("id")]
    assert anchors == ["summary", "timeline", "charts", "waits", "questions", "warned", "stacks", "compared", "findings", "origin"]
    links = [str(attributes["href"]) for attributes in elements.named("a")]
    assert links == ["#report", *(f"#{anchor}" for anchor in anchors)]
    assert FAILED not in two


def test_every_id_is_there_once_and_every_label_leads_to_one(two: str) -> None:
    """For links, and for screen readers."""
    found = Elements(two).found
    ids = [attributes["id"] for _, attributes in found if attributes.get("id")]
    assert len(ids) == len(set(ids))
    assert {attributes["aria-labelledby"] for _, attributes in found if "aria-labelledby" in attributes} <= set(ids)


def test_every_chart_has_a_label_and_a_table(two: str) -> None:
    """For who cannot see it."""
    elements = Elements(two)
    charts = [attributes for attributes in elements.named("div") if attributes.get("class") == "chart"]
    assert len(charts) == len(elements.named("figure")) == 2 * 7  # what was done, two pools, threads, health, latency, ends
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in charts)
    assert len(re.findall(r"</script></div>.*?<table.*?</figure>", two, re.DOTALL)) == len(charts)


def test_charts_say_what_they_draw(two: str) -> None:
    """What is in, out, leaked and waiting of a pool, how a health check looks, and that the three ends are what was due."""
    text = " ".join(re.sub(r"<[^>]*>", " ", two).split())
    assert "Leaked: those out whose request has ended, so that nobody returns them" in text
    assert "A green bar is checks that were green" in text
    assert "1 is green" not in text
    assert "the three together are what was due" in text


def test_the_charts_of_a_night_share_their_axis(two: str) -> None:
    """Over both variants."""
    data = Elements(two).charts
    assert len({(tuple(drawn["t"]), tuple(drawn["n"])) for drawn in data}) == 1
    for drawn in data:
        for one in drawn["series"]:
            assert len(one["t"]) == len(one["n"]) == len(one["v"]) > 0
            assert drawn["t"][0] <= min(one["t"])
            assert max(one["t"]) <= drawn["t"][1] + 0.001


def test_two_series_of_a_chart_never_look_the_same(two: str) -> None:
    """They differ in colour, and in dashes or symbols, too, unless they stand in rows of their own."""
    for drawn in Elements(two).charts:
        if drawn["kind"] in ("lines", "dots"):
            looks = [(one["colour"], one["dash"], one["symbol"]) for one in drawn["series"]]
            assert len(set(looks)) == len(looks)


def test_twenty_series_look_different() -> None:
    """In colour and dashes, and in colour and symbol."""
    strokes = [chart.stroke(number) for number in range(20)]
    assert len({(how.colour, how.dash) for how in strokes}) == len({(how.colour, how.symbol) for how in strokes}) == 20


def test_the_page_may_ask_nobody_and_runs_only_its_own_scripts(two: str) -> None:
    """Its policy allows nothing but the scripts that it has; and nothing in it leads to anywhere."""
    elements = Elements(two)
    [policy] = [attributes["content"] for attributes in elements.named("meta") if attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    scripts = re.findall(r"<script>(.*?)</script>", two, re.DOTALL)
    sums = {f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts}
    assert sums == set(re.findall(r"'sha256-[^']+'", policy))
    assert len(scripts) == len(page_module.SCRIPTS)
    assert "sourceMappingURL" not in two
    for _, attributes in elements.found:
        assert "src" not in attributes
        assert str(attributes.get("href", "#")).startswith(("#", "data:,"))
        assert not any(name.startswith("on") for name in attributes)
    assert "url(" not in files("testbed.report.html").joinpath("page.css").read_text(encoding="utf-8")


def evil_night() -> Journal:
    """Return a night whose texts are meant to break out of the page."""
    night = hung_night()
    night.switchover(2.9, id_=2, hosts=(EVIL, EVIL))
    night.events.append(
        Threads(**night.at(5.45), service=EVIL, file=EVIL, request_threads=1, groups=(ThreadGroup(1, EVIL, EVIL, (EVIL,)),), error=EVIL)
    )
    night.service(5.46, "kiosk", "died")
    return night.journal(
        title=EVIL, variant=EVIL, scenario=EVIL, versions={EVIL: EVIL}, machine={EVIL: EVIL}, night=NightSpan(EVIL, 0, 1e5)
    )


def test_no_text_of_a_journal_is_run_or_obeyed() -> None:
    """Neither where it is shown nor in the data of a chart; it is shown as it is, with its control characters visible."""
    text = page(results(evil_night()))
    assert "<script>alert" not in text
    assert not set(text) & {"\x00", "\x1b", "\u202e"}
    elements = Elements(text)
    assert len(elements.named("script")) == len(page_module.SCRIPTS) + len(elements.json)
    assert any("</script><script>alert(1)</script><!--\\u0000\\u001b[31m\\u202e'\"&" in shown for shown in elements.texts)
    assert not any("<" in data for data in elements.json)
    assert FAILED not in text


def test_a_name_that_is_no_text_can_be_written() -> None:
    """A path may have bytes that are no UTF-8; they are shown as escapes."""
    assert markup.text("a\udcffb").encode("utf-8") == b"a\\udcffb"


def test_a_text_without_end_has_one() -> None:
    """Its begin and its end are shown."""
    shown = markup.text(f"begin{'x' * 10**6}end")
    assert len(shown) == markup.MOST_CHARACTERS
    assert shown.startswith("begin")
    assert shown.endswith("end")


def test_elements_escape_what_is_no_markup() -> None:
    """In texts and in attributes; an attribute that is None is left out, an empty one has no value."""
    made = element("a", "<b>", element("i", "&"), href='"x"', class_=None, aria_label="", data_key="k")
    assert made == '<a href="&quot;x&quot;" aria-label data-key="k">&lt;b&gt;<i>&amp;</i></a>'


@pytest.mark.parametrize("count", [1, 6, 30, 200])
def test_the_page_stays_small(count: int) -> None:
    """Also of several variants, and of many replays, of which not all are told in full; each of the others is a row."""
    both = results(flown("original"), flown("fixed"))
    made = [replace(both[number % 2], judgement=replace(both[number % 2].judgement)) for number in range(count)]
    found = Elements(page(made))
    text = " ".join(found.texts)
    assert len(page(made).encode()) < MOST_BYTES
    assert len(found.found) < MOST_ELEMENTS
    assert (f"Told in full are the first 16 of {count} replays" in text) is (count > 16)
    assert len(found.named("article")) == min(count, 16)
    assert all(f"({number + 1}/{(count + 1) // 2})" in text for number in range((count + 1) // 2) if count > 2)


def test_a_night_of_which_nothing_is_told_in_full_has_its_replays_in_the_table() -> None:
    """Of several nights, the first replays are told, whichever they are of."""
    ordered = [*(contained_night().journal(seed=1) for _ in range(17)), hung_night().journal(seed=2)]
    text = page(results(*ordered))
    (rest,) = re.findall(r'<section id="others".*?</section>', text, re.DOTALL)
    assert "Told in full are the first 16 of 18 replays" in rest
    assert rest.count("<tr") == 1 + 2
    assert "seed 1: original (17/17)" in rest
    assert "seed 2: original" in rest
    assert FAILED not in text


def test_a_long_night_stays_small_and_loses_no_extreme() -> None:
    """Thousands of samples, with one spike: it is drawn."""
    night = NightBuilder()
    for number in range(3_000):
        night.sample(number / 10, "kiosk", busy=3 if number == 1_777 else number % 3, done=1)
    night.end(300.5)
    text = page(results(night.journal()))
    assert len(text.encode()) < MOST_BYTES
    busy = next(drawn for drawn in Elements(text).charts if drawn["unit"] == "of 4 each")
    assert max(busy["series"][0]["v"]) == 3


def test_replays_of_several_nights_are_told_apart() -> None:
    """Two have the same variant: no heading, caption or label of one is that of the other."""
    text = page(results(*(hung_night().journal(seed=seed) for seed in (1, 2))))
    captions = re.findall(r"<caption>(Checks of .*?)</caption>", text)
    assert captions == [f"Checks of a_night on processes, seed {seed}: original" for seed in (1, 2)]
    labels = [
        attributes["aria-label"] for tag, attributes in Elements(text).found if tag in ("section", "article") and "aria-label" in attributes
    ]
    assert len(set(labels)) == len(labels) == 2 * 5


def test_a_night_behind_the_last_that_is_drawn_is_told_all_the_same() -> None:
    """Its tables are there, and no section fails for it."""
    journals = [hung_night().journal(seed=seed) for seed in range(1, 19)]
    text = page(results(*journals))
    assert FAILED not in text
    assert "Told in full are the first 16 of 18 replays" in text
    assert text.count("<article") == 16


def test_the_root_stands_above_the_graph_and_the_warnings_have_their_leads() -> None:
    """Of dumps without other evidence it is told what is not known; of a night whose service stopped, what could have warned."""
    text = " ".join(re.sub(r"<[^>]*>", " ", page(results(hung_night().journal()))).split())
    assert "what is behind pool of cf-1 is not known: nobody asked; 4 threads wait for it" in text
    assert "service stopped at 22:08:20 (every caller hung)" in text
    assert after_the_stop.warned(judged.of(results(contained_night().journal()))) is None
    both = after_the_stop.warned(judged.of(results(hung_night().journal(), contained_night().journal())))
    assert both is not None
    assert "There is none of original (2/2), over which service did not stop." in str(both.body)


def test_the_stacks_of_all_services_stand_together() -> None:
    """Forty threads of each server at one line are one group; what failed says why."""
    night = hung_night()
    night.dump(5.45, "cf-1", "", error="py-spy may not look")
    night.dump(5.45, "kiosk", "running", count=1)
    made = stacks.section(judged.of(results(night.journal())))
    assert made is not None
    text = " ".join(re.sub(r"<[^>]*>", " ", made.body).split())
    assert "8 threads: waiting for a connection from the pool, within lookup_by_city. cf-1 at 22:09:00 (4), cf-2 at 22:09:00 (4)" in text
    assert "1 thread: running, within lookup_by_city. kiosk at 22:09:05 (1)" in text
    assert "py-spy may not look" in text
    assert stacks.section(judged.of(results(contained_night().journal()))) is None


def test_what_the_dumps_beside_a_journal_tell_is_on_the_page(tmp_path: Path) -> None:
    """Thread pools, protocols and libraries, as in a terminal; without the dumps there is nothing of it."""
    kept = (ROOT / "tests" / "postmortem" / "dumps" / "celery_threads.json").read_bytes()
    journal = hung_night().journal()
    assert "Thread pools, protocols and libraries" not in page(results(journal), [stacks.section])
    for dump in journal.of(Threads):
        path = tmp_path / dump.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(kept)
    text = page(results(replace(journal, path=tmp_path / "original.jsonl")), [stacks.section])
    told = " ".join(re.sub(r"<[^>]*>", " ", text.partition("Thread pools, protocols and libraries")[2]).split())
    assert "Celery thread pool" in told
    assert "kombu" in told


def test_the_moments_of_the_case_stand_in_their_order() -> None:
    """Switchover, quiet hours, first failure, hang, and the restart that brings service back."""
    [night] = judged.of(results(flown("original", SWITCHOVER + RESTART)))
    told = [moment.what for moment in moments.of(night.replays[0])]
    places = [
        next(number for number, what in enumerate(told) if what.startswith(word))
        for word in ("switchover", "first failure", "hang", "restart")
    ]
    assert places == sorted(places)
    assert any(what.startswith("quiet: ") for what in told)
    assert any("was stopped" in what or "is ready again" in what for what in told)
    assert told[-1] == "end of the replay: complete"
    restart = next(moment for moment in moments.of(night.replays[0]) if moment.what.startswith("restart"))
    assert len(restart.parts) >= 2


def test_what_the_fault_left_without_an_answer_is_no_failure_before_it() -> None:
    """Its first failure stands at the fault on both clocks, whenever the request was due."""
    night = NightBuilder()
    night.look(0.0)
    night.request(0.9, "kiosk", None)
    night.switchover(1.0)
    night.look(2.0)
    night.end(3.0)
    found = moments.of(judged.of(results(night.journal()))[0].replays[0])
    failure = next(moment for moment in found if moment.what.startswith("first failure"))
    assert (failure.t_s, moments.text(failure)) == (1.0, "22:01:40 (1.0 s)")
    assert found.index(failure) > next(number for number, moment in enumerate(found) if moment.what.startswith("switchover"))


@pytest.mark.parametrize(
    ("took_s", "noticed"),
    [(0.01, "but what was sent before was still answered in it: 1 request failed"), (70.0, "so nobody could notice anything")],
)
def test_quiet_hours_in_which_something_failed_are_not_said_to_be_unnoticed(took_s: float, noticed: str) -> None:
    """A request that was sent before them may fail in them, or after them."""
    night = NightBuilder()
    night.look(0.0)
    night.request(0.5, "kiosk", "answered")
    night.switchover(1.0)
    night.request(1.5, "kiosk", "failed", took_s=took_s)
    night.look(2.0, done=1)
    night.request(62.0, "ivr", "answered")
    night.look(75.0, done=2)
    night.end(76.0)
    told = [moment.what for moment in moments.of(judged.of(results(night.journal()))[0].replays[0])]
    assert f"quiet: 1 h 40 min without a passenger, {noticed}" in told


def test_a_night_in_which_nothing_was_done_has_no_shade() -> None:
    """And a killed one says where it breaks off."""
    night = NightBuilder()
    night.look(0.0)
    for caller in CALLERS:
        night.request(0.5, caller, "answered")
    [alone] = judged.of(results(night.journal()))
    assert moments.shades(alone.replays[0].journal) == ()
    assert [moment.what for moment in moments.of(alone.replays[0])] == ["here the journal breaks off: the replay was killed"]


def test_a_fault_that_lasts_is_shaded_until_it_is_healed() -> None:
    """And not only while it is injected."""
    silence = '[[timeline]]\nat = "23:00"\nfault = "silence"\nlink = "database"\n\n[[timeline]]\nat = "23:30"\noperation = "heal"\n'
    journal = flown("fixed", silence)
    shade = next(shade for shade in moments.shades(journal) if shade.word == "silence")
    assert shade.to_s[1] - shade.from_s[1] == pytest.approx(1800, rel=0.2)


def test_the_page_tells_settings_and_parameters_in_words() -> None:
    """Of a healing that names no fault, of what a variant sets, and of all settings in the last section: no word of Python."""
    silence = '[[timeline]]\nat = "23:00"\nfault = "silence"\nlink = "database"\n\n[[timeline]]\nat = "23:30"\noperation = "heal"\n'
    timeout = '[variants.timeout]\nsettings.application_server.pool_checkout_timeout_s = 2.0\nexpect.outcome = "contained"\n'
    made = page(results(flown("original", silence, variants=timeout), flown("timeout", silence, variants=timeout)))
    text = html.unescape(" ".join(re.sub(r"<[^>]*>", " ", re.sub(r"<(script|style).*?</\1>", "", made, flags=re.DOTALL)).split()))
    assert "heal (of: every active fault) completed in" in text
    assert "silence (link: database" in text
    assert "Its own settings: pool checkout timeout: never" in text
    assert "Its own settings: pool checkout timeout: 2 s" in text
    assert not re.findall(r"[^.]{0,40}\b(?:None|True|False)\b", text)


def test_a_fault_that_goes_on_ends_with_the_night_and_what_comes_after_it_is_told() -> None:
    """It is healed after the night, whose clock goes on while open requests are waited for; its injection was over long before."""
    journal = flown("fixed", '[[timeline]]\nat = "05:00"\nfault = "silence"\nlink = "database"\nends = "goes_on"\n')
    [night] = judged.of(results(journal))
    silence = next(moment for moment in moments.of(night.replays[0]) if moment.what.startswith("silence"))
    assert re.fullmatch(r"05:00:\d\d to the night's end \([\d.]+ s\)", moments.text(silence))
    assert " injected in " in silence.what
    assert " completed in " not in silence.what
    text = html.unescape(" ".join(re.sub(r"<[^>]*>", " ", page(results(journal))).split()))
    assert "The night ends at 05:10; after that, open requests are waited for." in text
    assert re.search(r"silence 05:00:\d\d to the night's end [\d.]+ to [\d.]+", text)  # of the chart's table


@pytest.mark.parametrize("name", ["calm_stripped.jsonl", "late_switchover.jsonl.gz"])
def test_an_old_journal_is_reported(name: str, tmp_path: Path) -> None:
    """Those that are kept as cases are from before some of today's fields."""
    kept = (ROOT / "tests" / "cases" / name).read_bytes()
    path = tmp_path / "old.jsonl"
    path.write_bytes(gzip.decompress(kept) if name.endswith(".gz") else kept)
    text = page(results(reader.read(path)))
    assert FAILED not in text
    assert text.count("<article") == 1


def test_a_section_that_fails_says_so_and_the_others_are_there() -> None:
    """Whatever can be judged can be reported."""

    def failing(nights: Sequence[JudgedNight]) -> Fragment | None:
        raise ZeroDivisionError("<oops>")

    def nothing(nights: Sequence[JudgedNight]) -> Fragment | None:
        return None

    def told(nights: Sequence[JudgedNight]) -> Fragment | None:
        return Fragment("told", "Told", Markup(f"<p>{len(nights)}</p>"))

    text = page(results(hung_night().journal()), [failing, nothing, told, *SECTIONS[:1]])
    assert f"{FAILED}: ZeroDivisionError: &lt;oops&gt;" in text
    assert "<p>1</p>" in text
    assert 'id="summary"' in text


def test_what_draws_is_what_its_page_says() -> None:
    """Name, checksum, licence and version of each library, and no other script is run before the page's own."""
    table = re.findall(
        r"^\| `([\w.]+)` \| (\S+) ([\d.]+) \| \[(?:ISC|MIT)\]\(([\w./]+)\) \| `(\w+)` \|$",
        (ROOT / "testbed/report/README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    folder = files("testbed.report.html").joinpath("vendor")
    assert [f"vendor/{name}" for name, *_ in table] == [name for name in page_module.SCRIPTS if name.startswith("vendor/")]
    for name, _, version, licence, checksum in table:
        content = folder.joinpath(name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == checksum
        assert re.search(rf'v{re.escape(version)} Copyright|"{re.escape(version)}"', content.decode())
        assert re.search(
            r"Permission to use, copy, modify|Permission is hereby granted",
            (ROOT / "testbed" / "report" / licence).read_text(encoding="utf-8"),
        )
    assert {path.name for path in folder.iterdir() if path.name.endswith(".js")} == {name for name, *_ in table}
