"""Moments at which callers hang, with dumps and evidence: each as a night whose journal and evidence are files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from testbed.journal import evidence as evidence_file
from testbed.journal.events import EvidenceTaken, GroupWait, ThreadGroup, Threads
from testbed.journal.evidence import About, ConnectionOut, DatabaseSide, Evidence, HeldLock, PoolTable, Route, Session
from testbed.journal.thread_states import CHECKOUT, DATABASE, IDLE, SOCKET
from tests.journals import CALLERS, NightBuilder, hung_night

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.journal.reader import Journal

ADDRESSES = {"cf-1": "a:1", "cf-2": "a:2", "kiosk": "a:3", "ivr": "a:4", "partner": "a:5"}
LOST = ConnectionOut(1, "w", 9.0, request_running=False, checked_out_at=("lookup/original.py:16 lookup_by_city",), error="Error: x")
RUNNING = tuple(ConnectionOut(number, "w", 5.0, request_running=True, backend_pid=100 + number) for number in range(4))
HOLDER = Session(7, "flights", "", "idle in transaction", "", "LOCK TABLE flights", 4.0, 4.5)
BLOCKED = tuple(
    Session(100 + number, "flights", "", "active", "Lock: relation", "SELECT", blocked_by=(100,) if number else (7,)) for number in range(4)
)
SERVED = {CALLERS[0]: {"cf-1": 2, "cf-2": 2}, CALLERS[1]: {"cf-1": 3, "cf-2": 1}, CALLERS[2]: {"cf-1": 1, "cf-2": 3}}


def _waits(night: NightBuilder, service: str, state: str, peers: dict[str, int] | None = None) -> None:
    """Add a dump in which all threads of a service do the same; `peers`: for which services they wait, and how many."""
    night.dump(5.45, service, state)
    waits = tuple(GroupWait(count, "socket", "recv", ADDRESSES[peer], "") for peer, count in (peers or {}).items())
    dumped = night.events.pop()
    assert isinstance(dumped, Threads)
    night.events.append(replace(dumped, groups=(ThreadGroup(4, state, "lookup_by_city", ("app.py:1 f",), waits),)))


def _pool(server: str, *rows: ConnectionOut) -> PoolTable:
    return PoolTable(server, 4, 0, None, 4 - len(rows), len(rows), 4, sum(not row.request_running for row in rows), rows)


def _journal(folder: Path, night: NightBuilder, *pools: PoolTable, side: DatabaseSide | None = None) -> Journal:
    services = tuple(About(service, 1, {}, {}, {}, {"database": "host=a port=10"}) for service in ADDRESSES)
    routes = (Route("virtual IP of database", "a:10", "a:20", listens=True),)
    seen = Evidence("hung", 5.5, 5.5, 0.1, pools, services, () if side is None else (side,), routes, ADDRESSES)
    evidence_file.write(seen, folder / "original/evidence/1.json")
    night.events.append(EvidenceTaken(**night.at(5.5), why="hung", file="original/evidence/1.json", took_s=0.1))
    return replace(night.journal(), path=folder / "original.jsonl")


def _hung(servers: dict[str, tuple[str, dict[str, int] | None]]) -> NightBuilder:
    """Return a hung night with dumps of its own: of the servers these, and callers that wait for both."""
    night = hung_night()
    night.events = [event for event in night.events if not isinstance(event, Threads)]
    for server, (state, peers) in servers.items():
        _waits(night, server, state, peers)
    for caller, peers in SERVED.items():
        _waits(night, caller, SOCKET, peers)
    return night


def lost(folder: Path) -> Journal:
    """Return the night of the case: all connections of both servers were lost at one line."""
    night = _hung(dict.fromkeys(("cf-1", "cf-2"), (CHECKOUT, None)))
    return _journal(folder, night, *(_pool(server, *[LOST] * 4) for server in ("cf-1", "cf-2")))


def locked(folder: Path) -> Journal:
    """Return a night in which a session in the database holds a lock for which all others wait."""
    night = _hung(dict.fromkeys(("cf-1", "cf-2"), (DATABASE, None)))
    locks = (HeldLock(7, "flights", "AccessExclusiveLock", granted=True),)
    side = DatabaseSide("database", "db-1", "a:20", "18", 100, (HOLDER, *BLOCKED), locks)
    return _journal(folder, night, *(_pool(server, *RUNNING) for server in ("cf-1", "cf-2")), side=side)


def deadlocked(folder: Path) -> Journal:
    """Return a night in which the servers wait for one another."""
    return _journal(folder, _hung({"cf-1": (SOCKET, {"cf-2": 4}), "cf-2": (SOCKET, {"cf-1": 4})}))


def silent(folder: Path) -> Journal:
    """Return a night in which servers have nothing to do, and their links are silent."""
    return _journal(folder, _hung(dict.fromkeys(("cf-1", "cf-2"), (IDLE, None))))
