"""The database pair: the ways in which its server ends, starts, and is followed."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from testbed.errors import FacilityError
from testbed.plan.topology import HOSTS
from testbed.runtime.credentials import SERVICES
from testbed.runtime.postgres import sql
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.kept_array import prepared_array
from testbed.runtime.postgres.pair import DatabasePair
from testbed.runtime.postgres.prepared import copy_array
from testbed.runtime.postgres.programs import find_programs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testbed.facility.address import Address
    from testbed.runtime.credentials import Credentials
    from testbed.runtime.run_directory import RunDirectory

CHECK_IN = "INSERT INTO check_ins (passenger, date, carrier, flight) SELECT %s, date, carrier, flight FROM flights LIMIT 1"
STARTING = "the database system is starting up"


@pytest.fixture
async def pair(
    run_directory: RunDirectory, credentials: Credentials, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DatabasePair]:
    """Return a pair whose server runs on db-1, with the real week."""
    programs = find_programs(None, run_directory.path)
    directory = run_directory.path / tmp_path_factory.mktemp("pair").name
    prepared = Array(run_directory.path / "prepared")
    data = prepared.data if prepared.data.exists() else await prepared_array(run_directory, programs, credentials)
    array = copy_array(programs, data, directory / "storage")
    pair = DatabasePair(run_directory, programs, array, directory, 20, credentials)
    await pair.mount(HOSTS[0])
    await pair.start_server(HOSTS[0])
    yield pair
    await pair.throw_away()


@asynccontextmanager
async def session(pair: DatabasePair, address: Address | None = None) -> AsyncIterator[psycopg.AsyncConnection]:
    """Yield a session of the services' role, which may be dead at its end."""
    login = pair.credentials.login(SERVICES)
    connection = await psycopg.AsyncConnection.connect(sql.conninfo(address or pair.address, login), autocommit=True)
    try:
        yield connection
    finally:
        await connection.close()


async def passengers(pair: DatabasePair) -> list[str]:
    """Return who has checked in."""
    async with session(pair) as connection:
        return [name for (name,) in await (await connection.execute("SELECT passenger FROM check_ins ORDER BY 1")).fetchall()]


async def test_a_fast_stop_ends_sessions_with_a_word(pair: DatabasePair) -> None:
    """57P01, and nothing was waited for."""
    async with session(pair) as connection:
        assert await pair.stop_server() == ""
        with pytest.raises(psycopg.errors.AdminShutdown):
            await connection.execute("SELECT 1")


async def test_a_smart_stop_waits_for_sessions_and_lets_nobody_in(pair: DatabasePair) -> None:
    """A session works on until the patience is over, and is ended then; without one, the server ends at once."""
    began_s, address = time.monotonic(), pair.address
    async with session(pair) as connection:
        stopping = asyncio.create_task(pair.stop_server("smart", 0.5))
        await asyncio.sleep(0.2)
        with pytest.raises(psycopg.OperationalError, match="the database system is shutting down"):
            async with session(pair, address):
                pass
        assert await (await connection.execute("SELECT 1")).fetchone() == (1,)
        assert await stopping == "its sessions had not ended after 0.5 s, and were ended"
        assert time.monotonic() - began_s >= 0.5
        with pytest.raises(psycopg.errors.AdminShutdown):
            await connection.execute("SELECT 1")
    await pair.start_server(HOSTS[0])
    assert await pair.stop_server("smart", 30) == ""


@pytest.mark.parametrize("how", ["immediate", "kill"])
async def test_what_was_committed_is_there_after_a_crash(pair: DatabasePair, how: str) -> None:
    """And nothing else; the next server says that it recovers, and is on the host that has the array."""
    async with session(pair) as connection, session(pair) as other:
        await connection.execute(CHECK_IN, ("Ada",))
        async with other.transaction():
            await other.execute(CHECK_IN, ("Grace",))
            await (pair.kill_server() if how == "kill" else pair.stop_server("immediate"))
            with pytest.raises(psycopg.OperationalError):
                await connection.execute("SELECT 1")
            with pytest.raises(psycopg.OperationalError):
                await other.execute("SELECT 1")
            await other.close()
    await pair.start_server(HOSTS[0])
    assert await passengers(pair) == ["Ada"]
    assert "automatic recovery in progress" in (pair.logs / f"{HOSTS[0]}.log").read_text()


async def test_a_server_that_is_held_where_it_recovers_refuses_each_log_in_and_says_why(pair: DatabasePair) -> None:
    """Its port answers; let go, it has what was there before, and accepts writes."""
    async with session(pair) as connection:
        await connection.execute(CHECK_IN, ("Ada",))
    await pair.stop_server()
    address = await pair.hold_start(HOSTS[0])
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError, match=STARTING):
            async with session(pair, address):
                pass
    held = pair.is_starting
    await pair.finish_start()
    assert (held, pair.is_starting) == (True, False)
    async with session(pair) as connection:
        await connection.execute(CHECK_IN, ("Grace",))
    assert await passengers(pair) == ["Ada", "Grace"]
    with pytest.raises(FacilityError, match=r"^no database server is starting up on db-1$"):
        await pair.finish_start()


async def test_a_server_that_is_held_can_be_stopped_and_moved(pair: DatabasePair) -> None:
    """As by a switchover: nothing is held on the other host, where the array is whole, and may be held again."""
    for old, new in (HOSTS, HOSTS[::-1]):
        await pair.stop_server()
        await pair.hold_start(old)
        await pair.stop_server()
        assert not pair.is_starting
        await pair.unmount(old)
        await pair.mount(new)
        await pair.start_server(new)
        assert await passengers(pair) == []


async def test_a_held_server_that_is_thrown_away_leaves_no_process(pair: DatabasePair) -> None:
    """Not even the command that waits."""
    await pair.stop_server()
    await pair.hold_start(HOSTS[0])
    await pair.throw_away()
    assert not Array(pair.array.root).in_use


async def test_a_standby_is_read_from_follows_and_accepts_no_write(pair: DatabasePair) -> None:
    """There is one at a time, and nothing of it is left."""
    async with session(pair) as connection:
        await connection.execute(CHECK_IN, ("Ada",))
        standby = await pair.start_standby()
        with pytest.raises(FacilityError, match="a standby runs already"):
            await pair.start_standby()
        await connection.execute(CHECK_IN, ("Grace",))
    async with session(pair, standby) as connection:
        async with asyncio.timeout(10):
            while (await (await connection.execute("SELECT count(*) FROM check_ins")).fetchone()) != (2,):
                await asyncio.sleep(0.02)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await connection.execute(CHECK_IN, ("Edith",))
    assert await pair.flights.is_read_only(standby, 5.0)
    assert not await pair.flights.is_read_only(pair.address, 5.0)
    assert await pair.flights.count(standby, 5.0) == await pair.flights.count(pair.address, 5.0)
    before = set(pair.array.root.parent.iterdir())
    await pair.stop_standby()
    assert {path.name for path in before - set(pair.array.root.parent.iterdir())} == {f"{pair.array.root.name}-standby"}
    await pair.stop_standby()


async def test_without_a_server_nothing_is_stopped_killed_or_followed(pair: DatabasePair) -> None:
    """Each says so, and which host has none."""
    await pair.stop_server()
    for act in (pair.stop_server, pair.kill_server, pair.start_standby):
        with pytest.raises(FacilityError, match=r"^no database server runs on db-1$"):
            await act()
