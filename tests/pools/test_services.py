"""The services of the comparison, each as a process over a real PostgreSQL whose sessions are ended under it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import conninfo_to_dict

from testbed.concurrency import wait_until
from testbed.facility.address import Address
from testbed.pools import python_services
from testbed.pools.cell import Burst
from testbed.pools.service import running
from testbed.runtime.credentials import ADMINISTRATOR, SERVICES
from testbed.runtime.postgres import sql

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.pools.cell import Mistake
    from testbed.pools.service import Service
    from testbed.runtime.credentials import Credentials

SIZE, HELD = 3, 2
WITHIN_S = 20.0
LINES = 80
# Of the others, the mistake loses nothing where sessions are ended: SQLAlchemy's connection and psycopg's own are returned or closed by
# Python's garbage collection, asyncpg takes back what it sees closed, and Django looks after each connection when a request ends.
LOSING = {"psycopg2_pool", "psycopg_pool_async", "psycopg_pool_sync"}


@pytest.fixture(scope="module")
def address(conninfo: str, credentials: Credentials) -> Address:
    """Return the address of a PostgreSQL that lets strange clients log in, too."""
    told = conninfo_to_dict(conninfo)
    address = Address(str(told["host"]), int(str(told["port"])))
    password, administrator = credentials.password(SERVICES), credentials.login(ADMINISTRATOR)
    asyncio.run(sql.set_password(address, administrator, SERVICES, password, WITHIN_S))
    return address


async def fill(service: Service, size: int) -> None:
    """Wait until as many requests at once are answered, each in a session of its own."""

    async def look() -> str | None:
        answers = await asyncio.gather(*(service.ask(0.2) for _ in range(SIZE)))
        return None if Burst(0.0, tuple(answers)).is_well(size) else str(answers)

    await wait_until(f"{size} connections were not there", look, WITHIN_S)


async def out_after_sessions_ended(name: str, address: Address, credentials: Credentials, directory: Path) -> dict[Mistake, int | None]:
    """End every session while requests hold some, let others come, and return how many connections are out then, by mistake."""
    login = credentials.login(SERVICES)
    url = f"postgresql://{SERVICES}:{credentials.password(SERVICES)}@{address}/{sql.DATABASE}"
    services: dict[Mistake, Service] = {}
    mistakes: tuple[Mistake, ...] = ("careful", "leaking")
    async with AsyncExitStack() as stack:
        for mistake in mistakes:
            told = {
                "DATABASE_URL": url,
                "APPLICATION_NAME": mistake,
                "MISTAKE": mistake,
                "CHECK": "off",
                "POOL_SIZE": str(SIZE),
                "WAIT_S": "1",
            }
            started = running(name, python_services.command(name), told, directory / f"{mistake}.log")
            services[mistake] = await stack.enter_async_context(started)
            await fill(services[mistake], SIZE)
        held = [service.ask(1.0) for service in services.values() for _ in range(HELD)]
        await asyncio.sleep(0.3)
        await sql.end_sessions(address, credentials.login(ADMINISTRATOR), login, WITHIN_S)
        assert {answer.status for answer in await asyncio.gather(*held)} == {500}
        await asyncio.gather(*(service.ask() for service in services.values() for _ in range(SIZE)))
        await fill(services["careful"], SIZE)
        looks = {mistake: await service.look() for mistake, service in services.items()}
        assert None not in looks.values()
        if name not in LOSING:
            await fill(services["leaking"], SIZE)
        return {mistake: look.out for mistake, look in looks.items() if look}


@pytest.mark.parametrize("name", python_services.names())
def test_careful_code_loses_no_connection(name: str, address: Address, credentials: Credentials, tmp_path: Path) -> None:
    """After its sessions were ended, every connection is there again; and of code with the mistake, only where the pool repairs it."""
    if why := python_services.missing(name):
        pytest.skip(why)
    out = asyncio.run(out_after_sessions_ended(name, address, credentials, tmp_path))
    assert out["careful"] in (0, None)
    assert out["leaking"] == (SIZE if name in LOSING else out["careful"])


@pytest.mark.parametrize("name", python_services.names())
def test_a_service_is_short(name: str) -> None:
    """Under 80 lines, so that it is read in a minute."""
    assert len(python_services.source(name).splitlines()) < LINES


@pytest.mark.parametrize("name", python_services.names())
def test_a_service_imports_nothing_of_the_project(name: str) -> None:
    """It is a program that runs alone."""
    assert "testbed" not in python_services.source(name)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what installs it."""
    monkeypatch.setattr(python_services, "find_spec", lambda module: None if module == "asyncpg" else object())
    assert python_services.missing("asyncpg_pool") == f"asyncpg cannot be imported; {python_services.INSTALL}"
    assert python_services.missing("sqlalchemy_async") == f"asyncpg cannot be imported; {python_services.INSTALL}"
    assert python_services.missing("psycopg_pool_sync") == ""


def test_a_service_is_told_apart_by_its_text() -> None:
    """Of asyncio there are more mistakes, and some pools have no check."""
    assert python_services.mistakes("asyncpg_pool") == ("leaking", "careful", "cancelled", "cancelled_careful")
    assert python_services.mistakes("django_pool") == ("leaking", "careful")
    assert [name for name in python_services.names() if not python_services.has_check(name)] == ["asyncpg_pool", "no_pool", "psycopg2_pool"]
