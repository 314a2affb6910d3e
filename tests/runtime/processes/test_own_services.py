"""How somebody else's service is started: on another port where one is taken, with what it was declared to be given."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from testbed.errors import ServiceError
from testbed.facility.address import Address
from testbed.facility.runtime import Exit, NoRuntime, ServiceSpec
from testbed.plan.service import ServicePlan
from testbed.runtime.credentials import Credentials
from testbed.runtime.processes.own_services import ATTEMPTS, OwnServices

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TAKEN = "OSError: [Errno 98] Address already in use"


@dataclass(slots=True)
class Ports(NoRuntime):
    """A runtime on which the first `taken` ports belong to somebody else."""

    taken: int = 0
    lines: str = TAKEN
    held: list[bool] = field(default_factory=list)

    def reserve_port(self, name: str, *, held: bool = True) -> Address:
        """Return another port at each call."""
        self.calls.append(("reserve", name))
        self.held.append(held)
        return Address("127.0.0.1", 5000 + len(self.held))

    async def exit(self, name: str) -> Exit | None:  # noqa: ARG002 - the protocol's signature
        """Return that it ended, where its port is taken."""
        return Exit(1, self.lines) if len(self.held) <= self.taken else None


@dataclass(slots=True)
class Started:
    """A facility of one application server that is ready at once, unless it has ended."""

    runtime: Ports
    application_servers: tuple[str, ...] = ("cf-1",)
    specs: list[ServiceSpec] = field(default_factory=list)

    async def start(self, specs: Iterable[ServiceSpec]) -> None:
        """Record what is started."""
        self.specs += specs

    async def wait_ready(self, names: Iterable[str], within_s: float | None = None) -> None:  # noqa: ARG002 - the facility's signature
        """Raise the error of a service that has ended."""
        if (ended := await self.runtime.exit("cf-1")) is not None:
            raise ServiceError(f"cf-1 ended with exit code 1 before it was ready:\n{ended.last_lines}")


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    """Return passwords of this test's own."""
    made = Credentials(tmp_path / "credentials")
    made.make()
    return made


async def started(ports: Ports, credentials: Credentials) -> Started:
    """Start a service on these ports."""
    service = ServicePlan(
        command=(sys.executable, "--port={port}", "{{port}}"),
        environment={"URL": "{dsn}", "JDBC": "{db_host}:{db_port}/{db_name}?{db_user}"},
    )
    facility = Started(ports)
    await OwnServices(service, ports, {"cf-1": Address("10.0.0.1", 6432)}, credentials).start(facility)  # type: ignore[arg-type]
    return facility


async def test_a_taken_port_is_no_error(credentials: Credentials) -> None:
    """It is started again on another one, which nobody holds for it: it may be a program that shares none."""
    facility = await started(Ports(taken=2), credentials)
    assert [spec.command[1:] for spec in facility.specs] == [(f"--port={port}", "{port}") for port in (5001, 5002, 5003)]
    assert facility.runtime.held == [True, False, False]


async def test_only_so_many_ports_are_tried(credentials: Credentials) -> None:
    """Then its own words are the error."""
    with pytest.raises(ServiceError, match="Address already in use"):
        await started(Ports(taken=100), credentials)


async def test_another_reason_is_an_error_at_once(credentials: Credentials) -> None:
    """A service that ends for another reason is not started again."""
    ports = Ports(taken=100, lines="no such table")
    with pytest.raises(ServiceError, match="no such table"):
        await started(ports, credentials)
    assert len(ports.held) == 1 < ATTEMPTS


async def test_it_is_given_what_was_declared(credentials: Credentials) -> None:
    """A URL for those who want one, and its parts for the others; and a name for its sessions."""
    facility = await started(Ports(), credentials)
    password = credentials.password("flights")
    assert dict(facility.specs[0].environment) == {
        "PGAPPNAME": "cf-1",
        "URL": f"postgresql://flights:{password}@10.0.0.1:6432/postgres?application_name=cf-1",
        "JDBC": "10.0.0.1:6432/postgres?flights",
    }
