"""The balancers of the containers runtime, in HAProxy's own statistics (C3)."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests

from testbed.journal.events import ServerStatistics
from testbed.journal.evidence import Route
from testbed.runtime.containers.services import BALANCER_PORTS, SERVICE_PORT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from testbed.facility.address import Address

WITHIN_S = 2.0  # as with all monitoring, a later answer counts as none
BACKEND = "application_servers"  # compose/haproxy.cfg
ALONE_PORT = 8080  # plus a server's number: at that port a balancer has that server alone


def url_of(balancer: str, server: str) -> str:
    """Return the URL at which a balancer has one application server alone, for a service group."""
    return f"http://{balancer}:{ALONE_PORT + int(server.rpartition('-')[2])}"


def balanced_routes(servers: Sequence[str]) -> tuple[Route, ...]:
    """Return where the balancers lead, as compose/haproxy.cfg says: at one port to all application servers in turn, at others to one."""
    return tuple(
        Route(f"{balancer} to {server}", address, f"{server}:{SERVICE_PORT}", listens=True)
        for balancer, port in BALANCER_PORTS.items()
        for server in servers
        for address in (f"{balancer}:{port}", urlsplit(url_of(balancer, server)).netloc)
    )


def statistics(address: Address, servers: Collection[str]) -> tuple[ServerStatistics, ...]:
    """Return a balancer's statistics of some application servers; none when it does not answer. It blocks."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            return parse(session.get(f"{address.url}/;csv", timeout=WITHIN_S).text, servers)
    except requests.RequestException:
        return ()


def parse(text: str, servers: Collection[str]) -> tuple[ServerStatistics, ...]:
    """Parse HAProxy's statistics in CSV (its manual, Management Guide, 9.1); return none when the text is not that or lacks a column."""
    parsed = []
    for row in csv.DictReader(text.removeprefix("# ").splitlines()):
        if row.get("pxname") != BACKEND or row.get("svname") not in servers:
            continue
        try:
            parsed.append(
                ServerStatistics(
                    server=row["svname"],
                    status=row["status"],
                    sessions=int(row["scur"]),
                    sessions_total=int(row["stot"]),
                    queue=int(row["qcur"]),
                    check=row["check_status"].removeprefix("* "),  # "* ": another check is under way
                )
            )
        except (KeyError, ValueError, AttributeError, TypeError):
            return ()
    return tuple(parsed)
