"""Statement time-out: the database server cancels a statement that takes too long (PostgreSQL's `statement_timeout`).

It needs a live server and link to take effect: if the server is gone or the link is silent, it does nothing.
"""

from __future__ import annotations

from flight_search.stability import session_options


def options(seconds: float | None, conninfo: str) -> dict[str, str]:
    """Return libpq's options for a connection whose statements may take `seconds`, added to those of `conninfo`; none without a limit."""
    return session_options.of_limit("statement_timeout", seconds, conninfo)
