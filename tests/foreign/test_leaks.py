"""Which connections a service has lost, by its own word and by the database's."""

from __future__ import annotations

import pytest

from testbed.foreign.leaks import NOT_QUIET, QUIET_S, Look, ServiceSession, find_leak, quiet_looks


def session(state: str, state_s: float = 60.0, transaction_s: float | None = None) -> ServiceSession:
    """Return a session of the service."""
    return ServiceSession(1, "cf-1", "app", "127.0.0.1:5", state, state_s, transaction_s)


IDLE = session("idle")
HELD = session("idle in transaction", transaction_s=60.0)
ABORTED = session("idle in transaction (aborted)", transaction_s=60.0)
WORKS = session("active", transaction_s=60.0)


def looks(out: int | None, sessions: tuple[ServiceSession, ...] | None, *in_flight: int | None) -> list[Look]:
    """Return looks half a second apart, the first nine of them quiet unless `in_flight` is given."""
    return [Look(0.5 * number, count, out, sessions) for number, count in enumerate(in_flight or (0,) * 9)]


@pytest.mark.parametrize(
    ("out", "sessions", "by_pool", "by_database", "disagree"),
    [
        (0, (IDLE, IDLE), 0, 0, False),
        (2, (HELD, ABORTED, IDLE), 2, 2, False),
        (1, (IDLE,), 1, 0, False),  # lost between transactions: the database cannot tell it from one in the pool
        (40, (), 40, 0, True),  # the night's own: dead since the switchover, and still out
        (0, (HELD, IDLE), 0, 1, True),
        (1, (WORKS,), 0, 0, False),  # whoever asked has given up, and the statement still runs
        (2, (WORKS, HELD), 1, 1, False),
        (None, (HELD,), None, 1, False),
        (3, None, 3, None, False),
        (None, None, None, None, False),
    ],
)
def test_what_is_out_or_held_while_nothing_is_in_flight_is_lost(
    out: int | None, sessions: tuple[ServiceSession, ...] | None, by_pool: int | None, by_database: int | None, *, disagree: bool
) -> None:
    """Each witness for itself; what one did not see is unknown, and where they contradict each other, that is told."""
    leak = find_leak("cf-1", looks(out, sessions))
    assert (leak.by_pool, leak.by_database, leak.disagree) == (by_pool, by_database, disagree)
    assert len(leak.unknown) == (by_pool is None) + (by_database is None)
    assert ("they disagree" in leak.sentence) is disagree
    assert leak.lost == max((count for count in (by_pool, by_database) if count is not None), default=None)


def test_the_sentence_tells_what_each_saw_and_what_that_means() -> None:
    """With the numbers and the unit."""
    assert find_leak("cf-1", looks(40, ())).sentence == (
        "cf-1, with nothing in flight to it for 4.0 s: its pool says that 40 are out, and the database has 0 sessions of it, none in a "
        "transaction; they disagree: 40 of the connections that are out have no session, so they are dead, and still count"
    )
    assert find_leak("cf-1", looks(0, (HELD, IDLE))).sentence.endswith(
        "the database has 2 sessions of it, 1 idle in a transaction and 0 at work, the longest for 60.0 s; they disagree: 1 transactions "
        "are open on connections that its pool takes for its own, or never had"
    )


@pytest.mark.parametrize("in_flight", [(1,) * 9, (0, 0, 1, 0, 0, 1, 0), (None,) * 9, (0, 0, None, 0, 0), (0,)])
def test_a_service_that_was_never_at_rest_is_unknown(in_flight: tuple[int | None, ...]) -> None:
    """What is out may be in use; and where nobody counted what is in flight, nobody knows that it is at rest."""
    leak = find_leak("cf-1", looks(3, (HELD,), *in_flight))
    assert (leak.by_pool, leak.by_database, leak.lost, leak.unknown) == (None, None, None, (NOT_QUIET,))


def test_no_look_at_all_is_unknown() -> None:
    """And no error."""
    assert find_leak("cf-1", []).lost is None


def test_what_an_answered_request_still_has_to_give_back_is_no_leak() -> None:
    """Nor what the pool has out for a moment to test it: the least that was out, once the quiet has lasted."""
    counts = [5, 5, 5, 2, 3, 2]
    seen = [Look(0.5 * number, 0, out, (IDLE,) * 5) for number, out in enumerate(counts)]
    assert find_leak("cf-1", seen).by_pool == 2
    assert QUIET_S == 1.0


def test_a_transaction_that_began_within_the_quiet_is_somebodys_work() -> None:
    """A pool tests its connections, and a service has work in the background."""
    young = session("idle in transaction", transaction_s=0.3)
    assert find_leak("cf-1", looks(0, (young,))).by_database == 0


def test_the_last_quiet_counts() -> None:
    """Also when requests came after it: what was lost is seen as long as nothing was in flight."""
    seen = [Look(0.5 * number, count) for number, count in enumerate([0, 0, 0, 0, 2, 0, 0, 0, 1, 0])]
    assert [look.t_s for look in quiet_looks(seen)] == [2.5, 3.0, 3.5]
