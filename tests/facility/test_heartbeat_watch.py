from __future__ import annotations

from testbed.facility.heartbeat_watch import HeartbeatWatch


def watched(*events: tuple[str, float], take_over_after: int = 3) -> HeartbeatWatch:
    """Return a watch over a heartbeat a second that began at 0 s and saw these events: a `beat` or a `look`, each at its time."""
    watch = HeartbeatWatch("heartbeats", 1.0, take_over_after)
    watch.start(0.0)
    for kind, at_s in events:
        (watch.beat if kind == "beat" else watch.look)(at_s)
    return watch


def test_a_heartbeat_is_missed_when_it_is_late_by_half_of_the_interval() -> None:
    """Not a moment before."""
    assert watched(("beat", 1.0), ("look", 2.49)).missed == 0
    assert watched(("beat", 1.0), ("look", 2.5)).missed == 1


def test_so_many_in_a_row_are_a_loss_and_one_that_comes_begins_the_row_anew() -> None:
    """Missed ones are counted all the same, and so is the longest gap."""
    late = watched(("look", 1.5), ("look", 2.5), ("beat", 2.6), ("look", 4.1), ("look", 5.1))
    assert (late.received, late.missed, late.in_row, late.longest_gap_s, late.is_lost) == (1, 4, 2, 2.6, False)
    late.look(6.1)
    assert late.is_lost
    assert late.describe_loss(6.1).startswith("db-2 heard nothing of db-1 for 3.50 s over the link heartbeats")


def test_a_look_that_is_late_itself_counts_one_however_late_it_is() -> None:
    """Whoever had no processor for a minute has not seen sixty heartbeats missing; the next ones may be on their way."""
    late = watched(("look", 60.0), ("look", 60.9))
    assert (late.missed, late.due_s, late.is_lost) == (1, 61.0, False)
    late.beat(60.95)
    assert late.in_row == 0


def test_one_missed_heartbeat_is_a_loss_where_one_is_enough() -> None:
    """The setting of a nervous cluster."""
    assert watched(("look", 1.5), take_over_after=1).is_lost


def test_a_watch_that_begins_anew_forgets_what_was_missed_in_a_row_and_keeps_its_counts() -> None:
    """As after a switchover, when the other host sends."""
    watch = watched(("look", 1.5), ("look", 2.5))
    watch.start(10.0)
    watch.look(11.4)
    assert (watch.missed, watch.in_row, watch.is_lost) == (2, 0, False)
