"""What a database host in its container starts PostgreSQL with."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import httpx
import pytest

from testbed.errors import FacilityError
from testbed.facility.address import Address
from testbed.journal.evidence import DatabaseSide, Session
from testbed.runtime.containers.database import DatabaseHosts
from testbed.runtime.containers.programs import database_host
from testbed.runtime.containers.programs.database_host import DatabaseHost, HostSettings
from testbed.runtime.containers.runtime import Containers
from testbed.runtime.containers.services import authorization
from testbed.runtime.credentials import Credentials
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.programs import Programs
from testbed.runtime.postgres.server import dead_connection_detection

if TYPE_CHECKING:
    from collections.abc import Mapping


def host_of(directory: Path, monkeypatch: pytest.MonkeyPatch) -> DatabaseHost:
    """Return a host whose secrets are below a directory, and on which no server runs."""
    monkeypatch.setenv("DATABASE_HOST_NAME", "db-1")
    monkeypatch.setenv("DATABASE_HOST_CREDENTIALS", str(directory))
    settings = HostSettings()  # type: ignore[call-arg]  # its values come from the environment
    return DatabaseHost(settings, Programs(directory, "18.0", None), Array(directory))


async def test_what_the_server_works_on_is_told_to_those_who_have_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else learns a statement; and where no server runs, that is said."""
    host = host_of(tmp_path, monkeypatch)
    host.credentials.make()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(host.app()), base_url="http://db-1") as client:
        assert (await client.get("/activity")).status_code == 401
        answer = await client.get("/activity", headers={"Authorization": authorization(host.credentials)})
    assert (answer.status_code, answer.json()) == (409, {"error": "no server of it runs on db-1"})


async def test_what_the_server_works_on_is_as_its_own_host_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name and the address by which the facility knows it; a refusal keeps the host's own words."""
    side = DatabaseSide("", "db-2", "127.0.0.1:5432", "18.6", 200, sessions=(Session(7, "flights", "", "active", "", "SELECT 1"),))
    answers = [(200, asdict(side)), (409, {"error": "no server of it runs on db-2"})]

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.pop(0)
            asked.append((self.path, self.headers["Authorization"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

    asked: list[tuple[str, str]] = []
    credentials = Credentials(tmp_path)
    credentials.make()
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(Containers, "published", lambda *_: Address("127.0.0.1", server.server_port))
        hosts = DatabaseHosts(Containers("a-project", tmp_path, {}, SimpleNamespace()), credentials, "db-2")  # type: ignore[arg-type]
        found = await hosts.ask()
        with pytest.raises(FacilityError, match=r"^no server of it runs on db-2$"):
            await hosts.ask()
        server.shutdown()
    assert (found.database, found.host, found.address, found.sessions) == ("database", "db-2", "db-2:5432", side.sessions)
    assert asked == [("/activity", authorization(credentials))] * 2


@pytest.mark.parametrize(("told", "every_s"), [("", None), ("3", 3)])
async def test_postgresql_probes_as_often_as_the_host_is_told(
    told: str, every_s: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By settings of its own; untold, it has none, and the kernel's times hold."""
    started: list[Mapping[str, str]] = []

    async def start_server(*_: object, settings: Mapping[str, str], **__: object) -> None:
        started.append(settings)

    monkeypatch.setattr(database_host, "start_server", start_server)
    monkeypatch.setenv("DATABASE_HOST_NAME", "db-1")
    monkeypatch.setenv("DATABASE_HOST_KEEPALIVES_S", told)
    settings = HostSettings()  # type: ignore[call-arg]  # its values come from the environment
    await DatabaseHost(settings, Programs(tmp_path, "18.0", None), Array(tmp_path)).start()
    probes = {name: value for name, value in started[0].items() if "keepalives" in name}
    assert probes == ({} if every_s is None else dead_connection_detection(every_s))


async def test_a_host_whose_beginning_failed_stops_its_server_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error that nobody expected is raised when that is done, so that the container's log has it."""
    stopped: list[str] = []

    async def begin(_: DatabaseHost) -> None:
        raise OSError("the volume is gone")

    async def end(host: DatabaseHost) -> None:
        stopped.append(host.settings.name)

    monkeypatch.setattr(DatabaseHost, "begin", begin)
    monkeypatch.setattr(DatabaseHost, "end", end)
    app = host_of(tmp_path, monkeypatch).app()
    with pytest.raises(OSError, match="the volume is gone"):
        async with app.router.lifespan_context(app):
            await asyncio.sleep(0.01)
    assert stopped == ["db-1"]
