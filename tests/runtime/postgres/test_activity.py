from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from testbed.concurrency import wait_until
from testbed.errors import ServiceError
from testbed.facility.address import Address
from testbed.runtime.credentials import ADMINISTRATOR
from testbed.runtime.postgres import activity, sql

if TYPE_CHECKING:
    from testbed.runtime.credentials import Credentials


async def test_a_server_tells_who_waits_for_whose_lock(conninfo: str, credentials: Credentials) -> None:
    """The session that waits names the one that holds the lock, and the lock is on the table of flights."""
    found = re.search(r"host=(\S+) port=(\d+)", conninfo)
    assert found is not None
    address, administrator = Address(found[1], int(found[2])), credentials.login(ADMINISTRATOR)
    with psycopg.connect(conninfo) as locking:
        locking.execute(sql.LOCK_FLIGHTS)
        waiting = await psycopg.AsyncConnection.connect(conninfo)
        reading = asyncio.create_task(waiting.execute(sql.COUNT_FLIGHTS))
        pids = locking.info.backend_pid, waiting.info.backend_pid

        async def look() -> str | None:
            side = await activity.look("database", "db-1", address, administrator)
            blocked = [session for session in side.sessions if session.blocked_by]
            return None if [(one.pid, one.blocked_by) for one in blocked] == [(pids[1], (pids[0],))] else f"{blocked}"

        await wait_until("nobody was seen to wait", look, 10.0)
        side = await activity.look("database", "db-1", address, administrator)
        locking.rollback()
        await reading
        await waiting.close()
    sessions = {session.pid: session for session in side.sessions}
    assert (sessions[pids[1]].wait, sessions[pids[1]].query) == ("Lock: relation", sql.COUNT_FLIGHTS)
    assert (sessions[pids[0]].state, sessions[pids[0]].role) == ("idle in transaction", "flights")
    assert (sessions[pids[0]].transaction_s or 0.0) > 0.0
    granted = {lock.pid: lock.granted for lock in side.locks if lock.relation == "flights"}
    assert granted == {pids[0]: True, pids[1]: False}
    assert (side.address, side.settings["autovacuum"]) == (str(address), "off")


async def test_a_server_that_does_not_answer_is_an_error(credentials: Credentials) -> None:
    """With its address."""
    with pytest.raises(ServiceError, match=r"the database at 127.0.0.1:1 does not answer"):
        await activity.look("database", "db-1", Address("127.0.0.1", 1), credentials.login(ADMINISTRATOR))
