from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from flight_search.datasource import MonitoredDataSource
from flight_search.settings import ServerSettings
from flight_search.stability import idle_in_transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = "LOCK TABLE sessions"


@contextmanager
def pool_connection(pool: MonitoredDataSource) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Yield a connection of a pool, and end both."""
    with closing(pool.get_connection()) as connection:
        yield connection.driver
    pool.dispose()


@pytest.mark.variant("idle_in_transaction_timeout")
def test_who_waits_for_a_session_that_does_nothing_goes_on_when_the_server_ends_it(conninfo: str) -> None:
    """A session holds a lock and sends nothing: another gets the lock, the first finds its connection dead, and its place stays out."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, idle_in_transaction_session_timeout_s=0.1))
    forgetful = pool.get_connection()
    forgetful.driver.execute(LOCK)
    with psycopg.connect(conninfo) as other:
        other.execute("SET lock_timeout = '30s'")
        other.execute(LOCK)
    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        forgetful.driver.execute("SELECT 1")
    assert (pool.state().out, pool.state().in_pool) == (1, 0)
    forgetful.close()
    pool.dispose()


def test_a_session_that_is_idle_outside_a_transaction_stays(conninfo: str) -> None:
    """A pooled connection may rest for longer than that: it is in no transaction."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=1, idle_in_transaction_session_timeout_s=0.01))
    with pool_connection(pool) as driver:
        driver.autocommit = True
        driver.execute("SELECT pg_sleep(0.05)")  # a statement is not idle, however long it takes
        with psycopg.connect(conninfo) as other:
            other.execute("SELECT pg_sleep(0.1)")
        assert driver.execute("SELECT 1").fetchone() == (1,)
        driver.autocommit = False


def test_both_of_the_server_s_limits_stand_beside_the_connection_string_s_own_options(conninfo: str) -> None:
    """A statement's limit and this one are one option of libpq's, which each adds to."""
    database = f"{conninfo} options='-c application_name=own'"
    limits = {"statement_timeout_s": 2.0, "idle_in_transaction_session_timeout_s": 3.0}
    pool = MonitoredDataSource(ServerSettings(database=database, pool_size=1, **limits))  # type: ignore[arg-type]
    shown = ("application_name", "statement_timeout", "idle_in_transaction_session_timeout")
    with pool_connection(pool) as driver:
        assert [driver.execute(f"SHOW {name}").fetchone() for name in shown] == [("own",), ("2s",), ("3s",)]  # type: ignore[arg-type]
        driver.rollback()


def test_without_a_limit_the_server_gets_no_options() -> None:
    """Without the setting, as on that night, no option is sent."""
    assert idle_in_transaction.options(None, "host=db-1 options='-c a.b=c'") == {}
