from __future__ import annotations

import asyncio
import os
import re
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest

from testbed.facility.address import Address
from testbed.facility.runtime import NoRuntime
from testbed.journal.events import ResourceUsage, Size
from testbed.runtime.credentials import SERVICES
from testbed.runtime.postgres.sql import TableSizes
from testbed.runtime.processes.resources import ProcessResources
from tests.flight_search.services import kill_connections

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from testbed.runtime.credentials import Credentials, Login
    from testbed.runtime.postgres.pair import DatabasePair

AT = (1.0, 82_800.0)


@pytest.fixture
def login(credentials: Credentials) -> Login:
    """Return how the services log in."""
    return credentials.login(SERVICES)


def address_of(conninfo: str) -> Address:
    """Return the address in a connection string."""
    found = re.search(r"host=(\S+) port=(\d+)", conninfo)
    assert found is not None
    return Address(found[1], int(found[2]))


class OneProcess(NoRuntime):
    """A runtime whose services are all this process, except one that does not run."""

    async def pid(self, name: str) -> int | None:
        """Return ours."""
        return None if name == "kiosk" else os.getpid()


def resources(directory: Path, server: Address | None, login: Login) -> ProcessResources:
    """Return the resources of a facility with a database server at an address, or without one."""
    pair: Any = SimpleNamespace(server=None if server is None else SimpleNamespace(address=server))
    return ProcessResources(0.2, OneProcess(), ("cf-1", "kiosk"), cast("DatabasePair", pair), directory, TableSizes(login))


def look(measured: ProcessResources) -> tuple[list[ResourceUsage], dict[tuple[str, str], Size]]:
    """Measure once; return usages, and sizes by kind and name."""

    async def measure() -> Sequence[ResourceUsage | Size]:
        try:
            return await measured.look(lambda: AT)
        finally:
            await measured.close()

    events = asyncio.run(measure())
    usages = [event for event in events if isinstance(event, ResourceUsage)]
    return usages, {(event.kind, event.name): event for event in events if isinstance(event, Size)}


@pytest.mark.fact("S7")
def test_processes_tables_and_logs_are_measured(tmp_path: Path, conninfo: str, login: Login) -> None:
    """Those that run; every table with its rows; every log with its bytes."""
    (tmp_path / "cf-1.log").write_bytes(b"x" * 321)
    (tmp_path / "cf-1-errors.log").symlink_to("/dev/full")  # as on a full disk; the next leads nowhere, as before the first line
    (tmp_path / "cf-2-errors.log").symlink_to(tmp_path / "not-yet.log")
    processes, sizes = look(resources(tmp_path, address_of(conninfo), login))
    assert [usage.service for usage in processes] == (["cf-1"] if sys.platform == "linux" else [])
    assert sizes["table", "flights"].rows == 6495
    assert sizes["table", "flights"].size_bytes > 6495 * 40
    assert {name for kind, name in sizes if kind == "table"} >= {"bookings", "check_ins", "sessions"}
    assert {name: size.size_bytes for (kind, name), size in sizes.items() if kind == "log"} == {"cf-1": 321}
    assert sizes["log", "cf-1"].rows is None


@pytest.mark.parametrize("server", [None, Address("127.0.0.1", 1)], ids=["stopped", "refuses"])
def test_tables_of_a_database_that_does_not_answer_are_left_out(tmp_path: Path, server: Address | None, login: Login) -> None:
    """As in a switchover; the rest is measured all the same."""
    (tmp_path / "cf-1.log").touch()
    _, sizes = look(resources(tmp_path, server, login))
    assert set(sizes) == {("log", "cf-1")}


def test_tables_are_measured_again_after_the_database_went_away(conninfo: str, login: Login) -> None:
    """As in a switchover: one measurement has none of them, and the next has all."""
    address, measuring = address_of(conninfo), TableSizes(login)
    before = measuring.look(address)
    kill_connections(conninfo)
    assert measuring.look(address) == []
    assert measuring.look(address) == before
    measuring.close()


def test_a_table_that_is_locked_is_not_waited_for(conninfo: str, login: Login) -> None:
    """That measurement has no table at all, and the next that finds none locked has all."""
    address, measuring = address_of(conninfo), TableSizes(login)
    with psycopg.connect(conninfo) as locking:
        locking.execute("LOCK TABLE flights IN ACCESS EXCLUSIVE MODE")
        assert measuring.look(address) == []
    assert {name for name, _, _ in measuring.look(address)} >= {"flights", "sessions"}
    measuring.close()
