"""PgBouncer in front of the database: a pool in a process of its own, for a service that has none."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING

from testbed.concurrency import shield, wait_until
from testbed.errors import FacilityError, ServiceError
from testbed.facility.address import Address
from testbed.pools import python_services
from testbed.runtime.child import spawn
from testbed.runtime.credentials import SERVICES
from testbed.runtime.postgres import sql
from testbed.runtime.postgres.held_ports import HOST, HeldPorts
from testbed.runtime.run_directory import write_private

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from testbed.pools.cell import Mistake
    from testbed.pools.database import Database

BEHIND = "no_pool"  # the service
MODES = {"pgbouncer_session": "session", "pgbouncer_transaction": "transaction"}
READY_WITHIN_S, END_WITHIN_S, POLL_S = 20.0, 10.0, 0.02
OFTEN, SELDOM = 0, 30  # seconds for which a connection that came back is not checked; PgBouncer's default is 30
# Whoever reaches it is let in, and it logs in as the services' role: the file is its user's alone.
SETTINGS = """\
[databases]
{database} = host={host} port={port} dbname={database} user={role} password={password}
[pgbouncer]
listen_addr = {listen_host}
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
ignore_startup_parameters = extra_float_digits
pool_mode = {mode}
default_pool_size = {size}
min_pool_size = {size}
max_client_conn = 200
query_wait_timeout = {wait_s}
server_check_delay = {check_delay_s}
"""


def names() -> tuple[str, ...]:
    """Return the names of the pools: PgBouncer in each of two modes."""
    return tuple(MODES)


def mistakes(name: str) -> tuple[Mistake, ...]:  # noqa: ARG001 - the same for both
    """Return the ways to clean up that the service behind it has."""
    return python_services.mistakes(BEHIND)


def has_check(name: str) -> bool:  # noqa: ARG001 - the same for both
    """Return True: `server_check_query`, of what rested for longer than `server_check_delay`."""
    return True


def missing(name: str) -> str:  # noqa: ARG001 - the same for both
    """Return that the program, or what its service imports, is missing, and how to have it; or an empty text."""
    return python_services.missing(BEHIND) if shutil.which("pgbouncer") else "pgbouncer is not installed; apt-get install pgbouncer"


def command(name: str) -> list[str]:  # noqa: ARG001 - the same for both
    """Return the command that runs the service behind it."""
    return python_services.command(BEHIND)


@cache
def versions(name: str) -> dict[str, str]:  # noqa: ARG001 - the same for both
    """Return the versions of PgBouncer and of the service's packages."""
    told = subprocess.run(["pgbouncer", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"PgBouncer (\S+)", told)
    return {**python_services.versions(BEHIND), "pgbouncer": found[1] if found else "unknown"}


@asynccontextmanager
async def url_for(pool: str, database: Database, variables: Mapping[str, str]) -> AsyncIterator[str]:
    """Yield the address that a service is given: the database's, or that of a PgBouncer in front of it, which ends with this."""
    if pool not in MODES:
        yield database.url
        return
    ports = HeldPorts()
    port = ports.find().port
    ports.release()
    owner, of = database.pair.programs.owner, variables["APPLICATION_NAME"]
    text = SETTINGS.format(
        database=sql.DATABASE,
        host=database.virtual_ip.address.host,
        port=database.virtual_ip.address.port,
        role=SERVICES,
        password=database.pair.credentials.password(SERVICES),
        listen_host=HOST,
        listen_port=port,
        mode=MODES[pool],
        size=variables["POOL_SIZE"],
        wait_s=variables["WAIT_S"],
        check_delay_s=OFTEN if variables["CHECK"] == "on" else SELDOM,
    )
    file = database.directory / f"{of}.ini"
    write_private(file, text, owner)
    program = shutil.which("pgbouncer")
    if program is None:
        raise FacilityError(missing(pool))
    child = spawn("pgbouncer", [program, str(file)], database.directory / f"{of}-pgbouncer.log", owner=owner)
    try:

        async def look() -> str | None:
            if child.pid is None:
                raise ServiceError(f"pgbouncer ended with {child.ending}:\n{child.last_lines()}")
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError as error:
                return str(error)
            writer.close()
            return None

        await wait_until("pgbouncer did not listen", look, READY_WITHIN_S, every_s=POLL_S)
        yield sql.url(Address(HOST, port), SERVICES, "any")
    finally:
        await shield(child.end(signal.SIGKILL, END_WITHIN_S))
