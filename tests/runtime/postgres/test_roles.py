from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from testbed.errors import FacilityError, ServiceError
from testbed.plan.topology import HOSTS
from testbed.runtime.credentials import ADMINISTRATOR, ROLES, SERVICES, Credentials
from testbed.runtime.postgres import roles, sql
from testbed.runtime.postgres.array import Array
from testbed.runtime.postgres.programs import Programs, find_programs
from testbed.runtime.postgres.server import initialise, start_server

if TYPE_CHECKING:
    from testbed.runtime.run_directory import RunDirectory


@pytest.fixture(scope="module")
def made(run_directory: RunDirectory, credentials: Credentials) -> tuple[Programs, Array, Path]:
    """Return the programs, an array that nothing was loaded into, and a file for their lines."""
    programs, array = find_programs(None, run_directory.path), Array(run_directory.path / "roles")
    log = run_directory.path / "roles.log"
    asyncio.run(initialise(programs, array, credentials, log))
    array.mount(HOSTS[0])
    return programs, array, log


async def let_in(made: tuple[Programs, Array, Path], credentials: Credentials) -> list[str]:
    """Start a server on the array; return the roles that these passwords let in."""
    programs, array, log = made
    server = await start_server(programs, array, HOSTS[0], 10, log)
    entered = []
    try:
        for role in ROLES:
            try:
                await (await psycopg.AsyncConnection.connect(sql.conninfo(server.address, credentials.login(role)))).close()
            except psycopg.OperationalError:
                continue
            entered.append(role)
    finally:
        await server.stop()
    return entered


async def test_passwords_are_set_again_in_an_array_that_has_others(
    made: tuple[Programs, Array, Path], credentials: Credentials, tmp_path: Path
) -> None:
    """As of the image, in a container; the former let in nobody any more. No line of the server has one."""
    tmp_path.chmod(0o755)
    new = Credentials(tmp_path)
    new.make()
    assert await let_in(made, credentials) == [ADMINISTRATOR, SERVICES]
    assert await let_in(made, new) == []
    await roles.set_passwords(made[0], made[1], new, made[2])
    assert await let_in(made, new) == [ADMINISTRATOR, SERVICES]
    assert await let_in(made, credentials) == []
    lines = made[2].read_text()
    assert "password authentication failed" in lines
    assert [role for role in ROLES for kept in (credentials, new) if kept.password(role) in lines] == []


async def test_a_password_that_cannot_be_set_is_an_error_with_the_server_s_words(
    made: tuple[Programs, Array, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without the password."""
    new = Credentials(tmp_path)
    new.make()
    monkeypatch.setattr(roles, "ROLES", ("nobody_has_this_name",))
    monkeypatch.setattr(Credentials, "password", lambda *_: "the password")
    with pytest.raises(ServiceError, match=r'failed with exit code 1:(.|\n)*role "nobody_has_this_name" does not exist') as raised:
        await roles.set_passwords(made[0], made[1], new, tmp_path / "log")
    assert "the password" not in str(raised.value)


async def test_a_file_of_access_that_cannot_be_written_is_named(tmp_path: Path, credentials: Credentials) -> None:
    """With what to do."""
    with pytest.raises(FacilityError, match=r"pg_hba\.conf cannot be written: No such file or directory; set TMPDIR"):
        await roles.permit(Programs(tmp_path, "18.0", None), Array(tmp_path), credentials, tmp_path / "log")
