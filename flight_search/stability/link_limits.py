"""Limits on an application server's link to the database, each a setting of its own: libpq's, and so the kernel's.

| setting | what ends after so long |
|---|---|
| `connect_timeout_s` | an attempt to connect, whole handshake included, that is not answered |
| `tcp_user_timeout_s` | a connection over which something was sent, and is not acknowledged |
| `keepalives_idle_s` | a connection over which nothing came for so long, once probes are not acknowledged either |

Probes follow each other `keepalives_interval_s` apart, and `keepalives_count` of them have to be lost; with a `tcp_user_timeout_s`, that
one decides when an unacknowledged probe ends the connection, and not their number (tcp(7)). A read that waits has sent all it had, so no
`tcp_user_timeout_s` ends it alone: only probes do.

`socket_timeout_s` is all three in one (`socket_timeout.py`); what is set by itself replaces its part.
None of them notices a server that acknowledges and never answers, nor silence behind a proxy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flight_search.stability import socket_timeout

if TYPE_CHECKING:
    from flight_search.settings import ServerSettings


def options(settings: ServerSettings) -> dict[str, int]:
    """Return libpq's options for the limits that are set; none of a limit that is not."""
    found = socket_timeout.options(settings.socket_timeout_s)
    if settings.connect_timeout_s is not None:
        found["connect_timeout"] = settings.connect_timeout_s
    if settings.tcp_user_timeout_s is not None:
        found["tcp_user_timeout"] = max(1, round(settings.tcp_user_timeout_s * 1000))
    if settings.keepalives_idle_s is not None:
        found |= {
            "keepalives": 1,
            "keepalives_idle": settings.keepalives_idle_s,
            "keepalives_interval": settings.keepalives_interval_s,
            "keepalives_count": settings.keepalives_count,
        }
    return found
