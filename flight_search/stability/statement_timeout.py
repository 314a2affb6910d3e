"""The database server gives up a statement that takes too long (PostgreSQL's `statement_timeout`).

It needs a server that is there to do it: against a server that is gone, or a link that is silent, it does nothing.
"""

from __future__ import annotations


def options(seconds: float | None) -> dict[str, str]:
    """Give the options of a connection whose statements may take so long; none without a limit."""
    return {} if seconds is None else {"options": f"-c statement_timeout={max(1, round(seconds * 1000))}"}
