"""Nobody else gets in: what another user of the machine can read, change and run while a facility is up, on both runtimes."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

import psycopg
import pytest
import requests
from psycopg import errors
from psycopg.conninfo import make_conninfo

from scenarios.facilities import built
from scenarios.terminals import WITHIN_S, open_terminals
from testbed.facility.address import Address
from testbed.facility.facility import LOAD
from testbed.interactive import control_socket
from testbed.plan.settings import ServerSettings, Settings
from testbed.plan.topology import HOSTS, FacilityPlan
from testbed.runtime.containers.builder import ContainersBuilder
from testbed.runtime.containers.services import PORT as DATABASE_PORT
from testbed.runtime.containers.services import RECOVERY, SERVICE_PORT
from testbed.runtime.credentials import ROLES, SERVICES
from testbed.runtime.postgres import sql
from tests.other_user import as_other_user, needs_root

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from testbed.runtime.containers.project import Project
    from testbed.runtime.credentials import Credentials

PLAN = FacilityPlan(application_servers=1, request_threads=4, pool_size=4, callers=("kiosk",))
SETTINGS = Settings(application_server=ServerSettings(lookup="fixed"))

pytestmark = pytest.mark.beside
# What a superuser may do to the machine and to others' tables, and the services' role may not.
FORBIDDEN: tuple[LiteralString, ...] = (
    "COPY flights TO PROGRAM 'cat > /dev/null'",
    "COPY airlines FROM PROGRAM 'echo x,y'",
    "COPY flights TO '/tmp/flights.csv'",
    "COPY airlines FROM '/etc/passwd'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT rolpassword FROM pg_authid",
    "ALTER SYSTEM SET log_statement = 'all'",
    "CREATE ROLE another",
    "CREATE DATABASE another",
    "CREATE TABLE another (number int)",
    "CREATE FUNCTION another() RETURNS void LANGUAGE c AS 'libc', 'abort'",
    "ALTER ROLE flights SUPERUSER",
)
OWNED: LiteralString = """
SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,
       ARRAY(SELECT relname::text FROM pg_class WHERE relowner = r.oid AND relkind = 'r' ORDER BY relname),
       ARRAY(SELECT nspname::text FROM pg_namespace WHERE nspowner = r.oid)
FROM pg_roles r WHERE rolname = current_user
"""
TABLES = ["airlines", "airports", "bookings", "check_ins", "cities", "flights", "sessions"]


@dataclass(frozen=True, slots=True)
class Doors:
    """Where the parts of a facility listen that are for the testbed and for one another alone."""

    databases: tuple[Address, ...]
    fault_proxy: Address
    load_generator: Address

    def opened(self) -> list[str]:
        """Try them all; return what was let in, or answered."""
        return [*let_in(self.databases), *answered(self.fault_proxy), *taken(self.load_generator)]


@dataclass(frozen=True, slots=True)
class Target:
    """A facility that is up: its doors, its secrets, and where the run keeps its files."""

    doors: Doors
    credentials: Credentials
    files: Path
    project: Project | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passwords and the token."""
        return (*map(self.credentials.password, ROLES), self.credentials.token())


@asynccontextmanager
async def up(where: str) -> AsyncIterator[Target]:
    """Build a small facility. Its databases: the virtual IP, and the host's own address or, in containers, the standby as published."""
    async with built(where, PLAN, SETTINGS) as (builder, facility):
        if isinstance(builder, ContainersBuilder):
            project = builder.project
            assert project is not None
            proxy, run, credentials = project.proxy, builder.pool.run, project.credentials
            databases = (project.database, project.runtime.published(RECOVERY, DATABASE_PORT))
        else:
            project, (pair,) = None, builder.pairs
            assert pair.server is not None
            proxy, run, credentials = await builder.shared.wait_fault_proxy(), builder.shared.run, pair.credentials
            databases = (facility.virtual_ip.address, pair.server.address)
        doors = Doors(databases, Address(proxy.host, proxy.port), facility.runtime.address(LOAD))
        yield Target(doors, credentials, run.path, project)


def let_in(databases: tuple[Address, ...]) -> list[str]:
    """Try to log in without a password and with bad ones; return what let us in."""
    entered = []
    for address in databases:
        for role in (*ROLES, "root", "nobody"):
            for password in (None, "", role, "postgres"):
                parameters = {"host": address.host, "port": address.port, "dbname": "postgres", "user": role, "passfile": "/none"}
                given = {} if password is None else {"password": password}
                with suppress(psycopg.OperationalError), psycopg.connect(make_conninfo(**parameters, **given), connect_timeout=5):
                    entered.append(f"{role} with the password {password!r} at {address}")
    return entered


def answered(fault_proxy: Address) -> list[str]:
    """Ask the fault proxy for all that it can do; return what it answered."""
    proxy = {"name": "another", "upstream": str(fault_proxy), "listen": "127.0.0.1:0"}
    asked = [("GET", "/version"), ("GET", "/proxies"), ("GET", "/metrics"), ("POST", "/proxies"), ("POST", "/populate"), ("POST", "/reset")]
    answers = [(path, requests.request(method, f"{fault_proxy.url}{path}", json=proxy, timeout=10)) for method, path in asked]
    return [f"{path}: {answer.status_code}" for path, answer in answers if answer.status_code != requests.codes.unauthorized]


def taken(load_generator: Address) -> list[str]:
    """Hand the load generator a request of ours, as the testbed does; return what it answered."""
    answer = b""
    with socket.create_connection((load_generator.host, load_generator.port), timeout=10) as connection:
        request = {"id": 1, "due_s": 0.0, "url": "http://127.0.0.1:1/", "body": ""}
        with suppress(ConnectionError):
            connection.sendall(json.dumps(request).encode() + b"\n\n")
            answer = connection.recv(100)
    return [f"the load generator: {answer!r}"] if answer else []


def seen(secrets: tuple[str, ...], *directories: Path) -> list[str]:
    """Return the files, command lines and environments in which one of the secrets can be read."""
    found = []
    files = [file for directory in directories for file in directory.rglob("*")]
    files += [process / name for process in Path("/proc").glob("[0-9]*") for name in ("cmdline", "environ")]
    for file in files:
        with suppress(OSError):
            if file.is_file() and any(secret.encode() in file.read_bytes() for secret in secrets):
                found.append(str(file))
    return found


def readable(run: Path) -> list[str]:
    """Return the files of a run that others could read or change if they knew their names; not PostgreSQL's programs, which all may run."""
    files = [file for file in run.rglob("*") if file.is_file() and "postgresql" not in file.relative_to(run).parts]
    return [str(file) for file in files if not file.is_symlink() and file.stat().st_mode & 0o066]


def refusals(address: Address, credentials: Credentials) -> list[str]:
    """Return the statements that the services' role was allowed, of those that it should not be."""
    allowed = []
    with psycopg.connect(sql.conninfo(address, credentials.login(SERVICES)), autocommit=True) as connection:
        for statement in FORBIDDEN:
            try:
                connection.execute(statement)
            except errors.InsufficientPrivilege:
                continue
            allowed.append(statement)
        owned = connection.execute(OWNED).fetchone()
    assert owned == (False, TABLES, [])
    return allowed


async def asked_for_steps(project: Project) -> list[int]:
    """Ask every database host for its steps without and with a wrong password; return the status of each answer."""
    statuses = []
    for host in (*HOSTS, RECOVERY):
        url = project.runtime.published(host, SERVICE_PORT).url
        for header in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer flights"}):
            for step in ("stop", "unmount", "release", "mount", "start", "virtual-ip"):
                answer = await asyncio.to_thread(requests.post, f"{url}/{step}", headers=header, timeout=10)
                statuses.append(answer.status_code)
            statuses.append((await asyncio.to_thread(requests.get, f"{url}/activity", headers=header, timeout=10)).status_code)
    return statuses


async def tried(target: Target) -> None:
    """Try all of it."""
    secrets, directories = target.secrets, (target.files, Path("/var/log"))
    assert as_other_user(lambda: (target.doors.opened(), seen(secrets, *directories))) == ([], [])
    assert target.doors.opened() == []  # this user needs the secrets, too
    assert refusals(target.doors.databases[0], target.credentials) == []
    assert readable(target.files) == []
    # No log, no environment, no command line has one: not even where this user may read it.
    assert {Path(file).name for file in await asyncio.to_thread(seen, secrets, *directories)} == {"pgpass", "token"}
    if target.project is not None:
        assert set(await asked_for_steps(target.project)) == {401}
        shown = await asyncio.to_thread(inspected, target.project)
        assert [secret for secret in secrets if secret in shown] == []


def inspected(project: Project) -> str:
    """Return all that the engine says of the project's containers, with what they printed."""
    containers = project.runtime.client.containers.list(
        all=True, filters={"label": f"com.docker.compose.project={project.runtime.project}"}
    )
    assert len(containers) > len(HOSTS)
    return "\n".join(f"{container.attrs}\n{container.logs().decode(errors='replace')}" for container in containers)


def connected(sockets: list[str]) -> list[str]:
    """Connect to Unix sockets by their paths; return those that let us in."""
    entered = []
    for path in sockets:
        with suppress(PermissionError), socket.socket(socket.AF_UNIX) as control:
            control.connect(path)
            entered.append(path)
    return entered


def found_in(directory: Path) -> tuple[str, ...]:
    """Return the facilities that a command finds for its user where TMPDIR is this directory."""
    tempfile.tempdir = str(directory)  # of this process, which is a fork that ends here
    return control_socket.running()


@needs_root
@pytest.mark.parametrize("where", ["processes", "containers"])
def test_another_user_finds_no_interactive_facility_and_ends_none(where: str, request: pytest.FixtureRequest) -> None:
    """Who knows where its control socket is may not open it; its owner sees it go on as before, and takes it down."""
    if where == "containers":
        request.getfixturevalue("engine")
    with open_terminals() as terminals, terminals.up("--runtime", where) as process:
        sockets = [str(path) for path in terminals.home.rglob("*.sock")]
        assert sockets
        before = terminals.testbed("status")
        assert as_other_user(lambda: (found_in(terminals.home), connected(sockets))) == ((), [])
        after = terminals.testbed("status")
        assert [code for code, _ in (before, after)] == [0, 0]
        assert re.findall(r"http://\S+", after[1]) == re.findall(r"http://\S+", before[1])
        assert terminals.testbed("down") == (0, "everything was taken down\n")
        assert process.wait(WITHIN_S) == 0


@needs_root
@pytest.mark.parametrize("where", ["processes", "containers"])
def test_another_user_reads_changes_and_runs_nothing(where: str, request: pytest.FixtureRequest) -> None:
    """Neither over the network nor by a file, a log, an environment or a command line; and the services' role owns its tables only."""
    if where == "containers":
        request.getfixturevalue("engine")

    async def try_it() -> None:
        async with up(where) as target:
            await tried(target)

    asyncio.run(try_it())
