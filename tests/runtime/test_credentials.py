from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from testbed.errors import FacilityError
from testbed.runtime.credentials import ADMINISTRATOR, ROLES, SERVICES, Credentials
from testbed.runtime.owner import Owner
from tests.other_user import as_other_user, needs_root


def test_only_its_user_can_read_a_password(tmp_path: Path) -> None:
    """Whatever the umask, and in a directory that everybody may enter; no two are alike."""
    credentials, before = Credentials(tmp_path / "new"), os.umask(0)
    try:
        credentials.make()
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in credentials.files} == {0o600}
    made = [*map(credentials.password, ROLES), credentials.token()]
    assert len(set(made)) == len(made) == 3
    assert all(len(secret) == 64 for secret in made)


def test_passwords_that_are_there_stay(tmp_path: Path) -> None:
    """Also beside what was cut short when they were made."""
    credentials = Credentials(tmp_path)
    credentials.make()
    before = credentials.password(SERVICES)
    credentials.login(ADMINISTRATOR).passfile.rename(tmp_path / ADMINISTRATOR / "pgpass.new")
    credentials.make()
    assert credentials.password(SERVICES) == before
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["pgpass", "pgpass", "token"]


@needs_root
def test_the_user_for_whom_it_is_made_can_read_it(tmp_path: Path) -> None:
    """And its group cannot."""
    tmp_path.chmod(0o755)
    credentials = Credentials(tmp_path)
    credentials.make({SERVICES: Owner("somebody", 12345, 0)})
    status = credentials.login(SERVICES).passfile.stat()
    assert (status.st_uid, status.st_mode & 0o777) == (12345, 0o600)
    assert "Permission denied" in as_other_user(lambda: refused(credentials))


def refused(credentials: Credentials) -> str:
    """Return why a password cannot be read."""
    try:
        return credentials.password(ADMINISTRATOR)
    except FacilityError as error:
        return str(error)


def test_a_place_that_cannot_be_written_is_named() -> None:
    """With what to do."""
    with pytest.raises(FacilityError, match=r"a secret of this run cannot be written: /proc/none/postgres/pgpass: .*; set TMPDIR"):
        Credentials(Path("/proc/none")).make()
    with pytest.raises(FacilityError, match="a secret of this run cannot be read: /proc/none/flights/pgpass: No such file"):
        Credentials(Path("/proc/none")).password(SERVICES)


def test_each_role_is_let_in_by_its_own_password(conninfo: str, credentials: Credentials) -> None:
    """The administrator is a superuser, the services' role is none, and nobody is let in by the other's."""
    for role, is_superuser in ((ADMINISTRATOR, "on"), (SERVICES, "off")):
        own = make_conninfo(conninfo, user=role, passfile=str(credentials.login(role).passfile))
        with psycopg.connect(own) as connection:
            assert connection.execute("SELECT current_setting('is_superuser')").fetchone() == (is_superuser,)
        (other,) = (name for name in ROLES if name != role)
        with pytest.raises(psycopg.OperationalError, match=f'password authentication failed for user "{role}"'):
            psycopg.connect(make_conninfo(conninfo, user=role, passfile="/none", password=credentials.password(other)))
