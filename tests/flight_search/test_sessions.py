from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest

from flight_search.datasource import MonitoredDataSource
from flight_search.seeded_leaks import SeededLeaks
from flight_search.sessions import Sessions
from flight_search.settings import ServerSettings
from tests.flight_search.services import LOOKUP, application_server, wait_pool

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sessions(conninfo: str) -> Iterator[psycopg.Cursor[tuple[int]]]:
    """Yield a cursor on a database whose table of sessions is empty, before and after the test."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("TRUNCATE sessions")
        yield connection.cursor()
        connection.execute("TRUNCATE sessions")


@pytest.fixture
def source(conninfo: str) -> Iterator[MonitoredDataSource]:
    """Yield a pool of two connections."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=2))
    yield pool
    pool.dispose()


def count(sessions: psycopg.Cursor[tuple[int]]) -> int:
    """Return the number of sessions."""
    row = sessions.execute("SELECT count(*) FROM sessions").fetchone()
    assert row is not None
    return row[0]


def count_written(sessions: psycopg.Cursor[tuple[int]]) -> int:
    """Return the number of sessions that were ever written, purged or not: the last that the table's sequence gave."""
    row = sessions.execute("SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('sessions', 'number')::regclass), 0)").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.fact("S7")
def test_a_purge_deletes_old_sessions_and_checks_its_connection_in(
    sessions: psycopg.Cursor[tuple[int]], source: MonitoredDataSource
) -> None:
    """A purge deletes exactly the sessions older than the retention time, and returns its connection without autocommit."""
    table = Sessions(source, on=True, retention_s=60.0)
    for destination in ("BOS", "CLT"):
        table.write(f"EWR to {destination}")
    sessions.execute("UPDATE sessions SET begun_at = now() - interval '2 minutes' WHERE looked_for LIKE '%BOS'")
    table.purge(60.0)
    assert sessions.execute("SELECT looked_for FROM sessions").fetchall() == [("EWR to CLT",)]
    assert source.state().out == 0
    with closing(source.get_connection()) as connection:
        assert connection.driver.autocommit is False


def test_without_the_setting_nothing_is_written(sessions: psycopg.Cursor[tuple[int]], source: MonitoredDataSource) -> None:
    """A lookup writes no session unless the setting is on."""
    Sessions.start(ServerSettings(database="unused"), source).write("EWR to BOS")
    assert count(sessions) == 0


@pytest.mark.fact("S7")
def test_every_lookup_writes_a_session_that_the_purge_deletes(conninfo: str, sessions: psycopg.Cursor[tuple[int]]) -> None:
    """In a real server lookups write sessions, and the purge deletes them without being asked."""
    with application_server(conninfo, SESSIONS="true", SESSIONS_KEPT_S="0.4") as server:
        before = count_written(sessions)
        assert [server.get(LOOKUP).status_code for _ in range(3)] == [200] * 3
        assert count_written(sessions) == before + 3
        for _ in range(2000):
            if count(sessions) == 0:
                break
            server.get("/health")
        assert count(sessions) == 0


@pytest.mark.fact("S7")
def test_a_seeded_leak_takes_a_connection_at_every_nth_lookup(conninfo: str) -> None:
    """With `leak_connection_every` 3, eight lookups leak two connections, whose requests have ended."""
    with application_server(conninfo, LEAK_CONNECTION_EVERY="3", POOL_SIZE="5") as server:
        assert [server.get(LOOKUP).status_code for _ in range(8)] == [200] * 8
        assert wait_pool(server, leaked=2)["out"] == 2


def test_a_seeded_memory_leak_grows_by_its_kib_at_every_lookup(source: MonitoredDataSource) -> None:
    """Four lookups of 3 KiB each leave 12 KiB; without the setting, nothing."""
    leaking, clean = (SeededLeaks(ServerSettings(database="unused", leak_memory_kib=kib), source) for kib in (3, 0))
    for _ in range(4):
        leaking.after_lookup()
        clean.after_lookup()
    assert [sum(map(len, leaks._leaked_memory)) for leaks in (leaking, clean)] == [4 * 3 * 1024, 0]  # noqa: SLF001
