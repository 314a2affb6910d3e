"""The map of a facility, as a page draws it: who stands where, and who connects to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.topology import HOSTS, PASSENGERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.classroom.board import Json
    from testbed.journal.events import FacilityNames

VIRTUAL_IP = "virtual_ip"


def of(names: FacilityNames, balancers: Sequence[str] = ()) -> Json:
    """Return nodes and links, from the passengers to the database hosts; behind balancers, callers know no application server."""
    servers, callers = names.application_servers, names.callers
    nodes = [
        {"name": PASSENGERS, "kind": "passengers"},
        *({"name": name, "kind": "caller"} for name in callers),
        *({"name": name, "kind": "balancer"} for name in balancers),
        *({"name": name, "kind": "server"} for name in servers),
        {"name": VIRTUAL_IP, "kind": "virtual_ip"},
        *({"name": name, "kind": "database"} for name in HOSTS),
    ]
    fronts = tuple(balancers) or servers
    links = [
        *((PASSENGERS, caller) for caller in callers),
        *((caller, front) for caller in callers for front in fronts),
        *((front, server) for front in balancers for server in servers),
        *((server, VIRTUAL_IP) for server in servers),
        *((VIRTUAL_IP, host) for host in HOSTS),
    ]
    return {"nodes": nodes, "links": links}
