"""Application servers that go to an address at which no database server is, and not to the virtual IP, which leads to one (C5, P2).

From the evidence of one moment alone: what the servers' settings name, where the virtual IP leads, and which database server answers where.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.evidence import VIRTUAL_IP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.journal.evidence import DatabaseSide, Evidence, PoolTable, Route


@dataclass(frozen=True, slots=True)
class WrongAddress:
    """An address at which nobody answers, and the servers that are configured with it.

    `whose`: which host's own it is, if it is known to be one's. `virtual_ip` is the address to which they should go, and `leads_to` the
    host on which that database runs; where there are several databases and nothing tells which is theirs, those of all. `failed`: the
    connects of all their pools that have failed since one last succeeded, `error` with what the last did.
    """

    address: str
    servers: tuple[str, ...]
    whose: str
    virtual_ip: str
    leads_to: str
    failed: int = 0
    error: str = ""

    def __str__(self) -> str:
        servers = " and ".join(filter(None, (", ".join(self.servers[:-1]), self.servers[-1])))
        connect = "connects" if len(self.servers) == 1 else "connect"
        whose = f"{self.whose}'s own address" if self.whose else "where no database server is"
        ended = (
            f"{self.failed} checkout{'s' if self.failed > 1 else ''} failed with {_reason(self.error)}" if self.failed else "nobody answers"
        )
        return (
            f"{servers} {connect} to {self.address}, {whose}, and not to the virtual IP at {self.virtual_ip}, "
            f"which leads to {self.leads_to}: {ended}"
        )


def found(evidence: Evidence | None) -> tuple[WrongAddress, ...]:
    """Return each wrong address, in the order of the servers.

    An address is wrong if it is no proxy's, no database server that answers is there, and the virtual IP leads to one that does. As long
    as a host's own address leads to the database, it is a mistake that harms nobody yet.
    """
    return () if evidence is None else tuple(_found(evidence))


def _found(evidence: Evidence) -> Iterator[WrongAddress]:
    named: defaultdict[str, list[str]] = defaultdict(list)
    for about in evidence.services:
        if about.database_address:
            named[about.database_address].append(about.service)
    leads_somewhere = {route.address for route in evidence.routes} | {side.address for side in evidence.databases}
    for address, servers in named.items():
        own = next((own for own in evidence.hosts if own.address == address), None)
        right = list(_right_ones(evidence, "" if own is None else own.database))
        if address in leads_somewhere or not right:
            continue
        tables = [table for table in evidence.pools if table.service in servers and table.connects_failed]
        yield WrongAddress(
            address=address,
            servers=tuple(servers),
            whose="" if own is None else own.host,
            virtual_ip=" or ".join(route.address for route, _ in right),
            leads_to=" or ".join(dict.fromkeys(side.host for _, side in right)),
            failed=sum(table.connects_failed for table in tables),
            error=_last_error(tables),
        )


def _right_ones(evidence: Evidence, database: str) -> Iterator[tuple[Route, DatabaseSide]]:
    """Yield the virtual IP of a database with what it leads to, or each if it is not known of which; none that leads to nobody."""
    for route in evidence.routes:
        if route.is_virtual_ip and route.listens and database in ("", route.name.removeprefix(VIRTUAL_IP)):
            side = next((side for side in evidence.databases if side.address == route.leads_to), None)
            if side is not None:
                yield route, side


def _last_error(tables: Sequence[PoolTable]) -> str:
    return tables[-1].connect_error if tables else ""


def _reason(error: str) -> str:
    """Return what a driver's error comes to: of `OperationalError: connection to server at … failed: Connection refused`, the end."""
    reason = error.partition("\n")[0].rpartition(": ")[2]
    return reason[:1].lower() + reason[1:] or "an error that is not known"
