"""What a database server says of itself: its sessions, their locks, and who waits for whom (`pg_stat_activity`, `pg_locks`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, LiteralString

from testbed.journal.evidence import DatabaseSide, HeldLock, Session
from testbed.runtime.postgres import sql

if TYPE_CHECKING:
    from testbed.facility.address import Address
    from testbed.runtime.credentials import Login

WITHIN_S = 10.0  # whoever asks has a bound of their own
SERVER: LiteralString = "SELECT current_setting('server_version'), current_setting('max_connections')"
SESSIONS: LiteralString = """
SELECT pid, coalesce(usename, ''), coalesce(host(client_addr) || ':' || client_port, ''), coalesce(state, ''),
       coalesce(wait_event_type || ': ' || wait_event, ''), left(query, 200),
       extract(epoch FROM clock_timestamp() - state_change)::float8, extract(epoch FROM clock_timestamp() - xact_start)::float8,
       pg_blocking_pids(pid)
FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY backend_start
"""
LOCKS: LiteralString = """
SELECT pid, relation::regclass::text, mode, granted FROM pg_locks
WHERE relation IS NOT NULL AND pid <> pg_backend_pid() ORDER BY granted DESC, pid, 2
"""
SETTINGS: LiteralString = """
SELECT name, current_setting(name) FROM pg_settings WHERE source NOT IN ('default', 'override') ORDER BY name
"""


async def look(database: str, host: str, address: Address, administrator: Login) -> DatabaseSide:
    """Ask the server of a database at its own address; raises ServiceError. Only an administrator sees the sessions of all roles."""
    (server,), sessions, locks, settings = await sql.fetch_all(address, administrator, (SERVER, SESSIONS, LOCKS, SETTINGS), WITHIN_S)
    version, connections = server
    return DatabaseSide(
        database=database,
        host=host,
        address=str(address),
        version=version,
        max_connections=int(connections),
        sessions=tuple(replace(Session(*row), blocked_by=tuple(blockers)) for *row, blockers in sessions),
        locks=tuple(HeldLock(*row) for row in locks),
        settings=dict(settings),
    )
