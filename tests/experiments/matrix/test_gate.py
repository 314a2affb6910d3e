from __future__ import annotations

import asyncio
import itertools
from math import comb, factorial, prod

import pytest

from testbed.errors import UsageError
from testbed.experiments.matrix import gate
from testbed.experiments.matrix.cell import Cell, Part, Replay, Slowest, Tally
from testbed.experiments.matrix.gate import MOST, Compared, Result
from testbed.experiments.matrix.measures import MEASURES
from testbed.experiments.matrix.significance import fisher
from testbed.report.terminal import plain_console
from tests.experiments.matrix.cells import cell, matrix

CONTAINED, WORSE = cell("fixed", "contained", 1), cell("fixed", "grounded", 6)
UNKNOWN = cell("fixed", None)  # it cannot be believed
UNSEEN = cell("fixed", None, 1, reason={"code": "not_seen_to_come_back", "text": "nobody saw it"})


def several(*cells: Cell) -> Cell:
    """Make a cell of several replays, as it is kept: the first of them, with a record of each."""
    return cells[0].model_copy(update={"replays": tuple(replay for one in cells for replay in one.each)})


def five(replayed: Cell) -> Cell:
    """Make a cell of a baseline that came out the same five times."""
    return several(*[replayed] * 5)


def run(baseline: list[Cell], now: list[Cell], *more: Cell) -> tuple[Result, int]:
    """Compare cells, of which those that look worse are replayed again as `more`; gives the result, and how many were asked for."""
    again = list(more)

    async def replay(_: Cell) -> Cell:
        return again.pop(0)

    result = asyncio.run(gate.compare(matrix(baseline), now, replay))
    return result, len(more) - len(again)


def compared(baseline: Cell, now: Cell, *more: Cell) -> tuple[Compared, int]:
    """Compare one cell."""
    result, replayed = run([baseline], [now], *more)
    return result.cells[0], replayed


def test_a_cell_that_is_as_it_was_is_the_same_at_the_first_look() -> None:
    """Nothing is replayed again for it."""
    result, replayed = compared(five(CONTAINED), CONTAINED)
    assert (result.change, replayed) == ("same", 0)


@pytest.mark.parametrize(
    ("before", "now", "what"),
    [
        (CONTAINED, WORSE, "outcome and crack"),
        (cell("fixed", "unharmed", 0), cell("fixed", "contained", 1, answered=cell("fixed", "unharmed", 0).answered), "outcome and crack"),
        (CONTAINED, cell("fixed", "contained", 2), "outcome and crack"),
        (cell("fixed", "contained", 1, answered={"a": Part(count=99, of=100)}), cell("fixed", "contained", 1), "answered"),
        (cell("fixed", "contained", 1, recovery_s=1), cell("fixed", "contained", 1, recovery_s=5), "recovery"),
        (cell("fixed", "contained", 1, recovery_s=1), CONTAINED, "recovery"),  # never
    ],
)
def test_a_cell_that_got_worse_each_time_is_worse(before: Cell, now: Cell, what: str) -> None:
    """As soon as it is certain, by what got worse: also where outcome and crack are the same words."""
    result, replayed = compared(five(before), now, *[now] * MOST)
    assert (result.change, [one.measure.word for one in result.certain], replayed) == ("worse", [what], 6)
    assert result.note == f"{what}: 7 of 7, p 0.0047"


def waiting(median_s: float | None, p99_s: float | None) -> Cell:
    """Make a cell whose passengers waited so long."""
    waited = {"count": 9, "median_s": median_s, "p90_s": p99_s, "p99_s": p99_s, "longest_s": p99_s}
    return cell("fixed", "contained", 1, waited={"kiosk": waited, "ivr": {**dict.fromkeys(waited), "count": 0}})


@pytest.mark.parametrize(
    ("now", "change"),
    [
        (waiting(0.1, 4.6), "worse"),
        (waiting(0.7, None), "worse"),
        (waiting(0.8, 4.0), "worse"),
        (waiting(0.7, 4.5), "same"),
    ],
)
def test_passengers_who_wait_longer_by_more_than_the_margin_are_worse_off(now: Cell, change: str) -> None:
    """Twice as long and half a second more is what a machine does by itself; the slowest caller counts."""
    assert waiting(0.1, 2.0).each[0].waited == Slowest(median_s=0.1, p99_s=2.0)
    assert compared(five(waiting(0.1, 2.0)), now, *[now] * MOST)[0].change == change


def test_a_share_within_the_margin_is_the_same() -> None:
    """Five percentage points of the transactions, below the worst that the baseline had."""
    shares = [cell("fixed", "contained", 1, answered={"a": Part(count=count, of=100)}) for count in (90, 80, 75, 70)]
    baseline = several(*shares[:2], *shares[:3])
    assert compared(baseline, shares[3])[0].change == "same"


def test_chance_does_not_fail_a_build() -> None:
    """Worse once and as it was in two others is the same, and nothing more is replayed: it cannot be certain any more."""
    result, replayed = compared(five(CONTAINED), WORSE, CONTAINED, CONTAINED, WORSE)
    assert (result.change, replayed, len(result.now)) == ("same", 2, 3)


def test_one_replay_that_is_not_worse_may_be_among_the_others() -> None:
    """Seven of eight are certain."""
    result, replayed = compared(five(CONTAINED), WORSE, WORSE, CONTAINED, *[WORSE] * MOST)
    assert (result.change, replayed) == ("worse", 7)


def test_more_often_worse_than_not_is_suspect_where_it_is_not_certain() -> None:
    """It is named, and fails nothing."""
    result, replayed = compared(five(CONTAINED), WORSE, WORSE, WORSE, CONTAINED, CONTAINED, WORSE)
    assert (result.change, replayed, result.note) == ("suspect", 4, "outcome and crack: 3 of 5")


def test_unknown_counts_against_certainty() -> None:
    """One worse and four unknown is unknown; two without an outcome are as two that are not worse, and yet may have been."""
    result, replayed = compared(five(CONTAINED), WORSE, *[UNKNOWN] * 4, WORSE)
    assert (result.change, replayed) == ("unknown", 4)
    assert compared(five(CONTAINED), WORSE, UNSEEN, UNSEEN, *[WORSE] * 5)[0].change == "unknown"
    assert compared(five(CONTAINED), WORSE, UNSEEN, *[WORSE] * 6)[0].change == "worse"


def test_another_replay_is_made_for_one_that_cannot_be_believed() -> None:
    """On a busy machine, what is worse each time that it can be believed is found; what is as it was is no less the same."""
    result, replayed = compared(five(CONTAINED), UNKNOWN, *[WORSE, UNKNOWN] * 6, WORSE)
    assert (result.change, result.note, replayed) == ("unknown", "", 6)
    result, replayed = compared(five(CONTAINED), WORSE, *[WORSE, WORSE, UNKNOWN] * 6)
    assert (result.change, result.note, replayed) == ("worse", "outcome and crack: 7 of 7, p 0.0047", 8)
    assert compared(five(CONTAINED), UNKNOWN, WORSE, UNKNOWN, CONTAINED, CONTAINED)[0].change == "same"


def test_an_unknown_replay_of_the_baseline_may_have_been_as_bad() -> None:
    """It is one that was worse, and it takes more replays to be certain; one that cannot be believed is none at all."""
    baseline = several(*[CONTAINED] * 4, UNSEEN)
    result, replayed = compared(baseline, WORSE, *[WORSE] * MOST)
    assert (result.change, result.comparisons[0].above, replayed) == ("worse", 1, 12)
    assert compared(several(*[CONTAINED] * 5, UNKNOWN), WORSE, *[WORSE] * MOST)[1] == compared(five(CONTAINED), WORSE, *[WORSE] * MOST)[1]
    assert fisher(1, 5, 13, 14) < 0.05 / 8 < fisher(1, 5, 12, 13)


def test_what_most_replays_of_the_baseline_were_is_what_counts() -> None:
    """What came once or twice may come always, and then that is worse, though it takes more replays to be certain."""
    once, twice = several(*[CONTAINED] * 4, WORSE), several(*[CONTAINED] * 3, WORSE, WORSE)
    for baseline, replays in ((five(CONTAINED), 7), (once, 13), (twice, 20)):
        result, replayed = compared(baseline, WORSE, *[WORSE] * MOST)
        assert (result.change, replayed + 1) == ("worse", replays)
    assert compared(twice, WORSE, WORSE, WORSE, CONTAINED)[0].change == "suspect"


def tallied(times: int) -> Cell:
    """Make a cell of an old file, of which only a tally was kept."""
    return CONTAINED.model_copy(update={"tallies": (Tally(outcome="contained", crack=1, times=times),)})


def test_an_old_baseline_of_four_tallied_replays_is_tested_by_outcome_and_crack() -> None:
    """As those of the night are kept; of the figures of one replay nothing is certain, and they are suspect."""
    assert compared(tallied(4), WORSE, *[WORSE] * MOST)[0].change == "worse"
    fewer = cell("fixed", "contained", 1, answered={"a": Part(count=0, of=100)})
    result, _ = compared(tallied(4), fewer)
    assert (result.change, result.note) == ("suspect", "answered: 1 of 1; a baseline of 1 cannot tell")


def test_one_replay_in_the_baseline_is_no_certainty() -> None:
    """Neither way: it is said, with what it takes, and nothing is replayed again."""
    result, replayed = run([CONTAINED], [WORSE], WORSE)
    assert (result.cells[0].change, replayed) == ("suspect", 0)
    assert result.cells[0].note == "outcome and crack: 1 of 1; a baseline of 1 cannot tell"
    assert "1 cells have too few replays in the baseline to be tested alone (at least 2 are needed" in gate.lines(result).plain


def test_cells_that_cannot_be_tested_alone_are_tested_together() -> None:
    """Seven that got worse and none better are certain, whichever they are; as many of each are chance."""
    names = [f"v{number}" for number in range(8)]
    before = [cell(name, "contained", 1) for name in names]
    after = [cell(name, "grounded", 6) for name in names]
    result, _ = run(before, after)
    assert [(one.measure.word, one.worse, one.better, one.is_certain) for one in result.together] == [("outcome and crack", 8, 0, True)]
    assert "worse" in result.changes
    mixed, _ = run([*before[:4], *after[4:]], [*after[:4], *before[4:]])
    assert [one.is_certain for one in mixed.together] == [False]
    assert "worse" not in mixed.changes


def test_a_new_cell_that_is_unknown_is_told_and_stops_nobody() -> None:
    """It cannot have got worse than it was; one that was there, and is not known now, can."""
    new, _ = run([CONTAINED], [CONTAINED, cell("original", None)])
    assert [one.change for one in new.cells] == ["same", "unknown"]
    assert new.changes == {"same", "new"}
    known, _ = run([five(CONTAINED)], [UNKNOWN], *[UNKNOWN] * 4)
    assert known.changes == {"unknown"}


def test_the_lines_on_cells_tested_together_announce_nothing_that_does_not_follow() -> None:
    """Where none of them changed, there is no line of what they say together, and a sentence that says so."""
    changed, _ = run([CONTAINED], [WORSE])
    announced, *groups = gate.lines(changed).plain.splitlines()[1:]
    assert announced.endswith("they are tested together:")
    assert groups
    same, _ = run([CONTAINED], [CONTAINED])
    (told,) = gate.lines(same).plain.splitlines()[1:]
    assert told.endswith("together they show nothing: of those with a first replay to compare, none got worse or better")


def test_after_three_that_are_sure_the_others_are_only_named() -> None:
    """The build has failed already."""
    names = ["a", "b", "c", "d"]
    before = [five(cell(name, "contained", 1)) for name in names]
    after = [cell(name, "grounded", 6) for name in names]
    result, replayed = run(before, after, *[WORSE] * 4 * MOST)
    assert [one.change for one in result.cells] == ["worse"] * 3 + ["suspect"]
    assert replayed < 4 * MOST


def test_how_often_a_cell_is_replayed_is_settled_by_the_baseline() -> None:
    """The more cells, the more replays; a smaller baseline takes more; with one replay, no number will do."""
    planned = gate.plan([five(cell(f"v{number}", "contained", 1)) for number in range(25)])
    assert (planned.tests, planned.least) == (25 * 3 + 5, 3)
    (of_five,) = {comparisons[0].replays for comparisons in planned.comparisons.values()}
    (of_four,) = {
        one[0].replays for one in gate.plan([tallied(4).model_copy(update={"variant": f"v{n}"}) for n in range(25)]).comparisons.values()
    }
    assert (of_five, of_four) == (14, 14)
    alone = gate.plan([CONTAINED])
    assert {comparison.replays for comparison in alone.comparisons[CONTAINED.key]} == {0}


def test_better_once_of_several_is_the_same() -> None:
    """More than half of the replays have to be."""
    unharmed = cell("fixed", "unharmed", 0)
    assert Compared(CONTAINED, (unharmed, CONTAINED, WORSE)).change == "same"
    assert Compared(CONTAINED, (unharmed, CONTAINED)).change == "same"
    assert Compared(CONTAINED, (unharmed, CONTAINED, unharmed)).change == "better"
    assert Compared(CONTAINED, (unharmed, UNKNOWN, UNKNOWN)).change == "same"  # of all replays


def test_a_cell_that_got_better_is_told_and_fails_nothing() -> None:
    """A pattern that holds more than it did."""
    result, _ = compared(five(WORSE), CONTAINED)
    assert result.change == "better"


def test_a_cell_that_cannot_be_told_is_neither() -> None:
    """Unknown is not the same; nor is a cell that the baseline does not have worse."""
    result, _ = compared(five(CONTAINED), UNKNOWN, *[UNKNOWN] * 4)
    assert result.change == "unknown"
    assert compared(CONTAINED, UNKNOWN, *[UNSEEN] * 4)[0].change == "unknown"
    assert compared(cell("original"), WORSE)[0].change == "new"
    assert compared(cell("original"), UNKNOWN)[0].change == "unknown"
    assert compared(UNKNOWN, WORSE)[0].change == "new"


def test_a_cell_that_is_known_when_it_is_replayed_again_is_not_unknown() -> None:
    """One replay that could not be believed, and all others as they were."""
    assert compared(five(CONTAINED), UNKNOWN, CONTAINED, CONTAINED)[0].change == "same"
    assert compared(CONTAINED, UNSEEN, CONTAINED)[0].change == "same"  # also where nothing can be tested


RESULTS = (("contained", 1), ("contained", 2), ("grounded", 6))
SHARES = [(a, b, 1 - a - b) for a in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9) for b in (0.0, 0.1, 0.3, 0.5) if a + b < 1]


def test_by_chance_alone_a_cell_is_worse_no_more_often_than_the_test_says() -> None:
    """Whatever its chances of three results are, also where the baseline is not all of one kind: over every baseline there can be."""
    level = 0.05 / (1 + len(MEASURES))
    wrong = dict.fromkeys(SHARES, 0.0)
    for counts in itertools.product(range(6), repeat=3):
        if sum(counts) != 5:
            continue
        each = [Replay(outcome=word, crack=crack) for (word, crack), count in zip(RESULTS, counts, strict=True) for _ in range(count)]
        most = max(range(3), key=lambda index: (counts[index], index))
        baseline = cell("fixed", *RESULTS[most], replays=tuple(each))
        comparison = gate.plan([baseline]).comparisons[baseline.key][0]
        if not comparison.replays:
            continue
        certain = [comparison.chance([Replay(outcome="grounded", crack=6)] * worse) <= level for worse in range(comparison.replays + 1)]
        for shares in SHARES:
            ways = factorial(5) * prod(share**count / factorial(count) for share, count in zip(shares, counts, strict=True))
            above = sum(
                share
                for share, result in zip(shares, RESULTS, strict=True)
                if comparison.worse([Replay(outcome=result[0], crack=result[1])])
            )
            wrong[shares] += ways * sum(
                comb(comparison.replays, worse) * above**worse * (1 - above) ** (comparison.replays - worse)
                for worse in range(comparison.replays + 1)
                if certain[worse]
            )
    assert 0 < max(wrong.values()) <= level


def test_another_trace_is_not_compared() -> None:
    """With both, and how the baseline is made anew."""
    with pytest.raises(UsageError, match=r"another trace of the_night \(seed 1.*now seed 2.*`testbed matrix --scenario the_night --out`"):
        gate.require_comparable(matrix([CONTAINED]), matrix([CONTAINED], seed=2))
    gate.require_comparable(matrix([CONTAINED]), matrix([CONTAINED, cell("fixed", scenario="another")]))
    made = matrix([CONTAINED])
    seeded = made.model_copy(update={"columns": (made.columns[0].model_copy(update={"seed": 2}),)})
    with pytest.raises(UsageError, match=r"another trace of the_night \(seed 1, 100 requests; now seed 2, 100\)"):
        gate.require_comparable(made, seeded)


def test_the_table_has_what_changed_with_counts() -> None:
    """Baseline and now beside each other, and by what it is worse; what is the same is a number below."""
    baseline = [five(CONTAINED), cell("a"), five(cell("b", "contained", 1))]
    now = [WORSE, cell("a"), CONTAINED.model_copy(update={"variant": "b"}), cell("retry")]
    result, _ = run(baseline, now, *[WORSE] * MOST)
    console = plain_console(record=True, width=180)
    with console.capture() as printed:
        console.print(gate.table(result))
        console.print(gate.lines(result))
    text = printed.get()
    for words in ("8 of 8: grounded 6", "worse", "outcome and crack: 8 of 8, p ", "new", "2 of 4 cells are the same", "11 tests"):
        assert words in text


def test_what_is_not_there_any_more_is_named() -> None:
    """Of the runtime that was replayed: a cell that nobody looks at can get no worse."""
    baseline = matrix([cell("original"), cell("fixed"), cell("fixed", runtime="containers")])
    assert gate.gone(baseline, matrix([cell("original")]), "processes") == ("the_night processes fixed",)
    assert gate.gone(baseline, baseline, "processes") == ()
