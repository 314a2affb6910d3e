from __future__ import annotations

import difflib
import re
from xml.etree import ElementTree as Xml

import pytest

from testbed.experiments.matrix import lessons
from testbed.experiments.matrix.cell import Breakers, Cell, Part, Tally
from testbed.experiments.matrix.picture import draw
from testbed.experiments.matrix.table import Matrix
from testbed.experiments.matrix.text import NOT_REPLAYED, beside, figures, lesson_lines, markdown, recovered, table, unknown_lines
from testbed.report.terminal import plain_console
from tests.experiments.matrix.cells import cell, matrix

CALLERS_FREE = {"servers": Part(count=80, of=80), "callers": Part(count=0, of=120)}
ONCE_CONTAINED = (Tally(outcome="contained", crack=4, times=1), Tally(outcome="grounded", crack=6, times=2))
ONCE_GROUNDED = (Tally(outcome="contained", crack=1, times=2), Tally(outcome="grounded", crack=6, times=1))
NEVER, OFTEN = Breakers(opened=0, let_through=40, refused=0), Breakers(opened=9, let_through=40, refused=200)


def two() -> Matrix:
    """Make a matrix of two scenarios and two variants, with a cell missing."""
    return matrix(
        [
            cell("original", hang_after_night_s=21_000),
            cell("fixed", "contained", 1, leaked=Part(count=0, of=80), recovery_s=2, recovery_night_s=7200, by_itself=True),
            cell("fixed", "unharmed", 0, scenario="calm"),
        ]
    )


def printed(made: Matrix) -> str:
    """Print a matrix as on a terminal of 80 columns."""
    console = plain_console(width=80)
    with console.capture() as captured:
        console.print(table(made))
        console.print(lesson_lines(made))
        console.print(unknown_lines(made.cells))
    return captured.get()


def test_the_table_has_each_cell_in_a_few_words() -> None:
    """Outcome, crack and share; what was not replayed is marked, and nothing is wider than the terminal."""
    text = printed(two())
    assert "grounded 6 15\N{NO-BREAK SPACE}%" in text
    assert "contained 1 15\N{NO-BREAK SPACE}%" in text
    (line,) = (line for line in text.splitlines() if line.strip().startswith("original"))
    assert line.split()[-1] == NOT_REPLAYED
    assert max(map(len, text.splitlines())) <= 80


def test_a_cell_whose_replays_differ_says_how_many_had_its_outcome() -> None:
    """In the table, on the page, and in the picture by a corner; what cannot be believed is not counted."""
    replays = [{"outcome": word, "crack": 6} for word in ("grounded", "grounded", "contained", "grounded", "contained")]
    late = {"outcome": None, "crack": 0, "code": "sent_late"}
    mixed = matrix([cell("original", replays=(*replays, late)), cell("fixed", replays=(replays[0], replays[1], late))])
    assert "grounded 6 15\N{NO-BREAK SPACE}%, 3 of 5" in " ".join(printed(mixed).split(" "))
    assert "| the_night | G6\N{NO-BREAK SPACE}15\N{NO-BREAK SPACE}3/5 | G6\N{NO-BREAK SPACE}15 |" in markdown(mixed)
    assert [path.get("class") for path in Xml.fromstring(draw(mixed)).iter(f"{SVG}path")] == ["C6"]  # noqa: S314 - our own


def test_an_unknown_cell_says_why() -> None:
    """In the table a word, below it the reason."""
    text = printed(matrix([cell("retry", None, 2)]))
    assert "unknown 2" in text
    assert "unknown: the_night processes retry: the open loop was late" in text


def test_the_page_has_the_outcome_of_every_cell_and_how_it_was_made() -> None:
    """Markdown of whole rows: every line of a table has as many cells as its head."""
    page = markdown(two())
    assert "- the_night, calm: made by `testbed matrix` at commit 0123456789ab" in page
    assert "| the_night | G6\N{NO-BREAK SPACE}15 | C1\N{NO-BREAK SPACE}15 |" in page
    assert "| calm | - | U0 |" in page
    for block in page.split("\n\n"):
        if block.startswith("| "):
            assert len({line.count(" | ") for line in block.strip().splitlines()}) == 1, block


def test_two_runtimes_are_two_rows_with_their_names() -> None:
    """One runtime needs no name."""
    both = markdown(matrix([cell("original"), cell("original", runtime="containers")]))
    assert "| the_night (processes) |" in both
    assert "| the_night (containers) |" in both
    assert "| the_night |" in markdown(two())


def test_the_tables_of_a_scenario_have_all_figures_of_its_cells() -> None:
    """What became of each variant, what was answered of each kind, what breakers did; the tables fold to fit a terminal of 80 columns."""
    tallies = (Tally(outcome="contained", crack=1, times=2), Tally(outcome="grounded", crack=6, times=1))
    fixed = cell("fixed", "contained", 1, recovery_s=2, recovery_night_s=60, by_itself=False, red=4, tallies=tallies)
    made = matrix([cell("original", hang_after_night_s=21_000), fixed, cell("circuit_breaker", breakers=OFTEN)])

    def shown(width: int) -> str:
        console = plain_console(width=width)
        with console.capture() as captured:
            for drawn in figures(made, made.columns[0]):
                console.print(drawn)
        return captured.get()

    assert max(map(len, shown(80).splitlines())) <= 80
    lines = [" ".join(line.split()) for line in shown(160).splitlines()]
    assert "original grounded 6 80/80 80/80 120/120 0 5 h 50 min not within the night" in lines
    assert "fixed contained 1 80/80 80/80 0/120 4 - 2 s (1 min 00 s of the night), by hand" in lines
    assert "circuit_breaker 9 40 200" in lines
    assert {"2 x contained 1", "1 x grounded 6", "original 11 50"} <= set(lines)
    assert "seed 1, 100 requests; made by `testbed matrix` at commit 0123456789ab" in " ".join(lines)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_figure_of_a_scenario_is_lost_on_a_narrow_terminal(width: int) -> None:
    """Names end a line after an underscore at most, headings and caption between words, and nothing is cut off."""
    reason = {"code": "restarted_by_hand", "text": "it took a restart by hand, when kiosk and partner were out of service"}
    waited = dict.fromkeys(("median_s", "p90_s", "p99_s", "longest_s"), 1234.5)
    kinds = (
        "kiosk reprint_boarding_pass",
        "kiosk check_in",
        "ivr baggage_allowance",
        "ivr flight_status",
        "partner fare_rules",
        "partner book",
    )
    answered = {kind: Part(count=100 + number, of=1000) for number, kind in enumerate(kinds)}
    variants = ("checkout_timeout", "sqlalchemy_connection", "circuit_breaker")
    made = matrix(
        [
            cell(name, "grounded", 6, reason=reason, waited={"kiosk": {"count": 99, **waited}}, breakers=OFTEN, answered=answered)
            for name in variants
        ]
    )
    command = "testbed matrix --scenario the_night --variant original --variant checkout_timeout"
    key = made.columns[0].key
    made = made.model_copy(update={"made": {key: made.made[key].model_copy(update={"made_by": command, "commit": "0123456789ab"})}})
    console = plain_console(width=width)
    with console.capture() as captured:
        for drawn in figures(made, made.columns[0]):
            console.print(drawn)
    output = captured.get()
    heads = "outcome leaked servers blocked callers blocked red checks hung after recovered after not within the night median longest"
    texts = [*kinds, *variants, command, "0123456789ab", heads, *reason.values(), "80/80 120/120 1234.5 99 let through refused"]
    wanted = {piece for word in " ".join(texts).split() for piece in re.findall("[^_]*_+|[^_]+", word)}
    found = {piece.strip("`") for word in output.split() for piece in re.findall("[^_]*_+|[^_]+", word)}
    headings = {piece.rstrip("_") for piece in wanted}  # a kind of transaction is a heading, without underscores
    assert {piece.rstrip("_") for piece in found} >= headings
    assert {piece for name in variants for piece in re.findall("[^_]*_+|[^_]+", name)} <= found
    assert max(map(len, output.splitlines())) <= width


def test_the_tables_of_a_scenario_say_why_and_how_long_passengers_waited() -> None:
    """Where that was kept: reason and sentence, and by caller the percentiles; what never came is never."""
    reason = {"code": "stuck_at_end", "text": "kiosk stood still to the end"}
    waited = {"count": 9, "median_s": 0.04, "p90_s": 2.5, "p99_s": None, "longest_s": None}
    nobody = {**dict.fromkeys(waited), "count": 0}
    made = matrix([cell("original", reason=reason, waited={"kiosk": waited, "ivr": nobody}), cell("fixed", "unharmed", 6), cell("retry")])
    console = plain_console(width=160)
    with console.capture() as captured:
        for drawn in figures(made, made.columns[0]):
            console.print(drawn)
    lines = [" ".join(line.split()) for line in captured.get().splitlines()]
    assert {"original kiosk 9 0.0 2.5 never never", "ivr 0 - - - -"} <= set(lines)
    assert "original stuck_at_end kiosk stood still to the end" in lines
    assert "fixed - all in time: all request threads of every calling system were blocked for a while" in lines
    assert not any(line.startswith("retry - ") for line in lines)  # neither was kept of it


@pytest.mark.parametrize(
    ("outcome", "crack", "words"),
    [
        ("unharmed", 0, ""),
        ("unharmed", 2, "well at the end: connections leaked, and no service was stuck"),
        ("unharmed", 6, "all in time: all request threads of every calling system were blocked for a while"),
        ("contained", 2, ""),
        ("contained", 3, "well at the end: all request threads of an application server were blocked for a while"),
        ("grounded", 2, "no service was stuck: calls came back, and failed"),
        ("grounded", 6, ""),
        (None, 6, ""),
    ],
)
def test_a_crack_that_seems_to_contradict_its_outcome_has_a_sentence(outcome: str | None, crack: int, words: str) -> None:
    """What was answered late, what came back, and what failed without a hang."""
    assert beside(cell("a", outcome, crack)) == words


@pytest.mark.parametrize(
    ("replayed", "words"),
    [
        (cell("a", "unharmed", 0), "no trouble"),
        (cell("a"), "not within the night"),
        (cell("a", recovery_s=2, recovery_night_s=60, by_itself=False), "by hand"),
        (cell("a", None), "unknown: the open loop was late"),
    ],
)
def test_recovery_is_shown_with_who_ended_the_trouble(replayed: Cell, words: str) -> None:
    """By itself, by hand, not at all, or there was none."""
    assert words in recovered(replayed)


def answered(boarding: int, check_in: int) -> dict[str, Part]:
    """Return the transactions that were answered."""
    return {"kiosk check_in": Part(count=check_in, of=100), "kiosk reprint_boarding_pass": Part(count=boarding, of=10)}


def silence(
    alone: Breakers | None = NEVER, both: Breakers | None = OFTEN, *, breaker: int = 0, timeout: int = 10, crack: int = 6
) -> list[Cell]:
    """Return the cells of the silence: what the breaker did alone and with a time-out; boarding passes over breaker and time-out alone."""
    return [
        cell("circuit_breaker", crack=crack, scenario="silence_for_ever", breakers=alone, answered=answered(breaker, 0)),
        cell("call_timeout", scenario="silence_for_ever", answered=answered(timeout, 0)),
        cell("circuit_breaker_call_timeout", scenario="silence_for_ever", breakers=both, answered=answered(10, 0)),
    ]


SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_has_a_field_for_every_cell_in_words_too() -> None:
    """It is well-formed, can be read without its colours, and marks what was not replayed."""
    picture = Xml.fromstring(draw(two()))  # noqa: S314 - our own
    texts = ["".join(text.itertext()) for text in picture.iter(f"{SVG}text")]
    assert {"G615", "C115", "U0", "G grounded", "the_night", "calm", NOT_REPLAYED} <= set(texts)
    assert [field.get("class") for field in picture.iter(f"{SVG}use")] == ["G6", "C1", "x", "U0"]
    style = "".join(picture.find(f"{SVG}style").itertext())  # type: ignore[union-attr]
    assert {f".{letter}{crack}{{" for letter in "UCG" for crack in range(7)} <= {part + "{" for part in re.findall(r"[.]\w+(?={)", style)}


def test_a_new_scenario_moves_no_field_of_the_picture() -> None:
    """It adds its own lines, and changes one line of each group below it."""
    cells = [cell(variant, scenario=scenario) for scenario in ("a", "c") for variant in ("original", "fixed")]
    before = draw(matrix(cells)).splitlines()
    after = draw(matrix([*cells[:2], cell("original", scenario="b"), cell("fixed", scenario="b"), *cells[2:]])).splitlines()
    changed = [line for line in difflib.ndiff(before, after) if line.startswith("- ")]
    assert len(changed) == 2  # the height of the picture, and the group of c
    assert len(after) - len(before) == 4


def test_a_lesson_holds_or_is_marked_as_contradicted() -> None:
    """Each is asked of the cells: what a measurement contradicts does not stay among what is taught."""
    groups = cell("service_groups")
    (holds,) = lessons.check(matrix([groups]))
    assert holds.holds
    assert "120 of 120" in holds.figures
    better = matrix([cell("service_groups", "contained", 1, blocked=CALLERS_FREE)])
    (contradicted,) = lessons.check(better)
    assert not contradicted.holds
    page = markdown(better)
    assert "## What these measurements contradict" in page
    assert "## What it teaches" not in page


def test_lessons_speak_only_of_what_was_replayed() -> None:
    """Without its variants, or without the night, a lesson says nothing; nor of a cell that cannot be told."""
    assert lessons.check(matrix(silence()[:2])) == ()
    assert lessons.check(matrix([cell("service_groups", scenario="calm")])) == ()
    assert lessons.check(matrix([cell("service_groups", None)])) == ()


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([cell("original"), cell("fixed", "contained", 1, leaked=Part(count=0, of=80))], "Closing each resource"),
        ([cell("original"), cell("handshaking", red=4)], "Monitoring that answers"),
        ([cell("service_groups")], "Service groups"),
        (silence(), "A hang is no error"),
        ([cell("circuit_breaker", crack=2, breakers=OFTEN)], "In the switchover"),
        ([cell("original", hang_after_night_s=200), cell("retry", hang_after_night_s=100)], "Retries make this switchover worse"),
        ([cell("original"), cell("checkout_timeout", crack=2)], "A checkout time-out"),
        ([cell("original", answered=answered(2, 10)), cell("bulkhead", crack=4, answered=answered(10, 10))], "A bulkhead saves"),
    ],
)
def test_every_lesson_can_hold(cells: list[Cell], says: str) -> None:
    """And is told with figures."""
    checked = [lesson for lesson in lessons.check(matrix(cells)) if lesson.says.startswith(says)]
    assert [lesson.holds for lesson in checked] == [True]
    assert any(character.isdigit() for character in checked[0].figures)


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([cell("original"), cell("fixed", "contained", 1)], "Closing each resource"),
        ([cell("original"), cell("handshaking")], "Monitoring that answers"),
        ([cell("service_groups", "contained", 4)], "Service groups"),
        (silence(OFTEN), "A hang is no error"),
        (silence(both=NEVER), "A hang is no error"),
        (silence(crack=4), "A hang is no error"),
        (silence(timeout=0), "A hang is no error"),
        (silence(breaker=10), "A hang is no error"),
        ([cell("circuit_breaker", crack=2, breakers=NEVER)], "In the switchover"),
        ([cell("circuit_breaker", crack=5, breakers=OFTEN)], "In the switchover"),
        ([cell("circuit_breaker", crack=2, breakers=OFTEN, answered=answered(10, 90))], "In the switchover"),
        ([cell("original"), cell("fixed", "contained", 1, leaked=Part(count=0, of=80), tallies=ONCE_GROUNDED)], "Closing each resource"),
        ([cell("service_groups", tallies=ONCE_CONTAINED)], "Service groups"),
        ([cell("original", hang_after_night_s=100), cell("retry", hang_after_night_s=200)], "Retries make this switchover worse"),
        ([cell("original"), cell("checkout_timeout", crack=2, leaked=Part(count=1, of=80))], "A checkout time-out"),
        ([cell("original", answered=answered(10, 10)), cell("bulkhead", crack=4, answered=answered(10, 10))], "A bulkhead saves"),
    ],
)
def test_every_lesson_can_be_contradicted(cells: list[Cell], says: str) -> None:
    """None is a sentence that no measurement could take away."""
    checked = [lesson for lesson in lessons.check(matrix(cells)) if lesson.says.startswith(says)]
    assert [lesson.holds for lesson in checked] == [False]


def test_a_lesson_is_asked_on_every_runtime() -> None:
    """One that holds on processes and not in containers is contradicted, by name; figures of both are told."""
    processes, containers = cell("service_groups"), cell("service_groups", "contained", 4, runtime="containers", blocked=CALLERS_FREE)
    (lesson,) = lessons.check(matrix([processes, containers]))
    assert lesson.holds is False
    assert re.fullmatch(r"processes: .* 120 of 120 .*; containers, which contradict it: .* 0 of 120 .*", lesson.figures)
    (lesson,) = lessons.check(matrix([processes, cell("service_groups", runtime="containers")]))
    assert lesson.holds
    assert re.fullmatch(r"processes: .*; containers: .*", lesson.figures)


@pytest.mark.parametrize("cells", [silence(alone=None), silence(both=None), [cell("circuit_breaker", crack=2)]])
def test_counts_that_were_not_recorded_are_not_taken_for_zero(cells: list[Cell]) -> None:
    """Cells from before there were such counts neither show what a lesson says of them nor contradict it, and the page says so."""
    made = matrix(cells)
    (lesson,) = lessons.check(made)
    assert lesson.holds is None
    assert "its counts were not recorded" in lesson.figures
    assert "## What these measurements do not show" in markdown(made)
    assert "NOT RECORDED" in printed(made)


def test_one_runtime_that_shows_it_is_enough_and_the_other_is_named() -> None:
    """What the other does not have is no contradiction."""
    (lesson,) = lessons.check(matrix([cell("circuit_breaker", crack=2, breakers=OFTEN), cell("circuit_breaker", runtime="containers")]))
    assert lesson.holds
    assert "containers, which do not show it: its counts were not recorded" in lesson.figures
