"""The database server gives up a statement that takes too long (PostgreSQL's `statement_timeout`).

It needs a server that is there to do it: against a server that is gone, or a link that is silent, it does nothing.
"""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict


def options(seconds: float | None, conninfo: str) -> dict[str, str]:
    """Give the options of a connection whose statements may take so long; none without a limit. What `conninfo` asks for is kept."""
    if seconds is None:
        return {}
    asked_for = conninfo_to_dict(conninfo).get("options") or ""
    return {"options": f"{asked_for} -c statement_timeout={max(1, round(seconds * 1000))}".strip()}
