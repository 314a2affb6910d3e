"""The database pair in containers: each step of a switchover is a request to the control of its host."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import requests
from pydantic import TypeAdapter

from testbed.errors import FacilityError
from testbed.facility.address import Address
from testbed.facility.link import DATABASE
from testbed.journal.evidence import DatabaseSide
from testbed.plan.topology import HOSTS
from testbed.runtime.cluster.orders import StopOrder, watched
from testbed.runtime.containers.redundancy import virtual_ip_of
from testbed.runtime.containers.services import PORT, SERVICE_PORT, authorization
from testbed.runtime.credentials import ADMINISTRATOR, SERVICES
from testbed.runtime.postgres import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.facility.database import EndedSessions, FlightsTable, StopMode
    from testbed.runtime.cluster.orders import BeatOrder, Watched, WatchOrder
    from testbed.runtime.containers.runtime import Containers
    from testbed.runtime.credentials import Credentials

STEP_WITHIN_S = 60.0
STATUS_WITHIN_S = 2.0
ASKED_WITHIN_S = 5.0
END_WITHIN_S = 10.0
_side: TypeAdapter[DatabaseSide] = TypeAdapter(DatabaseSide)


@dataclass(slots=True)
class DatabaseHosts:
    """The database pair of one compose project, over the hosts' control (database_host.py). Its steps raise FacilityError."""

    runtime: Containers
    credentials: Credentials
    active: str = HOSTS[0]
    is_starting: bool = False

    @property
    def flights(self) -> FlightsTable:
        """The table of flights, as the services log in; whoever asks for it here asks at the virtual IP, as that is published."""
        return sql.FlightsInPostgres(self.credentials.login(SERVICES), lambda _: virtual_ip_of(self.runtime))

    @property
    def standby(self) -> str:
        """The host that could take over."""
        return next(host for host in HOSTS if host != self.active)

    async def mount(self, host: str) -> None:
        """Mount the array on a host."""
        await asyncio.to_thread(self._post, host, "mount")

    async def unmount(self, host: str) -> None:
        """Unmount the array on a host."""
        await asyncio.to_thread(self._post, host, "unmount")

    async def start_server(self, host: str) -> Address:
        """Start the server of a host; return its own address, as the virtual IP reaches it."""
        await asyncio.to_thread(self._post, host, "start")
        self.active = host
        return self.address

    @property
    def address(self) -> Address:
        """The active host's own address, as the virtual IP reaches it."""
        return Address(self.active, PORT)

    async def stop_server(self, mode: StopMode = "fast", patience_s: float = 0.0) -> str:
        """Stop the server."""
        status = await asyncio.to_thread(self._post, self.active, "stop", asdict(StopOrder(mode, patience_s)))
        self.is_starting = False
        return str(status.get("detail", ""))

    async def kill_server(self) -> None:
        """Kill the server."""
        await asyncio.to_thread(self._post, self.active, "kill")
        self.is_starting = False

    async def hold_start(self, host: str) -> Address:
        """Start the server of a host and hold it where it recovers."""
        await asyncio.to_thread(self._post, host, "hold-start")
        self.active, self.is_starting = host, True
        return self.address

    async def finish_start(self) -> None:
        """Let the server that is held go on."""
        await asyncio.to_thread(self._post, self.active, "finish-start")
        self.is_starting = False

    async def start_standby(self) -> Address:
        """Raise FacilityError: the standby that containers have follows the virtual IP, and so cannot be what that leads to."""
        raise FacilityError("containers have no standby to which the virtual IP could lead; allowed: --runtime processes")

    async def stop_standby(self) -> None:
        """Do nothing: there is none."""

    def died(self) -> str:
        """Return how the server of the active host ended by itself, or crashed; an empty text if it did not, or nobody says so now."""
        try:
            status = json.loads(self._get(self.active, "status", STATUS_WITHIN_S))
        except (FacilityError, ValueError):
            return ""
        return str(status.get("died", ""))

    async def ask(self) -> DatabaseSide:
        """Return what the server of the active host says of itself; it is asked on its own host, over no link that may be silent."""
        return await asyncio.to_thread(self._ask)

    def _ask(self) -> DatabaseSide:
        host = self.active
        try:
            side = _side.validate_json(self._get(host, "activity"))
        except ValueError as error:
            raise FacilityError(f"{host} does not say what its server does: {error}") from error
        return replace(side, database=DATABASE, address=str(Address(host, PORT)))

    def _get(self, host: str, what: str, within_s: float = ASKED_WITHIN_S) -> bytes:
        """Return what a host tells those who have the token; raises FacilityError when it refuses or does not answer."""
        headers = {"Authorization": authorization(self.credentials)}
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.get(f"{self.runtime.published(host, SERVICE_PORT).url}/{what}", headers=headers, timeout=within_s)
                if not answer.ok:
                    raise FacilityError(answer.json()["error"])
                return answer.content
        except (requests.RequestException, ValueError, KeyError) as error:
            raise FacilityError(f"{host} does not answer what its {what} is: {error}") from error

    async def beat(self, host: str, order: BeatOrder) -> None:
        """Let a host send heartbeats."""
        await asyncio.to_thread(self._post, host, "beat", asdict(order))

    async def watch(self, host: str, order: WatchOrder) -> None:
        """Let a host watch the heartbeats of the other one."""
        await asyncio.to_thread(self._post, host, "watch", asdict(order))

    async def rest(self, host: str) -> None:
        """Let a host neither send heartbeats nor watch any more."""
        await asyncio.to_thread(self._post, host, "rest")

    async def watched(self, host: str) -> Watched:
        """Return what a host has counted of the other one's heartbeats; raises FacilityError when it watches none."""
        return watched.validate_json(await asyncio.to_thread(self._get, host, "heartbeats"))

    async def narrow(self, host: str) -> None:
        """Limit how fast a host sends over the network of the database, to what the project says."""
        await asyncio.to_thread(self._post, host, "narrow")

    async def end_sessions(self) -> EndedSessions:
        """End every session of the services' role, over the virtual IP."""
        administrator, services = (self.credentials.login(role) for role in (ADMINISTRATOR, SERVICES))
        return await sql.end_sessions(virtual_ip_of(self.runtime), administrator, services, END_WITHIN_S)

    async def throw_away(self) -> None:
        """Do nothing: its container and its volume are removed with the project."""

    def _post(self, host: str, step: str, order: Mapping[str, object] | None = None) -> dict[str, object]:
        """Ask a host to do a step and return its status; raises FacilityError when it refuses, or is not done within `STEP_WITHIN_S`."""
        url = f"{self.runtime.published(host, SERVICE_PORT).url}/{step}"
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(url, json=order, headers={"Authorization": authorization(self.credentials)}, timeout=STEP_WITHIN_S)
                status = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise FacilityError(f"{host} does not answer to the step {step!r}: {error}\n{self.runtime.last_lines(host)}") from error
        if not answer.ok:
            raise FacilityError(str(status.get("error", status)))
        return dict(status)
