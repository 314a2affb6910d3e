"""Socket time-out: the kernel ends a connection whose other side has gone silent (libpq's keepalives and `tcp_user_timeout`).

It watches the link alone: it ends a connection if sent data, or a probe of an idle connection, is not acknowledged in time.
It does not notice a server that acknowledges and never answers, or a switchover that closes connections; nor silence
behind a proxy, because the proxy itself acknowledges.
"""

from __future__ import annotations

import math

MIN_CONNECT_TIMEOUT_S = 2  # libpq rounds anything shorter up to this


def options(seconds: float | None) -> dict[str, int]:
    """Return libpq's options for a connection that may be silent for `seconds`; none without a limit.

    Probes are sent in whole seconds (tcp(7)), so a connection that only receives takes up to a second longer to notice. Connecting
    has the same limit for the whole handshake, and at least two seconds (libpq).
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
        "connect_timeout": max(MIN_CONNECT_TIMEOUT_S, whole_s),
    }
