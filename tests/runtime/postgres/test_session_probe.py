from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from testbed.errors import ServiceError
from testbed.facility.address import Address
from testbed.facility.probe import ProbeResult, ProbeSpec
from testbed.observe.probe import ask
from testbed.plan.topology import HOSTS
from testbed.runtime.credentials import SERVICES, Credentials
from testbed.runtime.postgres import server, session_probe
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.pair import DatabasePair
from testbed.runtime.postgres.programs import find_programs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from testbed.runtime.run_directory import RunDirectory

IDLE = ProbeSpec("requests", within_s=5.0, idle_s=2.5)  # longer than the server below waits for a log-in


@pytest.fixture
async def database(
    run_directory: RunDirectory, credentials: Credentials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Address]:
    """Yield the address of a server that gives up whoever has not logged in within a second."""
    monkeypatch.setattr(server, "LOGIN_WITHIN_S", 1)
    programs = find_programs(None, run_directory.path)
    pair = DatabasePair(run_directory, programs, Array(run_directory.path / tmp_path.name), run_directory.path, 5, credentials)
    await server.initialise(programs, pair.array, credentials, tmp_path / "log")
    try:
        await pair.mount(HOSTS[0])
        yield await pair.start_server(HOSTS[0])
    finally:
        await pair.throw_away()


async def test_a_session_that_is_logged_in_idles_longer_than_one_that_is_not(database: Address, credentials: Credentials) -> None:
    """The one has both its answers; the other is closed by the server, which would be told as what the link did."""
    held: list[str] = []
    logged_in, not_logged_in = await asyncio.gather(
        session_probe.ask(database, credentials.login(SERVICES), IDLE, lambda: held.append("held")),
        ask(database, IDLE, database=True),
    )
    assert (logged_in.ended, held, not_logged_in.ended) == ("answered", ["held"], "closed")
    answer = await session_probe.ask(database, credentials.login(SERVICES), ProbeSpec("hold", within_s=0.2), lambda: None)
    assert 0 < answer.size_bytes == logged_in.size_bytes / 2


async def test_a_database_that_lets_nobody_log_in_is_an_error(database: Address, tmp_path: Path) -> None:
    """With its address."""
    strangers = Credentials(tmp_path / "strangers")
    strangers.make()
    with pytest.raises(ServiceError, match=rf"the database at {database} lets nobody log in"):
        await session_probe.ask(database, strangers.login(SERVICES), IDLE, lambda: None)


def test_a_probe_s_result_is_printed_as_others_are(capsys: pytest.CaptureFixture[str]) -> None:
    """A line when it is held, and a line of JSON."""

    async def work(held: object) -> ProbeResult:
        assert callable(held)
        held()
        return ProbeResult("silent", 0.5)

    session_probe.report(work)
    held, result = capsys.readouterr().out.splitlines()
    assert (held, ProbeResult(**json.loads(result))) == ("held", ProbeResult("silent", 0.5))
