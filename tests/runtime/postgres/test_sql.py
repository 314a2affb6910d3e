from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from testbed.concurrency import wait_until
from testbed.errors import ServiceError
from testbed.facility.address import Address
from testbed.runtime.credentials import SERVICES
from testbed.runtime.postgres import sql

if TYPE_CHECKING:
    from testbed.runtime.credentials import Credentials

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE pid <> %s AND query = %s"


async def test_a_lock_that_is_not_had_in_time_says_so_and_leaves_no_session(conninfo: str, credentials: Credentials) -> None:
    """Or the lock would be taken later, with nothing to release it."""
    found = re.search(r"host=(\S+) port=(\d+)", conninfo)
    assert found is not None
    address, flights = Address(found[1], int(found[2])), sql.FlightsInPostgres(credentials.login(SERVICES))
    with psycopg.connect(conninfo) as locking, psycopg.connect(conninfo, autocommit=True) as watching:
        locking.execute(sql.LOCK_FLIGHTS)
        with pytest.raises(ServiceError, match=f"the database at {address} does not lock the table of flights: not done within 0.2 s"):
            await flights.lock(address, 0.2)
        with pytest.raises(ServiceError, match=f"the database at {address} does not answer: not done within 0.2 s"):
            await flights.count(address, 0.2)

        async def look() -> str | None:
            found = watching.execute(WAITING, [locking.info.backend_pid, sql.LOCK_FLIGHTS]).fetchone()
            return None if found == (0,) else f"{found} sessions"

        await wait_until("the session that asked for the lock did not end", look, 10.0)


async def test_a_database_that_refuses_is_an_error_with_the_drivers_words(credentials: Credentials) -> None:
    """Each says what could not be done, and where."""
    nowhere, login = Address("127.0.0.1", 1), credentials.login(SERVICES)
    with pytest.raises(ServiceError, match=r"the database at 127.0.0.1:1 cannot run the statements: connection failed.*refused"):
        await sql.execute(nowhere, login, sql.ALIVE, 5.0)
    with pytest.raises(ServiceError, match=r"the database at 127.0.0.1:1 cannot be read: connection failed.*refused"):
        await sql.read(nowhere, login, 5.0)
