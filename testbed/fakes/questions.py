"""What the parts of a fake facility tell of themselves: who has the connections of each pool, and whom each caller calls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.facility.observers import Question
from testbed.fakes.server import FakeServer
from testbed.journal.evidence import HEARTBEATS, About, ConnectionOut, PoolTable
from testbed.plan.topology import servers_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from testbed.facility.cluster import ClusterManager
    from testbed.fakes.runtime import FakeRuntime
    from testbed.journal.events import Threads
    from testbed.journal.evidence import Answer
    from testbed.plan.settings import Settings
    from testbed.plan.topology import FacilityPlan

PORT = 80


@dataclass(frozen=True, slots=True)
class FakeQuestions:
    """Answers for the services and the cluster of a fake facility. Addresses are names; of a database and of proxies nothing is told."""

    plan: FacilityPlan
    settings: Settings
    runtime: FakeRuntime
    cluster: ClusterManager

    def addresses(self) -> dict[str, str]:
        """Return that of each service."""
        return {service: f"{service}:{PORT}" for service in (*self.plan.server_names, *self.plan.callers)}

    def all(self) -> Sequence[Question]:
        """Return a question for each pool, each service and the cluster."""
        return tuple(self._questions())

    def of_dump(self, dump: Threads, file: Path) -> Sequence[Question]:  # noqa: ARG002 - the protocol's signature
        """Return nothing: a fake service has no locks."""
        return ()

    def _questions(self) -> Iterator[Question]:
        for server in self.plan.server_names:
            yield Question(f"pool of {server}", partial(self._pool, server))
            yield Question(f"what {server} is", partial(self._about, server, {"database": "host=database"}))
        for caller, servers in servers_of(self.plan, self.settings.facility).items():
            urls: dict[str, object] = {"flight_search_urls": [f"http://{server}:{PORT}" for server in servers]}
            yield Question(f"what {caller} is", partial(self._about, caller, urls))
        if self.cluster.is_on:
            yield Question(HEARTBEATS, self.cluster.heartbeats)

    async def _pool(self, server: str) -> Answer:
        fake = self.runtime.service(server)
        if not isinstance(fake, FakeServer) or not fake.alive:
            raise FacilityError(f"{server} does not answer: connection refused")
        pool, overflow = fake.pool(), self.settings.application_server.pool_max_overflow
        lost = tuple(self._lost(number) for number in range(pool.leaked))
        timeout_s = self.settings.application_server.pool_checkout_timeout_s
        return PoolTable(server, pool.size, overflow, timeout_s, pool.in_, pool.out, pool.waiting, pool.leaked, lost)

    def _lost(self, number: int) -> ConnectionOut:
        """Return a connection that was leaked, in the file of the lookup; a fake runs none of its lines."""
        at = f"lookup/{self.settings.application_server.lookup}.py:0 lookup_by_city"
        return ConnectionOut(number, "fake", 0.0, request_running=False, operation="lookup_by_city", checked_out_at=(at,), error="dead")

    async def _about(self, service: str, settings: dict[str, object]) -> Answer:
        if not self.runtime.service(service).alive:
            raise FacilityError(f"{service} does not answer: connection refused")
        return About(service, 0, {}, {}, {}, settings)
