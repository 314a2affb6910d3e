from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from testbed.concurrency import cancel_and_wait, wait_until
from testbed.facility.facility import Facility
from testbed.facility.heartbeat_watch import HeartbeatWatch
from testbed.facility.probe import ProbeSpec
from testbed.fakes.database import FakeDatabase
from testbed.observe.probe import LocalProbe
from testbed.runtime.cluster.manager import Cluster
from testbed.runtime.proxied_link import ProxiedLink
from testbed.runtime.toxiproxy import FaultProxyClient
from tests.faultproxy.servers import WITHIN_S, in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.faultproxy.servers import ApiClient

EVERY_S = 0.1
ENOUGH = 5


@pytest.fixture
def api() -> Iterator[ApiClient]:
    """Run a fault proxy."""
    with in_thread() as api:
        yield api


@dataclass(frozen=True, slots=True)
class Watched:
    """A cluster whose heartbeats go through a fault proxy, and the task that waits for a loss."""

    cluster: Cluster
    link: ProxiedLink
    losing: asyncio.Task[str]

    @property
    def watch(self) -> HeartbeatWatch:
        """What was counted."""
        return self.cluster.watch

    async def wait_received(self, more: int = ENOUGH) -> None:
        """Wait until so many more heartbeats have come."""
        wanted = self.watch.received + more

        async def look() -> str | None:
            return None if self.watch.received >= wanted else f"{self.watch.received} of {wanted}"

        await wait_until("no heartbeats came", look, WITHIN_S, every_s=0.01)


@asynccontextmanager
async def watching(api: ApiClient, take_over_after: int = 1000) -> AsyncIterator[Watched]:
    """Watch the heartbeats of the first host, which may miss so many in a row."""
    link = ProxiedLink(FaultProxyClient(api.host, api.port), "heartbeats")
    cluster = Cluster(HeartbeatWatch("heartbeats", EVERY_S, take_over_after), FakeDatabase(), link)
    await cluster.start()
    losing = asyncio.create_task(cluster.wait_lost())
    try:
        yield Watched(cluster, link, losing)
    finally:
        await cancel_and_wait([losing])
        await cluster.stop()
        await link.delete()


async def test_heartbeats_come_through_the_link(api: ApiClient) -> None:
    """From the active host to the other one, counted as evidence and as an event."""
    async with watching(api) as watched:
        await watched.wait_received()
        told = await watched.cluster.heartbeats()
        (count,) = await watched.cluster.look(lambda: (1.0, 2.0))
        assert (told.sender, told.watcher, told.link, told.every_s, told.take_over_after) == ("db-1", "db-2", "heartbeats", EVERY_S, 1000)
        assert told.received >= count.received - 1 >= ENOUGH - 1
        assert (count.t_s, count.night_s, count.sender) == (1.0, 2.0, "db-1")


@pytest.mark.fact("P2")
@pytest.mark.parametrize("toxic", ["silence", "latency"])
async def test_a_host_is_lost_when_its_heartbeats_are_kept_back_on_the_link(api: ApiClient, toxic: str) -> None:
    """Whether nothing comes or all of it comes late: the host lives, and nobody can tell."""
    async with watching(api, take_over_after=3) as watched:
        await watched.wait_received()
        await watched.link.add_toxic(toxic, {"latency": 60_000} if toxic == "latency" else {})
        async with asyncio.timeout(WITHIN_S):
            assert (await watched.losing).endswith("takes over after 3 missed in a row")
        assert watched.watch.missed >= 3
        assert watched.watch.longest_gap_s >= 3 * EVERY_S


async def test_a_connection_that_is_cut_is_made_anew(api: ApiClient) -> None:
    """A reset link is no dead host."""
    async with watching(api) as watched:
        await watched.wait_received()
        await watched.link.drop()
        await watched.wait_received()
        assert not watched.losing.done()


@pytest.mark.fact("C1", "C4")
async def test_a_planned_switchover_pauses_the_watching_and_the_other_host_sends_afterwards(api: ApiClient) -> None:
    """Whatever is missed meanwhile is no loss, although a single one would be."""
    async with watching(api, take_over_after=4) as watched:
        await watched.wait_received()
        async with watched.cluster.moving():
            await watched.link.add_toxic("silence", {})
            missed = watched.watch.missed
            await asyncio.sleep(10 * EVERY_S)
            assert watched.watch.missed == missed
            await watched.link.remove_toxic("silence")
            watched.cluster.database.active = "db-2"
        assert (watched.watch.sender, watched.watch.watcher) == ("db-2", "db-1")
        await watched.wait_received()
        assert not watched.losing.done()


async def test_a_takeover_leaves_the_lost_host_the_lost_one(api: ApiClient) -> None:
    """The evidence tells whose heartbeats were missed, also after the database has moved."""
    async with watching(api, take_over_after=1) as watched:
        await watched.link.disable()
        async with asyncio.timeout(WITHIN_S):
            await watched.losing
        async with watched.cluster.moving():
            watched.cluster.database.active = "db-2"
        assert (await watched.cluster.heartbeats()).sender == "db-1"


async def test_a_probe_of_a_fault_is_answered_over_the_link_of_the_heartbeats(api: ApiClient) -> None:
    """As over any other link, or no fault on it could be verified or healed."""
    async with watching(api) as watched:
        for kind in ("requests", "log_in"):
            probe = LocalProbe("heartbeats", watched.link.address, ProbeSpec(kind, within_s=WITHIN_S))  # type: ignore[arg-type]
            assert (await probe.wait_result()).ended == "answered"


def test_a_facility_has_no_cluster_manager_unless_it_is_given_one() -> None:
    """The night of the case is as it was."""
    assert not Facility.__dataclass_fields__["cluster"].default_factory().is_on  # type: ignore[misc]
