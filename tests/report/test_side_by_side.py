from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from testbed.errors import TestbedError
from testbed.journal.events import Healed, NightSpan, Request, Response, Sample, ThreadGroup, Threads
from testbed.journal.thread_states import SOCKET
from testbed.report import json_lines, markdown, side_by_side
from testbed.report.html import moments
from testbed.report.html.judged import JudgedReplay
from testbed.report.terminal import plain_console
from testbed.verdict import judge
from tests.journals import CALLERS, EVENING_S, NightBuilder, contained_night, hung_night
from tests.verdict.test_longevity import HOURS, Day
from tests.verdict.test_unseen_spans import journal as unseen

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from testbed.journal.reader import Journal
    from testbed.verdict.judge import Judgement

DAY = NightSpan("2013-10-07", EVENING_S, EVENING_S + HOURS * 3600)


def printed(what: RenderableType, width: int = 80, *, soft_wrap: bool = False) -> str:
    """Return what is printed on a terminal of `width` columns."""
    console = plain_console(file=io.StringIO(), width=width)
    console.print(what, soft_wrap=soft_wrap)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def judged(*journals: Journal) -> list[Judgement]:
    """Judge journals."""
    return [judge.judge(journal) for journal in journals]


@pytest.fixture
def both() -> list[Judgement]:
    """Return the judgements of the night over both variants."""
    return judged(hung_night().journal(), contained_night().journal(variant="fixed", expect={"outcome": ["contained"]}))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_word_of_the_report_is_cut_off(both: list[Judgement], width: int) -> None:
    """Whatever the terminal's width, everything can be read."""
    several = judged(*(hung_night().journal(variant=f"a_variant_of_somebody_{number}") for number in range(7)))
    assert "…" not in printed(side_by_side.side_by_side([*both, *several]), width)


def test_variants_that_do_not_fit_beside_each_other_stand_below() -> None:
    """As many as can be read stand side by side; the title comes once."""
    seven = judged(*(hung_night().journal(variant=f"v{number}") for number in range(7)))
    text = printed(side_by_side.side_by_side(seven), 80)
    heads = [line.split() for line in text.splitlines() if line.split() and set(line.split()) <= {f"v{number}" for number in range(7)}]
    assert heads == [["v0", "v1", "v2"], ["v3", "v4", "v5"], ["v6"]]
    assert text.count("on processes, seed 1") == 1


def test_the_report_has_the_two_numbers_that_people_ask_for(both: list[Judgement]) -> None:
    """How long from the first fault to the hang in the night's time, and what it cost, by kind."""
    text = " ".join(printed(side_by_side.side_by_side(both), 280).split())
    assert "every caller hung at 22:08:20, 6 min 30 s of the night after the switchover had ended never hung" in text
    assert "kiosk check_in 3 failed, 4 unanswered 3 answered, 3 failed" in text
    assert "all 8 failed, 12 unanswered 9 answered, 8 failed" in text


@pytest.mark.fact("P2")
def test_the_report_tells_why_the_cluster_ordered_a_switchover() -> None:
    """In the terminal and on the page; of an operator's there is no reason to tell."""
    night = hung_night()
    night.events = [
        replace(event, by="cluster", reason="db-2 heard nothing") if event.event == "operation" and event.state == "begin" else event
        for event in night.events
    ]
    (judgement,) = judged(night.journal())
    text = " ".join(printed(side_by_side.side_by_side([judgement]), 280).split())
    assert "switchover, completed in 0.10 real s: the database runs on db-2; db-2 heard nothing" in text
    told = [moment.what for moment in moments.of(JudgedReplay("a", "a", night.journal(), judgement))]
    assert any(what.endswith("the database runs on db-2; db-2 heard nothing") for what in told)
    assert "db-2;" not in " ".join(printed(side_by_side.side_by_side(judged(hung_night().journal())), 280).split())


def test_the_report_shows_where_the_threads_are_blocked(both: list[Judgement]) -> None:
    """Each blocked service has its line, out of the dump."""
    text = " ".join(printed(side_by_side.side_by_side(both), 280).split())
    assert "4 of 4 request threads of cf-1: waiting for a connection from the pool, called from lookup_by_city" in text
    assert "4 of 4 request threads of ivr: blocked reading a socket, called from lookup_by_city" in text


def test_threads_that_are_blocked_alike_within_several_calls_are_counted_together() -> None:
    """Whoever reads that all threads were blocked shall not read of some of them only."""
    night = hung_night()
    groups = tuple(ThreadGroup(count, SOCKET, within, ("a.py:2 f",)) for count, within in ((1, "check_in"), (2, "lookup_by_city"), (1, "")))
    night.events.insert(-3, Threads(**night.at(5.45), service="kiosk", file="kiosk.json", request_threads=4, groups=groups))
    text = " ".join(printed(side_by_side.side_by_side(judged(night.journal())), 280).split())
    assert "4 of 4 request threads of kiosk: blocked reading a socket, called from lookup_by_city (2), check_in (1)" in text


def test_words_in_square_brackets_are_printed_as_they_are() -> None:
    """A title or an error with brackets is no mark-up."""
    text = printed(side_by_side.side_by_side(judged(hung_night().journal(title="The [red]night[/blue] [/]", variant="[/v]"))), 120)
    assert "The [red]night[/blue] [/]" in text
    assert "[/v]" in text


def quiet_night(**changes: object) -> Journal:
    """Return the journal of a night in which nothing was done and all is answered."""
    night = NightBuilder()
    night.look(0.0)
    for number in range(9):
        night.request(0.5 + number / 10, CALLERS[number % 3], "answered")
    night.look(2.0, done=9)
    night.end(2.5)
    return night.journal(**{"expect": {"outcome": ["unharmed"]}, **changes})


def test_what_is_zero_for_every_variant_is_left_out() -> None:
    """Nothing was done, nobody was in trouble, nothing leaked or hung, and so nothing cost anything."""
    text = printed(side_by_side.side_by_side(judged(quiet_night(), quiet_night(variant="fixed"))), 120)
    rows = ("done", "quiet hours", "first trouble", "connections leaked", "request threads", "every caller hung", "What it cost")
    assert [row for row in rows if row in text] == []
    assert "unharmed: all of 9 transactions were answered" in " ".join(text.split())


def test_a_zero_that_the_scenario_expects_or_another_variant_does_not_have_is_a_row(both: list[Judgement]) -> None:
    """Then it is a result."""
    expected = printed(side_by_side.side_by_side(judged(quiet_night(expect={"outcome": ["unharmed"], "leaked_connections": 0}))), 120)
    assert "connections leaked none" in " ".join(expected.split())
    beside = " ".join(printed(side_by_side.side_by_side(both), 120).split())
    assert "connections leaked cf-1: 4 of 4 none cf-2: 4 of 4" in beside


def test_only_the_services_that_were_blocked_are_named() -> None:
    """`0 of 4 blocked` beside trouble is noise; and of a service that was not seen to the end it is unknown."""
    night = hung_night(dumps=False)
    samples = [event for event in night.events if isinstance(event, Sample)]
    unseen = [sample for sample in samples if sample.t_s > 4 and sample.service != "kiosk"]
    unseen += [sample for sample in samples if sample.t_s > 1 and sample.service == "ivr"]
    night.events = [event for event in night.events if event not in unseen]
    text = " ".join(printed(side_by_side.side_by_side(judged(night.journal())), 200).split())
    assert "request threads kiosk: 4 of 4 blocked ivr: unknown health checks" in text


@pytest.mark.parametrize(("length_s", "told"), [(30.0, False), (40.0, True)])
def test_quiet_hours_are_told_from_an_hour_on(length_s: float, *, told: bool) -> None:
    """Some seconds without a passenger say nothing; at 100 seconds of the night in a real one, 36 are an hour."""
    night = contained_night()
    night.events = night.events[:-3]  # the end
    night.request(5.5 + length_s, "kiosk", "answered")
    night.look(6.0 + length_s, done=11, failed=4)
    night.end(6.5 + length_s)
    text = printed(side_by_side.side_by_side(judged(night.journal())), 200)
    assert ("quiet hours" in text) is told
    assert ("1 h 07 min without a passenger" in text) is told


def test_a_first_trouble_that_was_never_answered_is_told_once(both: list[Judgement]) -> None:
    """Where the first was an error, the first that was never answered is told beside it."""
    hanging = hung_night()
    hanging.events = [event for event in hanging.events if not isinstance(event, Request | Response) or not 1.5 < event.t_s < 4]
    text = " ".join(printed(side_by_side.side_by_side([*judged(hanging.journal()), both[0]]), 280).split())
    assert "22:07:30 kiosk check_in, sent then, was never answered 22:03:21 kiosk check_in failed" in text
    assert text.count("22:07:30 the first that was never answered") == 1


def test_connections_that_a_restart_gave_back_are_told_with_what_was_before() -> None:
    """The crack says that connections leaked, and the row of it must not contradict that."""
    night = hung_night()
    night.events = night.events[:-3]  # the end
    night.restart(6.0)
    for number in range(9):
        night.request(7.0 + number / 10, CALLERS[number % 3], "answered")
    night.look(8.5, done=3)
    night.end(9.0)
    text = " ".join(printed(side_by_side.side_by_side(judged(night.journal())), 200).split())
    assert "cf-1: 0 of 4 at the end, 4 before" in text


def test_a_crack_that_may_have_gone_further_is_at_least_so_much_everywhere() -> None:
    """In the report, in Markdown, in a line of JSON and in Python: nobody should take what was seen for all that there was."""
    judgement = judge.judge(unseen(unseen_s=2.5))
    assert side_by_side.crack_text(judgement).startswith("at least 1, lookup: ")
    assert judgement.summary.endswith("crack at least 1")
    assert "crack at least 1" in markdown.summary([judgement])
    told = json.loads(json_lines.line(judgement, 1.0))
    assert (told["crack"], told["cracks"]) == (1, [1, 5, 6])
    seen = judge.judge(unseen(unseen_s=0.3, took_s=0.2))
    assert (seen.summary.endswith("crack 1"), side_by_side.crack_text(seen).startswith("1, lookup")) == (True, True)


def test_a_crack_says_what_was_seen(both: list[Judgement]) -> None:
    """In a sentence, and not only in a number and a word."""
    text = " ".join(printed(side_by_side.side_by_side(both), 280).split())
    assert "6, airline: every caller was stuck, to the end" in text
    assert "1, lookup: transactions failed or were never answered" in text


def test_a_night_without_a_failure_and_a_high_crack_is_explained() -> None:
    """Everything was answered, late: both are told in one sentence, with how long it lasted."""
    night = NightBuilder()
    night.look(0.0)
    night.request(0.5, "kiosk", "answered")
    night.look(0.6, done=1)
    night.switchover(1.0)
    for caller in CALLERS:
        night.request(2.0, caller, "answered", took_s=7.0)
    for tenth in range(20, 90):
        night.samples(tenth / 10, busy=4, done=1)
    night.look(9.5, done=4)
    night.end(10.0)
    text = " ".join(printed(side_by_side.side_by_side(judged(night.journal(expect={"outcome": ["contained"]}))), 280).split())
    assert "contained: all of 4 transactions were answered, but 3 later than 5 s" in text
    seen = "every caller was stuck, for up to 6.9 real s"
    assert f"crack 6, airline: every transaction was answered, but {seen}" in text


def test_a_hang_before_any_fault_is_told() -> None:
    """There is no time from a fault to it, and it hung all the same."""
    night = hung_night()
    night.events = [event for event in night.events if getattr(event, "operation", "") != "switchover"]
    text = " ".join(printed(side_by_side.side_by_side(judged(night.journal())), 280).split())
    assert "every caller hung at 22:08:20, before any fault" in text


@pytest.mark.parametrize(
    ("fault_s", "heals", "words"),
    [
        (1.0, False, "6 min 30 s of the night after the switchover had ended"),
        (4.95, False, "5 s of the night after the switchover had begun"),
        (1.0, True, "6 min 30 s of the night after the switchover had been injected"),
    ],
)
def test_the_time_to_the_hang_says_from_when_it_counts(fault_s: float, *, heals: bool, words: str) -> None:
    """From the end of the fault, or of its injection if it stays; from its begin where the hang came before. The page says the same."""
    night = hung_night()
    night.events = [event for event in night.events if getattr(event, "operation", "") != "switchover"]
    night.switchover(fault_s)
    night.events.sort(key=lambda event: event.t_s)
    night.events = [replace(event, faults=("switchover",)) if isinstance(event, Healed) and heals else event for event in night.events]
    (judgement,) = judged(night.journal())
    assert f"at 22:08:20, {words}" in " ".join(printed(side_by_side.side_by_side([judgement]), 280).split())
    told = [moment.what for moment in moments.of(JudgedReplay("a", "a", night.journal(), judgement))]
    assert f"hang: every calling system is stuck, {words}" in told


def test_an_operation_that_did_not_end_is_told() -> None:
    """A replay that was killed in the middle of it did something."""
    night = contained_night()
    night.events = [event for event in night.events if getattr(event, "operation", "") != "switchover" or event.state == "begin"]  # type: ignore[union-attr]
    text = " ".join(printed(side_by_side.side_by_side(judged(night.journal())), 280).split())
    assert "done 22:01:40 switchover began, and did not end" in text


def test_a_wait_that_never_ends_is_told_once(both: list[Judgement]) -> None:
    """What comes after `never` is never, too; and of a caller with errors only, nobody was answered."""
    errors = contained_night()
    errors.events = [event for event in errors.events if not isinstance(event, Request | Response) or event.t_s < 4]
    text = " ".join(printed(side_by_side.side_by_side([*both, *judged(errors.journal())]), 400).split())
    assert "kiosk: never (0 of 7) kiosk: 0.01, 0.01, 0.01, 0.01 s (3 of 6) kiosk: nobody (0 of 3)" in text


def test_a_verdict_is_told_with_its_reason() -> None:
    """What it held to, or which checks did not."""
    whatever = hung_night().journal(expect={"outcome": ["unharmed", "contained", "grounded"]})
    broken = hung_night().journal(variant="fixed", expect={"outcome": ["contained"], "leaked_connections": 0})
    text = " ".join(printed(side_by_side.side_by_side(judged(hung_night().journal(variant="a"), whatever, broken)), 280).split())
    assert "held: as the scenario expects held: the scenario expects nothing of it broken: outcome, leaked_connections" in text


def test_of_a_replay_that_was_killed_nothing_is_said_to_be_zero() -> None:
    """Its crack is at least what was seen, and the checks that doubt it come before those that were not made."""
    killed, empty = contained_night(), NightBuilder()
    killed.events = killed.events[:-3]
    journals = (killed.journal(variant="killed"), empty.journal(variant="empty"))
    text = " ".join(printed(side_by_side.side_by_side(judged(*journals)), 280).split())
    assert "crack unknown, at least 1, lookup: transactions failed or were never answered unknown verdict" in text
    assert "verdict unknown: complete, services unknown: complete, " in text
    assert "health checks 20 of 20 green unknown: none was made" in text


def test_each_night_has_tables_of_its_own() -> None:
    """Another scenario, runtime, seed or other passengers are not comparable; each table has its own title."""
    nights = [
        hung_night().journal(),
        contained_night().journal(variant="fixed"),
        hung_night().journal(scenario="another", title="Another night"),
        hung_night().journal(runtime="containers"),
        hung_night().journal(seed=2),
    ]
    judgements = judged(*nights)
    text = " ".join(printed(side_by_side.side_by_side(judgements), 120).split())
    assert "A night 2013-10-07, a_night on processes, seed 1 original fixed" in text
    assert "Another night 2013-10-07, another on processes, seed 1 original" in text
    assert "A night 2013-10-07, a_night on containers, seed 1 original" in text
    assert "A night 2013-10-07, a_night on processes, seed 2 original" in text
    below = printed(side_by_side.findings(judgements), 200).splitlines()
    assert below[0].startswith("a_night on processes, seed 1, original: ")
    assert [line for line in below if line.startswith("another on processes, seed 1, original: ")] != []


def test_two_journals_of_one_variant_have_columns_with_names_of_their_own() -> None:
    """Below the table, the same names lead to the journals."""
    twice = judged(hung_night().journal(), contained_night().journal(expect={"outcome": ["contained"]}))
    text = " ".join(printed(side_by_side.side_by_side(twice), 120).split())
    assert "original (1/2) original (2/2)" in text
    assert [line.partition(":")[0] for line in printed(side_by_side.findings(twice), 200).splitlines()] == [
        "original (1/2)",
        "original (2/2)",
    ]


def day(**rises: float) -> Judgement:
    """Judge ten hours under load, in which something of cf-1 rises."""
    made = Day().sample_resources(**rises)
    made.end(361.0)
    return judge.judge(made.journal(night=DAY, expect={"outcome": ["unharmed"], "longevity": "leak"}))


def test_what_rises_for_good_is_shown_beside_what_is_steady() -> None:
    """With the slope by the hour of the night and its interval, whether anything rises or not."""
    text = printed(side_by_side.side_by_side([day(out=2.0), day()]), 140).partition("What rises for good")[2]
    lines = [line.split() for line in text.splitlines() if line.strip()]
    kinds = [line[0] for line in lines if line[0] in ("memory,", "open", "threads", "connections", "rows", "table,", "log,")]
    assert sorted(kinds) == ["connections", "log,", "memory,", "open", "rows", "table,", "threads"]
    assert ["log,", "KiB", "1", "steady:", "0", "1", "steady:", "0"] in lines
    (leaking,) = (" ".join(line) for line in lines if line[0] == "connections")
    number = r"[+-]?[\d.]+"
    assert re.fullmatch(rf"connections leak: cf-1 \+{number} \({number} to {number}\) 2 steady: {number}( to {number})?", leaking)
    assert [line[:2] for line in lines if line[0] == "1"] == [["1", "steady:"]]  # the connections of cf-2 beside it


def test_the_line_for_programs_has_every_series() -> None:
    """Its slope by the hour of the night, the interval, the threshold, the confidence, and what it was judged as."""
    series = {found["series"]: found for found in json.loads(json_lines.line(day(out=2.0), 1.0))["longevity"]}
    assert len(series) == 20
    leak = series["connections of cf-1"]
    assert (leak["judged"], leak["unit"]) == ("leak", "connections")
    assert leak["low"] <= leak["per_hour"] <= leak["high"]
    assert leak["per_hour"] == pytest.approx(2.0, abs=0.1)
    assert series["connections of cf-2"]["judged"] == "steady"


def test_a_rise_after_a_fault_is_not_told_unless_it_is_expected() -> None:
    """It may be the fault's doing; and of a night whose resources were not sampled nothing is known."""
    made = Day().sample_resources(out=2.0)
    made.switchover(1.0)
    made.end(361.0)
    assert judge.judge(made.journal(night=DAY)).longevity == ()
    assert len(judge.judge(made.journal(night=DAY, expect={"outcome": ["unharmed"], "longevity": "leak"})).longevity) == 20
    assert judge.judge(quiet_night()).longevity == ()


def test_what_did_not_hold_is_listed_with_its_facts() -> None:
    """A broken expectation has its own line, below the journal's path, which no width breaks."""
    wrong = hung_night().journal(expect={"outcome": ["contained"], "health_green": True})
    lines = printed(side_by_side.findings(judged(wrong)), 40, soft_wrap=True).splitlines()
    assert lines[0] == "original: 11 of 12 checks held; journal a_night.jsonl"
    assert lines[1].startswith("  broken outcome: outcome grounded, expected contained: kiosk, ivr and partner were stuck to the end; ")
    assert lines[1].endswith(" (O10)")


def test_the_picture_is_drawn_and_needs_nothing_from_elsewhere(both: list[Judgement], tmp_path: Path) -> None:
    """An SVG with the same words, that fetches no font."""
    side_by_side.draw(both, tmp_path / "night.svg")
    svg = (tmp_path / "night.svg").read_text(encoding="utf-8")
    assert svg.startswith("<svg")
    assert "grounded" in svg
    assert "url(http" not in svg.replace("&quot;", "").replace('"', "")


def test_a_picture_that_cannot_be_written_is_one_clear_error(both: list[Judgement], tmp_path: Path) -> None:
    """The error names the file and the reason."""
    with pytest.raises(TestbedError, match=r"cannot be written to .*no/such\.svg: No such file or directory; give another file with --svg"):
        side_by_side.draw(both, tmp_path / "no" / "such.svg")
