"""Names, ports and passwords of the services in compose.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.topology import BALANCERS

if TYPE_CHECKING:
    from testbed.runtime.credentials import Credentials

PORT = 5432
VIRTUAL_IP = "virtual-ip"  # the proxy that is the virtual IP
RECOVERY = "dr"
OFF_SITE = "off-site"
STATISTICS_PORT = 8404
CREDENTIALS = "/run/credentials"  # the passwords of the databases, as compose.yaml mounts them
SERVICE_PORT = 8000
HEARTBEAT_PORT = 8001  # at which a database host sends heartbeats to who subscribes
BALANCER_PORTS = dict.fromkeys(BALANCERS, 8080)  # compose/haproxy.cfg


def heartbeats_of(host: str, link: str) -> str:
    """Return where the other database host has the heartbeats of `host`, by the name that this one has on that network of compose.yaml."""
    return f"{host}-{link}:{HEARTBEAT_PORT}"


def authorization(credentials: Credentials) -> str:
    """Return the header by which a database host is asked for a step; raises FacilityError while there is no token yet."""
    return f"Bearer {credentials.token()}"
