"""What the page says that the table shows, sentence by sentence, over every repetition that was kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed.pools import python_services, table

if TYPE_CHECKING:
    from testbed.pools.cell import Cell, Measurement, Result

KEPT = table.read(Path(table.__file__).with_name(table.FILE))
PSYCOPG = {"psycopg_pool_async", "psycopg_pool_sync"}


def results(pools: set[str], situation: str, mistake: str, *, check: bool | None = None) -> list[Result]:
    """Return every kept result of some cells; there is at least one."""

    def chosen(cell: Cell) -> bool:
        return cell.pool in pools and (cell.situation, cell.mistake) == (situation, mistake) and check in (None, cell.check)

    found = [result for each in KEPT if chosen(each.cell) for result in each.results]
    assert found
    return found


@pytest.mark.parametrize(
    ("situation", "check", "lost"),
    [("switchover_idle", False, 5), ("switchover_idle", True, 0), ("switchover_in_flight", False, 5), ("switchover_in_flight", True, 3)],
)
def test_a_check_hides_the_idle_switchover_and_not_the_one_with_requests_in_flight(situation: str, *, check: bool, lost: int) -> None:
    """Of psycopg's pool over code with the mistake: so many connections are lost."""
    assert {result.lost for result in results(PSYCOPG, situation, "leaking", check=check)} == {lost}


def test_one_mistake_has_three_ends() -> None:
    """One pool lets later requests wait, one refuses at once, and the others lose nothing."""
    ended = "sessions_ended"
    waited = [result.refused_after_s for result in results(PSYCOPG, ended, "leaking", check=False)]
    assert all(after_s is not None and after_s > 1.5 for after_s in waited)
    at_once = [result.refused_after_s for result in results({"psycopg2_pool"}, ended, "leaking")]
    assert all(after_s is not None and after_s < 0.5 for after_s in at_once)
    others = set(python_services.names()) - PSYCOPG - {"psycopg2_pool"}
    assert {result.way for result in results(others, ended, "leaking")} == {"comes back"}


def test_one_dead_connection_is_enough_for_sqlalchemy() -> None:
    """After an idle switchover fewer requests fail than connections were dead; of others without a check, one for each."""
    sqlalchemy = {"sqlalchemy_sync", "sqlalchemy_async", "sqlalchemy_pg8000"}
    assert all(1 <= (result.errors or 0) < 5 for result in results(sqlalchemy, "switchover_idle", "careful", check=False))
    others = {*PSYCOPG, "psycopg2_pool", "django_persistent", "django_pool"}
    assert {result.errors for result in results(others, "switchover_idle", "careful", check=False)} == {5}


def test_no_pool_helps_against_a_forgotten_connection() -> None:
    """Nor does its check; who connects anew comes back, and so does a deadline, but for asyncpg's own pool."""
    pools = {each.cell.pool for each in KEPT} & {*python_services.names(), "pgbouncer_session", "pgbouncer_transaction"} - {"no_pool"}
    assert {result.way for result in results(pools, "idle_drop", "careful")} == {"hangs", "refuses"}
    assert {result.way for result in results({"no_pool"}, "idle_drop", "careful")} == {"comes back"}
    assert {result.way for result in results({"psycopg_pool_async", "sqlalchemy_async"}, "idle_drop", "cancelled_careful")} == {
        "comes back"
    }
    assert {result.way for result in results({"asyncpg_pool"}, "idle_drop", "cancelled_careful")} == {"refuses"}


def test_a_cancelled_clean_up_loses_what_it_was_guarding() -> None:
    """Under silence; the context managers lose none."""
    pools = {"asyncpg_pool", "psycopg_pool_async"}
    assert {result.lost for result in results(pools, "silence", "cancelled")} == {3}
    assert {result.lost for result in results(pools, "silence", "cancelled_careful")} == {0}


def test_pgbouncer_comes_back_late() -> None:
    """After a database that was down: so long as it waits between two log-ins, less what passed of that before."""
    late = [result.well_after_s for result in results({"pgbouncer_session", "pgbouncer_transaction"}, "down", "careful")]
    assert all(after_s is not None and 10 < after_s <= 16 for after_s in late)


def test_the_mistake_hides_a_refusal_of_pgbouncer() -> None:
    """What is reported is the rollback that failed after it."""
    errors: list[Measurement] = [each for each in KEPT if each.cell.pool.startswith("pgbouncer") and each.cell.situation == "idle_drop"]
    assert {"connection is lost" in result.why for each in errors if each.cell.mistake == "leaking" for result in each.results} == {True}
    assert {"query_wait_timeout" in result.why for each in errors if each.cell.mistake == "careful" for result in each.results} == {True}
