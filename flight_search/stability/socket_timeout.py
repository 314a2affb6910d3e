"""The kernel gives up a connection whose other side has become silent (libpq's keepalives and `tcp_user_timeout`).

It is about the link alone. What was sent and is not acknowledged for so long, or a probe of an idle connection that is
not, ends it. A server that acknowledges and does not answer, and a switchover that closes connections, it does not see.
"""

from __future__ import annotations

import math


def options(seconds: float | None) -> dict[str, int]:
    """Give the options of a connection that is given up after so long; none without a limit. Probes go in whole seconds (tcp(7))."""
    if seconds is None:
        return {}
    return {
        "tcp_user_timeout": max(1, round(seconds * 1000)),
        "keepalives": 1,
        "keepalives_idle": math.ceil(seconds),
        "keepalives_interval": 1,
        "keepalives_count": 1,
    }
