from __future__ import annotations

import dataclasses

import pytest
from pydantic import ValidationError

from testbed.experiments.matrix import cell
from testbed.experiments.matrix.cell import Breakers, Part, Reason, Replay, Slowest, Tally, most_of
from testbed.verdict import judge, outcome
from testbed.verdict.figures import BreakerCounts
from tests.nights import RESTART, SWITCHOVER, flown


def made(variant: str, timeline: str = SWITCHOVER) -> cell.Cell:
    """Make the cell of a night on fakes."""
    return cell.of(judge.judge(flown(variant, timeline)))


def test_a_night_that_hung_is_told_with_all_that_it_cost() -> None:
    """Outcome, crack, leaks, blocked threads, what was kept of each kind, and that it never came back."""
    hung = made("original")
    assert (hung.outcome, hung.crack, hung.unknown) == ("grounded", 6, "")
    assert hung.leaked == Part(count=20, of=20)
    assert hung.blocked == {"servers": Part(count=20, of=20), "callers": Part(count=30, of=30)}
    assert hung.answered["kiosk check_in"].count == 0 < hung.answered["kiosk check_in"].of
    assert hung.answered["kiosk reprint_boarding_pass"].count > 0
    assert hung.hang_after_night_s is not None
    assert (hung.recovery_s, hung.by_itself) == (None, None)


def test_a_night_that_was_contained_recovers_by_itself() -> None:
    """From the fault to the last transaction that failed, in real seconds and in the night's."""
    contained = made("fixed")
    assert (contained.outcome, contained.leaked.count, contained.by_itself) == ("contained", 0, True)
    assert contained.recovery_s is not None
    assert contained.recovery_night_s is not None
    assert 0 < contained.recovery_s < contained.recovery_night_s


@pytest.mark.fact("O9")
def test_a_restart_by_hand_is_no_recovery_by_itself() -> None:
    """Service came back, and somebody had to see to it."""
    restored = made("original", SWITCHOVER + RESTART)
    assert (restored.outcome, restored.by_itself) == ("grounded", False)


def test_a_pool_that_lost_more_connections_than_its_size_lost_all_of_them() -> None:
    """With an overflow it has more than its size; a part is never more than its total, or the file could not be read again."""
    judged = judge.judge(flown("original"))
    figures = dataclasses.replace(judged.figures, leaked_connections={"cf-1": 25, "cf-2": 10})
    assert cell.of(dataclasses.replace(judged, figures=figures)).leaked == Part(count=35, of=35)


@pytest.mark.parametrize(
    ("told", "breakers"),
    [
        ({}, None),
        ({"kiosk": BreakerCounts(0, 5, 0), "ivr": BreakerCounts(2, 7, 3)}, Breakers(opened=2, let_through=12, refused=3)),
        ({"kiosk": BreakerCounts(2, 7, 3), "ivr": None}, None),
    ],
)
def test_the_counts_of_all_breakers_are_added_up_where_all_were_seen(
    told: dict[str, BreakerCounts | None], breakers: Breakers | None
) -> None:
    """A caller whose breaker was not seen is not taken for one that never opened."""
    judged = judge.judge(flown("original"))
    figures = dataclasses.replace(judged.figures, breakers=told)
    assert cell.of(dataclasses.replace(judged, figures=figures)).breakers == breakers


def test_without_a_fault_everything_counts() -> None:
    """A night in which nothing is done has all of its transactions in the cell, and nothing to recover from."""
    calm = made("original", '[[timeline]]\nat = "23:00"\nfault = "nothing"\n')
    assert (calm.outcome, calm.all_answered.share, calm.recovery_s) == ("unharmed", 1.0, None)


def test_a_replay_that_cannot_be_believed_has_no_outcome() -> None:
    """A doubt of the checks that are always made leaves the cell unknown, with the doubt's own words."""
    journal = flown("fixed")
    judged = judge.judge(journal)
    doubt = judged.findings[0].__class__(judged.findings[0].check, judge.Verdict.UNKNOWN, "the journal is torn")
    doubted = cell.of(dataclasses.replace(judged, verdict=judge.Verdict.UNKNOWN, findings=(doubt,)))
    assert (doubted.outcome, doubted.word, doubted.unknown) == (None, "unknown", "the journal is torn")
    with pytest.raises(ValueError, match="the outcome is unknown"):
        _ = doubted.badness


def test_a_share_of_nothing_is_none() -> None:
    """No division by what nobody asked for."""
    assert (Part(count=0, of=0).share, Part(count=1, of=4).share) == (None, 0.25)


def test_a_hand_that_was_not_needed_is_no_doubt() -> None:
    """A restart that waits for a hang which never comes was not carried out; what became of the night is told all the same."""
    unneeded = made("fixed", SWITCHOVER + RESTART)
    assert (unneeded.outcome, unneeded.by_itself, unneeded.unknown) == ("contained", True, "")


def test_a_part_is_a_fraction_in_a_file() -> None:
    """It is written as `"77/83"` and read from that; anything else is refused with what is allowed."""
    part = Part(count=77, of=83)
    assert part.model_dump_json() == '"77/83"'
    assert Part.model_validate_json('"77/83"') == part
    for text in ('"77"', '"a/b"', '"-1/2"', "77", '"99/10"', '{"count":99,"of":10}'):
        with pytest.raises(ValidationError):
            Part.model_validate_json(text)


def test_the_times_of_a_cell_are_whole_seconds_and_its_checks_a_count_of_red_ones() -> None:
    """So that nothing in a kept cell changes with the speed of the machine."""
    contained = made("fixed")
    assert isinstance(contained.recovery_s, int)
    assert isinstance(contained.recovery_night_s, int)
    assert contained.red == 0
    assert "wall_s" not in cell.Cell.model_fields


def unseen() -> cell.Cell:
    """Make the cell of a night at whose end nobody saw whether service came back, though all of it can be believed."""
    reason = outcome.Reason(None, "not_seen_to_come_back", "at the end kiosk was answered 2 transactions")
    return cell.of(dataclasses.replace(judge.judge(flown("fixed")), reason=reason))


def doubted() -> cell.Cell:
    """Make the cell of a replay that cannot be believed."""
    judged = judge.judge(flown("fixed"))
    doubt = dataclasses.replace(judged.findings[0], verdict=judge.Verdict.UNKNOWN, text="the journal is torn")
    return cell.of(dataclasses.replace(judged, findings=(doubt,)))


def test_a_cell_says_why_it_is_what_it_is() -> None:
    """With the code and the sentence of the verdict; a replay that cannot be believed, or was not made, with what was in the way."""
    hung = made("original")
    assert hung.reason is not None
    assert (hung.reason.code, "stuck to the end" in hung.reason.text) == ("stuck_at_end", True)
    assert doubted().reason == Reason(code="doubted", text="the journal is torn")
    assert cell.unknown("a", "b", "c", "cf-1 was not ready").reason == Reason(code="not_replayed", text="cf-1 was not ready")
    assert unseen().reason == Reason(code="not_seen_to_come_back", text=unseen().unknown)


def test_a_cell_says_how_long_passengers_waited_after_the_fault() -> None:
    """By caller, in tenths of a second, and never where they wait for ever; without a fault all night counts."""
    judged = judge.judge(flown("original"))
    kiosk = judged.figures.latency["kiosk"]["after"]
    waited = cell.of(judged).waited["kiosk"]
    assert (waited.median_s, waited.count) == (None, kiosk.answered + kiosk.unanswered)
    assert kiosk.median_s is None
    late = dataclasses.replace(kiosk, median_s=0.449, p90_s=12.34, p99_s=None)
    figures = dataclasses.replace(judged.figures, latency={"kiosk": {"before": kiosk, "after": late}})
    rounded = cell.of(dataclasses.replace(judged, figures=figures)).waited["kiosk"]
    assert (rounded.median_s, rounded.p90_s, rounded.p99_s) == (0.4, 12.3, None)
    calm = made("original", '[[timeline]]\nat = "23:00"\nfault = "nothing"\n')
    assert calm.waited["kiosk"].count == sum(part.of for kind, part in calm.answered.items() if kind.startswith("kiosk"))


def test_each_replay_of_a_cell_is_kept_with_what_it_cost() -> None:
    """Outcome, crack, share answered, the longest median and 99th percentile of all callers, recovery; of one alone it is the cell's."""
    fixed, original = made("fixed"), made("original")
    both = most_of([fixed, original, fixed])
    assert both.replays == (*fixed.each, *original.each, *fixed.each)
    assert both.tallies == ()
    assert (both.result, both.answered) == (fixed.result, fixed.answered)
    assert original.each == (
        Replay(outcome="grounded", crack=6, answered=original.all_answered, waited=Slowest(median_s=None, p99_s=None)),
    )
    assert [(tally.outcome, tally.times) for tally in both.counts] == [("contained", 2), ("grounded", 1)]
    assert most_of([both, original]).each == (*both.replays, *original.each)


def test_a_replay_without_an_outcome_is_in_the_counts() -> None:
    """Believed, it is a result like others; not believed, it is told apart, has no figures, and does not outvote what is believed."""
    fixed = made("fixed")
    mostly = most_of([unseen(), fixed, unseen()])
    assert (mostly.outcome, [(tally.code, tally.times) for tally in mostly.counts]) == (None, [("", 1), ("not_seen_to_come_back", 2)])
    assert unseen().each[0].answered is not None
    busy = most_of([doubted(), doubted(), fixed])
    assert (busy.outcome, [(tally.code, tally.times) for tally in busy.counts]) == ("contained", [("", 1), ("doubted", 2)])
    assert doubted().each == (Replay(outcome=None, crack=1, code="doubted"),)
    assert most_of([doubted(), doubted()]).outcome is None


def test_an_old_cell_is_as_many_replays_as_its_tallies_say() -> None:
    """One of them has the figures of the cell; put together with new replays, both are kept."""
    fixed = made("fixed")
    old = fixed.model_copy(update={"reason": None, "waited": {}, "tallies": (Tally(outcome="contained", crack=1, times=3),)})
    assert [replay.answered is None for replay in old.each] == [False, True, True]
    both = most_of([old, fixed])
    assert (both.tallies, both.replays, len(both.each)) == (old.tallies, fixed.each, 4)
