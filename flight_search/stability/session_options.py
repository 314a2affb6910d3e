"""Limits that the database server keeps for a session: PostgreSQL's own settings, which libpq sends with its `options` as one begins."""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict


def of_limit(setting: str, seconds: float | None, conninfo: str) -> dict[str, str]:
    """Return libpq's options for a limit of so many seconds, added to those of `conninfo`; none without a limit."""
    if seconds is None:
        return {}
    return added(str(conninfo_to_dict(conninfo).get("options") or ""), setting, seconds)


def added(own_options: str, setting: str, seconds: float) -> dict[str, str]:
    """Return libpq's options for a limit, beside those that the server is sent already."""
    return {"options": f"{own_options} -c {setting}={max(1, round(seconds * 1000))}".strip()}
