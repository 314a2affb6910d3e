"""Statement time-out: the database server cancels a statement that takes too long (PostgreSQL's `statement_timeout`).

It needs a live server and link to take effect: if the server is gone or the link is silent, it does nothing.
"""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict


def options(seconds: float | None, conninfo: str) -> dict[str, str]:
    """Return libpq's options for a connection whose statements may take `seconds`, added to those of `conninfo`; none without a limit."""
    if seconds is None:
        return {}
    own_options = conninfo_to_dict(conninfo).get("options") or ""
    return {"options": f"{own_options} -c statement_timeout={max(1, round(seconds * 1000))}".strip()}
