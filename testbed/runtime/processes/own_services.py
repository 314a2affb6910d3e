"""Starts somebody else's service in the place of each application server: its schema, its address, its environment, and the wait for it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.concurrency import run_all, shield
from testbed.errors import FacilityError, ServiceError
from testbed.facility.runtime import ServiceSpec
from testbed.plan.template import filled
from testbed.runtime.credentials import ADMINISTRATOR, SERVICES
from testbed.runtime.postgres import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.facility.address import Address
    from testbed.facility.facility import Facility
    from testbed.plan.service import ServicePlan
    from testbed.runtime.credentials import Credentials
    from testbed.runtime.processes.runtime import Processes

SCHEMA = "schema"  # the name of the command that makes it
SCRIPT_WITHIN_S = 60.0
ATTEMPTS = 5  # each with another port
OWN_TABLES = f"GRANT CREATE, USAGE ON SCHEMA public TO {SERVICES}; GRANT CREATE ON DATABASE {sql.DATABASE} TO {SERVICES}"
IN_USE = re.compile(r"address (is )?already in use|address in use|EADDRINUSE|port \d+ (is|was) already in use", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OwnServices:
    """The service on a runtime; `databases`: where each process of it reaches the database, by its name."""

    service: ServicePlan
    runtime: Processes
    databases: Mapping[str, Address]
    credentials: Credentials

    async def prepare(self, database: Address) -> None:
        """Make the schema in the database at an address, if there is one; raises ServiceError or FacilityError with what went wrong."""
        administrator, password = self.credentials.login(ADMINISTRATOR), self.credentials.password(SERVICES)
        await sql.set_password(database, administrator, SERVICES, password, SCRIPT_WITHIN_S)
        await sql.execute(database, administrator, OWN_TABLES, SCRIPT_WITHIN_S)
        if self.service.sql is not None:
            script = await asyncio.to_thread(_read, Path(self.service.sql))
            try:
                await sql.execute(database, self.credentials.login(SERVICES), script, SCRIPT_WITHIN_S)
            except ServiceError as error:
                raise ServiceError(f"the schema {self.service.sql}: {error}") from error
        if self.service.schema_command is not None:
            spec = self._spec(SCHEMA, self.service.schema_command, database, database)
            await self.runtime.start(spec)
            child = self.runtime.find(SCHEMA)
            assert child is not None
            await child.wait_done(self.service.start_within_s)

    def dsn(self, database: Address) -> str:
        """Return the URL by which the services reach a database, with their password."""
        return sql.url(database, SERVICES, self.credentials.password(SERVICES))

    async def start(self, facility: Facility) -> None:
        """Start a process in the place of each application server, and wait until each is ready; raises ServiceError with last lines."""
        await run_all(self._start(facility, name) for name in facility.application_servers)

    async def _start(self, facility: Facility, name: str) -> None:
        """Start one, on another port where somebody has the one that it got, and wait until it is ready."""
        for attempt in range(1, ATTEMPTS + 1):
            address = self.runtime.reserve_port(name, held=attempt == 1)
            await shield(facility.start([self._spec(name, self.service.command, address, self.databases[name])]))
            try:
                await facility.wait_ready((name,), self.service.start_within_s)
            except ServiceError as error:
                if attempt < ATTEMPTS and IN_USE.search(str(error)) and await self.runtime.exit(name) is not None:
                    continue
                raise
            return

    def _spec(self, name: str, command: tuple[str, ...], address: Address, database: Address) -> ServiceSpec:
        values = self._values(name, address, database)
        variables = {"PGAPPNAME": name, **{key: filled(value, values) for key, value in self.service.environment.items()}}
        return ServiceSpec(
            name,
            "",
            environment=tuple(variables.items()),
            command=tuple(filled(word, values) for word in command),
            directory=self.service.directory,
        )

    def _values(self, name: str, address: Address, database: Address) -> dict[str, object]:
        """Return what `{…}` stands for (`START_FIELDS` of the plan)."""
        password = self.credentials.password(SERVICES)
        return {
            "name": name,
            **dict.fromkeys(("host", "listen_host"), address.host),
            **dict.fromkeys(("port", "listen_port"), address.port),
            "dsn": f"{self.dsn(database)}?application_name={name}",
            "db_host": database.host,
            "db_port": database.port,
            "db_name": sql.DATABASE,
            "db_user": SERVICES,
            "db_password": password,
        }


def _read(script: Path) -> str:
    try:
        return script.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise FacilityError(f"the schema {script} cannot be read: {getattr(error, 'strerror', None) or error}") from error
