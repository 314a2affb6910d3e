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
    """Give a cursor on a database whose table of sessions is empty, before and after."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("TRUNCATE sessions")
        yield connection.cursor()
        connection.execute("TRUNCATE sessions")


@pytest.fixture
def source(conninfo: str) -> Iterator[MonitoredDataSource]:
    """Give a pool of two connections."""
    pool = MonitoredDataSource(ServerSettings(database=conninfo, pool_size=2))
    yield pool
    pool.dispose()


def count(sessions: psycopg.Cursor[tuple[int]]) -> int:
    """Count the sessions."""
    row = sessions.execute("SELECT count(*) FROM sessions").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.fact("S7")
def test_a_purge_leaves_what_is_young_and_gives_the_connection_back(
    sessions: psycopg.Cursor[tuple[int]], source: MonitoredDataSource
) -> None:
    """Sessions older than they are kept are gone, and their place is free."""
    kept = Sessions(source, on=True, kept_s=60.0)
    for destination in ("BOS", "CLT"):
        kept.write(f"EWR to {destination}")
    sessions.execute("UPDATE sessions SET begun_at = now() - interval '2 minutes' WHERE looked_for LIKE '%BOS'")
    kept.purge(60.0)
    assert sessions.execute("SELECT looked_for FROM sessions").fetchall() == [("EWR to CLT",)]
    assert source.state().out == 0
    with closing(source.get_connection()) as connection:
        assert connection.driver.autocommit is False


def test_without_the_setting_nothing_is_written(sessions: psycopg.Cursor[tuple[int]], source: MonitoredDataSource) -> None:
    """What is off by default costs nothing."""
    Sessions.start(ServerSettings(database="unused"), source).write("EWR to BOS")
    assert count(sessions) == 0


@pytest.mark.fact("S7")
def test_every_lookup_writes_a_session_that_the_purge_takes(conninfo: str, sessions: psycopg.Cursor[tuple[int]]) -> None:
    """Over a real server: they come, and they go by themselves."""
    with application_server(conninfo, SESSIONS="true", SESSIONS_KEPT_S="0.4") as server:
        assert [server.get(LOOKUP).status_code for _ in range(3)] == [200] * 3
        seen = count(sessions)
        for _ in range(2000):
            if count(sessions) == 0:
                break
            server.get("/health")
        assert (seen > 0, count(sessions)) == (True, 0)


@pytest.mark.fact("S7")
def test_a_planted_leak_keeps_every_so_many_th_connection(conninfo: str) -> None:
    """One of three lookups; the request has ended, so nobody is left who would return it."""
    with application_server(conninfo, LEAK_CONNECTION_EVERY="3", POOL_SIZE="5") as server:
        assert [server.get(LOOKUP).status_code for _ in range(8)] == [200] * 8
        assert wait_pool(server, leaked=2)["out"] == 2


def test_planted_memory_stays_and_is_counted_in_kib(source: MonitoredDataSource) -> None:
    """So much for each lookup; none where nothing is planted."""
    leaking, clean = (SeededLeaks(ServerSettings(database="unused", leak_memory_kib=kib), source) for kib in (3, 0))
    for _ in range(4):
        leaking.after_lookup()
        clean.after_lookup()
    assert [sum(map(len, one._kept)) for one in (leaking, clean)] == [4 * 3 * 1024, 0]  # noqa: SLF001
