"""Names and ports of the services in compose.yaml."""

from __future__ import annotations

from testbed.plan.topology import BALANCERS

PORT = 5432
VIRTUAL_IP = "virtual-ip"  # the proxy that is the virtual IP
RECOVERY = "dr"
OFF_SITE = "off-site"
STATISTICS_PORT = 8404
SERVICE_PORT = 8000
BALANCER_PORTS = dict.fromkeys(BALANCERS, 8080)  # compose/haproxy.cfg
