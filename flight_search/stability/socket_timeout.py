"""The kernel gives up a connection whose other side has become silent (libpq's keepalives and `tcp_user_timeout`).

It is about the link alone. What was sent and is not acknowledged for so long, or a probe of an idle connection that is
not, ends it. A server that acknowledges and does not answer, and a switchover that closes connections, it does not see;
nor does it see silence behind a proxy, which acknowledges what it takes in itself.
"""

from __future__ import annotations

import math

LEAST_CONNECT_S = 2  # what libpq makes of less


def options(seconds: float | None) -> dict[str, int]:
    """Give the options of a connection that is given up after so long; none without a limit.

    Probes go in whole seconds (tcp(7)), so of a connection that only listens it takes a second longer to find out. Whoever connects
    waits for the whole handshake as long as that, and for two seconds at least (libpq).
    """
    if seconds is None:
        return {}
    whole_s = math.ceil(seconds)
    return {
        "tcp_user_timeout": max(1, round(seconds * 1000)),
        "keepalives": 1,
        "keepalives_idle": whole_s,
        "keepalives_interval": 1,
        "keepalives_count": 1,
        "connect_timeout": max(LEAST_CONNECT_S, whole_s),
    }
