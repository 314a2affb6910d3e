"""The services on the JVM, over a real PostgreSQL whose sessions are ended under them; skipped without Java and Debian's jars."""

from __future__ import annotations

import asyncio
import zipfile
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import conninfo_to_dict

from testbed.concurrency import wait_until
from testbed.facility.address import Address
from testbed.pools import jvm
from testbed.pools.cell import Burst
from testbed.pools.service import running
from testbed.runtime.credentials import ADMINISTRATOR, SERVICES
from testbed.runtime.postgres import sql

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.pools.cell import Mistake
    from testbed.pools.service import Service
    from testbed.runtime.credentials import Credentials

SIZE = 3
WITHIN_S, FILL_WITHIN_S = 20.0, 60.0
LINES = 80
# HikariCP drops what has raised an error of a lost connection, whoever holds it: nothing is left to be lost.
LOSING = {"dbcp2", "tomcat_jdbc"}


async def out_after_sessions_ended(name: str, address: Address, credentials: Credentials, directory: Path) -> dict[Mistake, int | None]:
    """End every session of full pools without a check, let requests meet that, and return how many connections are out, by mistake."""
    url = f"postgresql://{SERVICES}:{credentials.password(SERVICES)}@{address}/{sql.DATABASE}"
    administrator, login = credentials.login(ADMINISTRATOR), credentials.login(SERVICES)
    await sql.set_password(address, administrator, SERVICES, credentials.password(SERVICES), WITHIN_S)
    async with AsyncExitStack() as stack:

        async def start(mistake: Mistake) -> Service:
            told = {"DATABASE_URL": url, "APPLICATION_NAME": mistake, "MISTAKE": mistake}
            told |= {"CHECK": "off", "POOL_SIZE": str(SIZE), "WAIT_S": "1"}
            service = await stack.enter_async_context(running(name, jvm.command(name), told, directory / f"{mistake}.log"))

            async def look() -> str | None:
                answers = await asyncio.gather(*(service.ask(0.2) for _ in range(SIZE)))
                return None if Burst(0.0, tuple(answers)).is_well(SIZE) else str(answers)

            await wait_until(f"{SIZE} connections were not there", look, FILL_WITHIN_S)
            return service

        services = {mistake: await start(mistake) for mistake in jvm.mistakes(name)}
        await sql.end_sessions(address, administrator, login, WITHIN_S)
        answers = await asyncio.gather(*(service.ask() for service in services.values() for _ in range(SIZE)))
        assert {answer.status for answer in answers} == {500}, answers
        looks = {mistake: await service.look() for mistake, service in services.items()}
        return {mistake: look.out if look else None for mistake, look in looks.items()}


@pytest.mark.parametrize("name", jvm.names())
def test_only_the_rollback_before_the_close_loses_connections(name: str, conninfo: str, credentials: Credentials, tmp_path: Path) -> None:
    """PgJDBC's rollback raises over a dead connection and its `Statement.close()` does not, so the case's own two lines lose nothing."""
    if why := jvm.missing(name):
        pytest.skip(why)
    told = conninfo_to_dict(conninfo)
    out = asyncio.run(out_after_sessions_ended(name, Address(str(told["host"]), int(str(told["port"]))), credentials, tmp_path))
    assert out == {"leaking": SIZE if name in LOSING else 0, "careful": 0, "statement": 0}


@pytest.mark.parametrize("name", jvm.names())
def test_a_service_is_short(name: str) -> None:
    """Under 80 lines, so that it is read in a minute."""
    source = jvm.FOLDER / jvm.SERVICES[name].source
    assert len(source.read_text(encoding="utf-8").splitlines()) < LINES


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program or a jar, with the packages that have them."""
    monkeypatch.setattr(jvm, "JARS", tmp_path)
    monkeypatch.setattr(jvm.shutil, "which", lambda program: f"/usr/bin/{program}")
    for jar in ("HikariCP.jar", "slf4j-api.jar", "slf4j-simple.jar"):
        (tmp_path / jar).touch()
    assert jvm.missing("hikaricp") == f"{tmp_path}/postgresql.jar missing; apt-get install libpostgresql-jdbc-java"
    (tmp_path / "postgresql.jar").touch()
    assert jvm.missing("hikaricp") == ""
    monkeypatch.setattr(jvm.shutil, "which", lambda program: None if program == "javac" else f"/usr/bin/{program}")
    assert jvm.missing("hikaricp") == "java and javac missing; apt-get install default-jdk-headless"


def test_a_version_is_the_manifest_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of a jar that tells none, and of one that is not there, it is unknown."""
    monkeypatch.setattr(jvm, "JARS", tmp_path)
    monkeypatch.setattr(jvm.shutil, "which", lambda _: None)
    for jar, line in (("HikariCP.jar", "Bundle-Version: 2.7.9"), ("slf4j-api.jar", "Created-By: somebody")):
        with zipfile.ZipFile(tmp_path / jar, "w") as file:
            file.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\r\n{line}\r\n")
    versions = jvm.versions("hikaricp")
    assert versions == {"java": "unknown", "HikariCP": "2.7.9", "slf4j-api": "unknown", "slf4j-simple": "unknown", "postgresql": "unknown"}
