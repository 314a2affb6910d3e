"""Idle in transaction: the database server ends a session that has begun a transaction and then sends nothing for too long.

PostgreSQL's `idle_in_transaction_session_timeout`. It frees what the transaction held (its locks, and the old rows that no vacuum may take
meanwhile), and so helps everybody else. It does nothing for a pool: a leaked connection is out as before, and now dead as well; and it
needs a live server, so a session that a switchover has ended is none of its business.
"""

from __future__ import annotations

from flight_search.stability import session_options


def options(seconds: float | None, conninfo: str) -> dict[str, str]:
    """Return libpq's options for a session that may be idle in a transaction for `seconds`, added to those of `conninfo`; none without."""
    return session_options.of_limit("idle_in_transaction_session_timeout", seconds, conninfo)
