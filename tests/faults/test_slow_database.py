from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import conninfo as libpq

from testbed.errors import FacilityError
from testbed.facility.address import Address
from testbed.fakes import service
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.link import FakeLink
from testbed.faults.slow_database import SlowDatabase
from testbed.journal.writer import JournalWriter
from testbed.plan.clock import NightClock
from testbed.plan.topology import FacilityPlan
from testbed.replay.actions import Actions
from testbed.replay.recorder import Recorder
from testbed.replay.state import FacilityState
from testbed.runtime.credentials import SERVICES
from testbed.runtime.postgres import sql
from tests.journals import header

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.runtime.credentials import Credentials

HEALED_WITHIN_MS = 10_000
READ = "SELECT count(*) > 0 FROM flights"


@pytest.fixture
def database(conninfo: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point the virtual IP of a fake facility at a real PostgreSQL; return its connection string."""
    parameters = libpq.conninfo_to_dict(conninfo)
    monkeypatch.setattr(FakeLink, "address", Address(str(parameters["host"]), int(str(parameters["port"]))))
    monkeypatch.setattr(service, "START_S", 0.01)
    return conninfo


async def acting(writer: JournalWriter, directory: Path, credentials: Credentials) -> Actions:
    """Build a small facility and return the actions on it."""
    facility = await FakeBuilder(FacilityPlan(application_servers=1, request_threads=1, pool_size=1, callers=("kiosk",))).build()
    facility.database.flights = sql.FlightsInPostgres(credentials.login(SERVICES))  # type: ignore[misc]  # a field of the fake
    recorder = Recorder(writer, NightClock(0.0, 1.0), origin_s=0.0)
    return Actions(facility, FacilityState(facility.application_servers, facility.callers), recorder, directory)


def flights_are_read(database: str, within_ms: int = 100) -> bool:
    """Return whether the table of flights is read within a time; any other query of the same session works."""
    with psycopg.connect(database, autocommit=True) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        connection.execute(f"SET statement_timeout = '{within_ms}ms'")
        try:
            return connection.execute(READ).fetchone() == (True,)
        except psycopg.errors.QueryCanceled:
            return False


async def test_a_locked_table_is_read_by_nobody_until_it_is_healed(tmp_path: Path, database: str, credentials: Credentials) -> None:
    """The database answers, and no flight is read; healed, flights are read again, and healing twice does no harm."""
    with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
        actions = await acting(writer, tmp_path, credentials)
        assert await SlowDatabase().inject(actions) == "the table of flights is locked"
        assert not await asyncio.to_thread(flights_are_read, database)
        healed = await SlowDatabase().heal(actions)
        assert healed.startswith("the table of flights is unlocked")
        assert await asyncio.to_thread(flights_are_read, database, HEALED_WITHIN_MS)
        assert await SlowDatabase().heal(actions) == healed


async def test_a_lock_that_keeps_nobody_waiting_is_a_fault_that_failed(
    tmp_path: Path, database: str, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flights that are still counted fail the injection, with how many."""
    monkeypatch.setattr(sql, "LOCK_FLIGHTS", "LOCK TABLE flights IN ACCESS SHARE MODE")
    with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
        actions = await acting(writer, tmp_path, credentials)
        with pytest.raises(FacilityError, match=r"expected the table of flights to be locked; saw: [1-9]\d* flights counted"):
            await SlowDatabase().inject(actions)
        await SlowDatabase().heal(actions)


async def test_a_lock_whose_session_was_ended_is_released_all_the_same(tmp_path: Path, database: str, credentials: Credentials) -> None:
    """As a switchover ends it: nothing is left to be released, and that is no error."""
    with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
        actions = await acting(writer, tmp_path, credentials)
        await SlowDatabase().inject(actions)
        with psycopg.connect(database, autocommit=True) as connection:
            held = (
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE relation = 'flights'::regclass AND mode = 'AccessExclusiveLock'"
            )
            assert connection.execute(held).fetchone() == (True,)
        assert (await SlowDatabase().heal(actions)).startswith("the table of flights is unlocked")


async def test_a_lock_is_over_when_the_database_has_moved(tmp_path: Path, database: str, credentials: Credentials) -> None:
    """Its session ended with the server on the old host; until then it has to be healed."""
    with JournalWriter(tmp_path / "a.jsonl", header()) as writer:
        actions = await acting(writer, tmp_path, credentials)
        await SlowDatabase().inject(actions)
        assert await SlowDatabase().over(actions) == ""
        actions.facility.database.active = "db-2"
        assert await SlowDatabase().over(actions) == "the session that held the lock ended with the database server on db-1"
        assert await asyncio.to_thread(flights_are_read, database, HEALED_WITHIN_MS)
