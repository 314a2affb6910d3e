from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from testbed.errors import FacilityError, UsageError
from testbed.pair.pair import open_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.pair.pair import Pair

WITHIN_S = 3


def ask(pair: Pair, statement: str = "SELECT 1") -> object:
    """Connect, and return the first value that a statement gives."""
    with psycopg.connect(pair.dsn, connect_timeout=WITHIN_S) as connection:
        row = connection.execute(statement.encode()).fetchone()
        assert row is not None
        return row[0]


def test_the_users_role_makes_tables_that_are_there_after_a_switchover(pair: Pair) -> None:
    """The address stays, a session that was open ends, and what was committed is on the other host."""
    with psycopg.connect(pair.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
        before = pair.active
        assert pair.switchover() == f"the database runs on {pair.active}"
        assert pair.active != before
        with pytest.raises(psycopg.errors.AdminShutdown):
            connection.execute("SELECT 1")
    assert ask(pair, "SELECT value FROM kept") == 7


def test_silence_is_over_when_its_block_is(pair: Pair) -> None:
    """Inside nobody gets an answer; what was asked then is answered afterwards, over the same connection."""
    with psycopg.connect(pair.dsn, autocommit=True) as connection:
        answered = threading.Event()

        def wait_answer() -> None:
            connection.execute("SELECT 1")
            answered.set()

        with pair.silence() as told:
            assert "silent" in told
            asking = threading.Thread(target=wait_answer)
            asking.start()
            assert not answered.wait(0.1)
        asking.join(WITHIN_S)
        assert answered.is_set()


def test_a_block_that_raises_is_healed(pair: Pair) -> None:
    """The error that comes out is the block's own."""

    def refused() -> None:
        with pair.refuse():
            with pytest.raises(psycopg.OperationalError, match="refused"):
                ask(pair)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        refused()
    assert ask(pair) == 1


def test_each_action_is_done_at_once(pair: Pair) -> None:
    """It gives the line that says what was done, also in a `with`."""
    with pair.sessions_ended() as told:
        assert "57P01" in told
    assert "recovered" in pair.crash()


BLOCKS: dict[str, Callable[[Pair], object]] = {
    "idle_drop": lambda pair: pair.idle_drop(0.1),
    "refuse_first": lambda pair: pair.refuse_first(1),
    "unreachable": lambda pair: pair.unreachable(),
    "cable_pulled": lambda pair: pair.cable_pulled(),
    "flapping": lambda pair: pair.flapping(0.3, 0.3),
    "reset": lambda pair: pair.reset(),
    "reset, idle": lambda pair: pair.reset("idle"),
    "disconnect": lambda pair: pair.disconnect(),
    "latency": lambda pair: pair.latency(0.05, 0.01),
    "trickle": lambda pair: pair.trickle(),
    "slow_accept": lambda pair: pair.slow_accept(),
    "read_only": lambda pair: pair.read_only(),
    "starting_up": lambda pair: pair.starting_up(),
    "nothing": lambda pair: pair.fault("nothing"),
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_each_fault_bites_and_is_healed(pair: Pair, block: Callable[[Pair], object]) -> None:
    """By its own verification, at both ends of its block; afterwards the database answers."""
    with block(pair) as told:  # type: ignore[attr-defined]
        assert told
    assert ask(pair) == 1
    assert any("verify" in step for step in pair.steps())


def test_a_fault_that_was_not_entered_is_told(pair: Pair) -> None:
    """Without its `with` it would do nothing, and the test would be green."""
    pair.silence()
    with pytest.raises(FacilityError, match=r"never used.*with facility\.silence"):
        pair.require_healed()


def test_a_fault_that_is_still_active_is_told_and_healed(pair: Pair) -> None:
    """The next test gets a pair that answers."""
    pair.silence().__enter__()
    with pytest.raises(FacilityError, match="silence was still active"):
        pair.require_healed()
    assert ask(pair) == 1


def test_two_faults_that_would_hide_each_other_are_refused(pair: Pair) -> None:
    """The second one is named, and the first is healed with its block."""
    with pair.silence():
        with pytest.raises(UsageError, match="latency cannot begin while silence is active"), pair.latency(0.1):
            pass
        with pytest.raises(UsageError, match="silence is active already"), pair.silence():
            pass
    assert ask(pair) == 1


@pytest.mark.parametrize(
    ("word", "parameters", "message"),
    [
        ("silense", {}, "no such fault, did you mean silence"),
        ("rack_loss", {}, "needs more than a database pair"),
        ("silence", {"end": "cut"}, "unknown parameter 'end', did you mean ends"),
        ("latency", {"latency_ms": -1}, "latency.latency_ms: found -1"),
    ],
)
def test_what_is_no_fault_is_refused(pair: Pair, word: str, parameters: dict[str, object], message: str) -> None:
    """With what was found and what is allowed, before anything is done."""
    with pytest.raises(UsageError, match=message):
        pair.fault(word, **parameters)


async def test_the_same_pair_is_used_from_an_event_loop(pair: Pair) -> None:
    """Blocks with `async with`, and what is over at once with `await`."""
    facility = pair.asyncio
    async with facility.refuse() as told:
        assert "refused" in told
        with pytest.raises(psycopg.OperationalError):
            await psycopg.AsyncConnection.connect(facility.dsn)
    before = facility.active
    await facility.switchover("immediate")
    async with facility.sessions_ended():
        pass
    assert facility.active != before
    facility.crash()
    with pytest.raises(FacilityError, match=r"await facility\.crash"):
        await facility.require_healed()
    connection = await psycopg.AsyncConnection.connect(facility.dsn)
    await connection.close()


def test_the_week_of_flights_is_there_for_who_wants_it() -> None:
    """With all its rows, and the role may make tables beside them. A pair that was closed says so, and still tells what was done to it."""
    with open_pair("flights") as pair:
        assert ask(pair, "SELECT count(*) FROM flights") == 6_495
        with psycopg.connect(pair.dsn) as connection:
            assert connection.execute("CREATE TABLE mine AS SELECT 1").rowcount == 1
        pair.switchover()
    with pytest.raises(FacilityError, match="was closed"):
        _ = pair.dsn
    assert len(pair.steps()) == 5
