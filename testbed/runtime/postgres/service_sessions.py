"""The sessions of one service in the database, without its help: by the application name, or where it sets none, by its client ports."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from testbed.foreign.leaks import ServiceSession
from testbed.runtime.postgres import sql

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from testbed.facility.address import Address
    from testbed.runtime.credentials import Login

WITHIN_S = 2.0  # a database that answers later is one that does not answer
SESSIONS: LiteralString = """
SELECT pid, coalesce(application_name, ''), coalesce(usename, ''), coalesce(host(client_addr) || ':' || client_port, ''),
       coalesce(state, ''), greatest(0, coalesce(extract(epoch FROM clock_timestamp() - state_change), 0))::float8,
       extract(epoch FROM clock_timestamp() - xact_start)::float8, left(query, 200)
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY backend_start, pid LIMIT 5000
"""


async def look(address: Address, administrator: Login, within_s: float = WITHIN_S) -> tuple[ServiceSession, ...]:
    """Return every session of a database; raises ServiceError when it does not answer in time.

    Only an administrator sees the states of other roles' sessions. Whose they are is told by `of_service`: one query is enough for all.
    """
    (rows,) = await sql.fetch_all(address, administrator, (SESSIONS,), within_s)
    return tuple(ServiceSession(*row) for row in rows)


def of_service(
    sessions: Iterable[ServiceSession], application: str, role: str, clients: Collection[str] = (), others: Collection[str] = ()
) -> tuple[ServiceSession, ...] | None:
    """Return the sessions of one process of a service; None where it cannot be told which they are.

    They have its application name (`PGAPPNAME`, or `application_name` in the DSN). A driver that sets a name of its own, or none, is known
    by its end of the connection (`clients`, as `HOST:PORT`); and where nobody knows that, by the role, if no other process (`others`, by
    their application names) has that, too.
    """
    theirs = [session for session in sessions if session.role == role and session.application not in others]
    named = tuple(session for session in theirs if session.application == application or session.client in clients)
    if named or not theirs:
        return named
    return None if others else tuple(theirs)
