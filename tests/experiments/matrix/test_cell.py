from __future__ import annotations

import dataclasses

import pytest
from pydantic import ValidationError

from testbed.experiments.matrix import cell
from testbed.experiments.matrix.cell import Breakers, Part
from testbed.verdict import judge
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
