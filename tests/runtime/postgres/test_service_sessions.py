from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from testbed.facility.address import Address
from testbed.foreign.leaks import Look, ServiceSession, find_leak
from testbed.runtime.credentials import ADMINISTRATOR, SERVICES
from testbed.runtime.postgres import service_sessions

if TYPE_CHECKING:
    from testbed.runtime.credentials import Credentials


def session(pid: int, application: str, role: str = SERVICES, client: str = "") -> ServiceSession:
    """Return an idle session."""
    return ServiceSession(pid, application, role, client, "idle", 1.0)


def test_the_sessions_of_a_service_are_seen_without_its_help(conninfo: str, credentials: Credentials) -> None:
    """By its application name: which are idle in a transaction, and for how long; nobody has to ask the service."""
    at = conninfo_to_dict(conninfo)
    address = Address(str(at["host"]), int(str(at["port"])))
    named = make_conninfo(conninfo, application_name="cf-7")
    with psycopg.connect(named) as held, psycopg.connect(named, autocommit=True) as idle, psycopg.connect(conninfo):
        held.execute("SELECT 7")
        idle.execute("SELECT 1")
        seen = asyncio.run(service_sessions.look(address, credentials.login(ADMINISTRATOR)))
        own = service_sessions.of_service(seen, "cf-7", SERVICES)
        assert own is not None
        assert {session.pid: session.state for session in own} == {
            held.info.backend_pid: "idle in transaction",
            idle.info.backend_pid: "idle",
        }
        by_pid = {session.pid: session for session in own}
        assert by_pid[held.info.backend_pid].transaction_s is not None
        assert by_pid[held.info.backend_pid].statement == "SELECT 7"
        assert by_pid[idle.info.backend_pid].transaction_s is None
        assert all(session.client.startswith("127.0.0.1:") for session in own)
        later = [ServiceSession(1, "cf-7", SERVICES, "", session.state, 60.0, session.transaction_s and 60.0) for session in own]
        leak = find_leak("cf-7", [Look(0.5 * number, 0, 0, tuple(later)) for number in range(5)])
        assert (leak.by_database, leak.disagree) == (1, True)


def test_a_service_that_sets_no_name_is_known_by_its_clients_or_its_role() -> None:
    """And where other processes share the role, nobody knows which are its own: that is unknown, and not none."""
    unnamed = (
        session(1, "", client="127.0.0.1:5"),
        session(2, "PostgreSQL JDBC Driver", client="127.0.0.1:6"),
        session(3, "x", role="other"),
    )
    assert service_sessions.of_service(unnamed, "cf-1", SERVICES) == unnamed[:2]
    assert service_sessions.of_service(unnamed, "cf-1", SERVICES, clients={"127.0.0.1:6"}) == unnamed[1:2]
    assert service_sessions.of_service(unnamed, "cf-1", SERVICES, others=("cf-2",)) is None


def test_the_sessions_of_the_other_processes_are_none_of_its_own() -> None:
    """A service all of whose sessions have ended has none, as far as the others have names."""
    others = (session(1, "cf-2"), session(2, "cf-3"))
    assert service_sessions.of_service(others, "cf-1", SERVICES, others=("cf-2", "cf-3")) == ()
    assert service_sessions.of_service((*others, session(3, "cf-1")), "cf-1", SERVICES, others=("cf-2", "cf-3")) == (session(3, "cf-1"),)
