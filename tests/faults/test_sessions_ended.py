from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import conninfo as libpq

from testbed.errors import FacilityError, ServiceError
from testbed.facility.address import Address
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.virtual_time import run
from testbed.faults import read_only
from testbed.faults.read_only import ReadOnly
from testbed.faults.sessions_ended import SessionsEnded
from testbed.faults.slow_database import SlowDatabase
from testbed.runtime.credentials import ADMINISTRATOR, SERVICES
from testbed.runtime.postgres import sql
from testbed.verdict import figures, outcome
from tests.faults.acting import SMALL, acting, steps_of
from tests.nights import flown

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.runtime.credentials import Credentials

ENDED = '[[timeline]]\nat = "23:00"\nfault = "sessions_ended"\n'


def test_sessions_are_ended_and_one_of_them_says_why(tmp_path: Path) -> None:
    """Two steps, the second of which is what a session was told; nothing has to be healed."""

    async def ending() -> str:
        async with acting(tmp_path) as actions:
            told = await actions.inject(SessionsEnded())
            assert actions.facility.active == []
            return told

    assert run(ending()) == "the database server ended 20 sessions (57P01)"
    assert steps_of(tmp_path) == [
        (1, "end every session of the application servers", "end"),
        (2, "verify that a session was told 57P01", "end"),
    ]


def test_sessions_that_go_on_are_a_fault_that_failed(tmp_path: Path) -> None:
    """The second step fails, and says what was seen."""
    builder = FakeBuilder(SMALL)
    builder.database.ineffective = True

    async def ending() -> None:
        async with acting(tmp_path, builder) as actions:
            with pytest.raises(FacilityError, match=r"^expected a session to be told 57P01; saw: it goes on$"):
                await actions.inject(SessionsEnded())

    run(ending())
    assert steps_of(tmp_path)[-1][2] == "failed"


def test_a_fault_that_holds_no_session_goes_on(tmp_path: Path) -> None:
    """The address of a database that is read only leads to its standby as before, and that is not ended under whoever reads."""

    async def ending() -> str:
        async with acting(tmp_path) as actions:
            actions.facility.held_on[read_only.WORD] = actions.facility.database.active
            await SessionsEnded().inject(actions)
            return await ReadOnly().over(actions)

    assert run(ending()) == ""


def test_the_lock_of_a_slow_database_ends_with_its_session(tmp_path: Path) -> None:
    """The database is slow no more, and nothing of it is left to be healed."""

    async def ending() -> str:
        async with acting(tmp_path) as actions:
            slow = SlowDatabase()
            await slow.inject(actions)
            assert await slow.over(actions) == ""
            await SessionsEnded().inject(actions)
            over = await slow.over(actions)
            assert not actions.facility.database.flights.locked  # type: ignore[attr-defined]  # the fake's
            return over

    assert run(ending()) == "the session that held the lock ended"


@pytest.mark.fact("O3", "W3")
@pytest.mark.parametrize(("variant", "wanted"), [("original", "grounded"), ("fixed", "contained")])
def test_ended_sessions_leak_as_those_that_a_switchover_breaks(variant: str, wanted: str) -> None:
    """On fakes, each dead connection is lost over the code that failed, and none over the other."""
    journal = flown(variant, ENDED)
    assert outcome.outcome(journal, figures.of(journal)) == wanted


@pytest.fixture
def address(conninfo: str) -> Address:
    """Return the address of a PostgreSQL."""
    parameters = libpq.conninfo_to_dict(conninfo)
    return Address(str(parameters["host"]), int(str(parameters["port"])))


async def test_a_server_ends_the_sessions_of_one_role_and_of_no_other(conninfo: str, address: Address, credentials: Credentials) -> None:
    """Each of them is told 57P01 at its next statement, an administrator's goes on, and a new session is served."""
    administrator, services = credentials.login(ADMINISTRATOR), credentials.login(SERVICES)
    with ExitStack() as stack:
        theirs = [stack.enter_context(psycopg.connect(conninfo, autocommit=True)) for _ in range(5)]
        other = stack.enter_context(psycopg.connect(sql.conninfo(address, administrator), autocommit=True))
        ended = await sql.end_sessions(address, administrator, services, 10.0)
        assert (ended.told, ended.count >= len(theirs)) == ("57P01", True)
        for connection in theirs:
            with pytest.raises(psycopg.errors.AdminShutdown):
                await asyncio.to_thread(connection.execute, "SELECT 1")
        assert other.execute("SELECT 1").fetchone() == (1,)
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


async def test_sessions_that_nobody_may_end_are_an_error(address: Address, credentials: Credentials, tmp_path: Path) -> None:
    """With the address, and without a count."""
    strangers = type(credentials)(tmp_path / "strangers")
    strangers.make()
    with pytest.raises(ServiceError, match=rf"the database at {address} does not end the sessions"):
        await sql.end_sessions(address, strangers.login(ADMINISTRATOR), credentials.login(SERVICES), 10.0)
