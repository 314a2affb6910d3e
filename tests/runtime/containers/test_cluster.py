"""The heartbeats between database hosts in containers: what a host sends and counts, and what the cluster manager makes of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from testbed.concurrency import cancel_and_wait, wait_until
from testbed.errors import FacilityError
from testbed.facility.address import Address
from testbed.facility.heartbeat_watch import HeartbeatWatch
from testbed.runtime.cluster.beat import LOOPBACK
from testbed.runtime.cluster.orders import BeatOrder, Watched, WatchOrder, watch_order, watched
from testbed.runtime.containers.cluster import ContainerCluster
from testbed.runtime.containers.programs.heartbeats import HostHeartbeats
from testbed.runtime.containers.services import authorization, heartbeats_of
from tests.runtime.containers.test_database_host import host_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EVERY_S = 0.1
WITHIN_S = 30.0
ENOUGH = 5


def watch_of(take_over_after: int = 1000) -> HeartbeatWatch:
    """Return a watch over the network of the service traffic, which allows so many to be missed."""
    return HeartbeatWatch("database", EVERY_S, take_over_after)


async def wait_received(host: HostHeartbeats, more: int = ENOUGH) -> None:
    """Wait until so many more heartbeats have come to a host."""
    wanted = host.told().watch.received + more

    async def look() -> str | None:
        return None if host.told().watch.received >= wanted else f"{host.told().watch.received} of {wanted}"

    await wait_until("no heartbeats came", look, WITHIN_S, every_s=0.01)


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[HostHeartbeats, HostHeartbeats]]:
    """Run the heartbeats of two hosts, each at a free port of loopback."""
    hosts = (HostHeartbeats("db-1", LOOPBACK), HostHeartbeats("db-2", LOOPBACK))
    try:
        yield hosts
    finally:
        for host in hosts:
            await host.rest()


@pytest.mark.fact("C1")
async def test_a_host_counts_what_the_other_one_sends_and_finds_it_lost() -> None:
    """Over a real connection, and with the reason once it would take over."""
    async with pair() as (one, other):
        address = await one.beat(BeatOrder(EVERY_S))
        await other.watch(WatchOrder(str(address), watch_of(take_over_after=3)))
        await wait_received(other)
        assert other.told().loss == ""
        await one.rest()

        async def look() -> str | None:
            return None if other.told().loss else f"{other.told().watch.in_row} missed"

        await wait_until("the host was not lost", look, WITHIN_S, every_s=0.01)
        told = other.told()
        assert told.watch.missed >= told.watch.in_row == 3
        assert told.loss.startswith("db-2 heard nothing of db-1 for ")
        assert told.loss.endswith("over the link database, where a heartbeat is due every 0.1 s, and takes over after 3 missed in a row")


async def test_a_host_that_rests_has_nothing_left_of_a_watch() -> None:
    """Neither a count nor a connection, and nobody listens where it sent."""
    async with pair() as (one, other):
        address = await one.beat(BeatOrder(EVERY_S))
        await other.watch(WatchOrder(str(address), watch_of()))
        await wait_received(other)
        await one.rest()
        await other.rest()
        with pytest.raises(FacilityError, match=r"^db-2 watches no other host$"):
            other.told()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address.host, address.port)


async def test_an_order_ends_the_one_before() -> None:
    """A host watches one other, as it was last told, and counts on from what the order says."""
    async with pair() as (one, other):
        address = await one.beat(BeatOrder(60.0))
        address = await one.beat(BeatOrder(EVERY_S))
        await other.watch(WatchOrder("127.0.0.1:1", watch_of(take_over_after=1)))
        await other.watch(WatchOrder(str(address), replace(watch_of(), received=70, in_row=2)))
        await wait_received(other)
        assert other.told().watch.received >= 70 + ENOUGH
        assert other.told().loss == ""


async def test_what_is_no_address_or_is_taken_is_refused() -> None:
    """With the host's words."""
    async with pair() as (one, other):
        with pytest.raises(FacilityError, match="is not an address"):
            await other.watch(WatchOrder("nowhere", watch_of()))
        taken = HostHeartbeats("db-2", await one.beat(BeatOrder(EVERY_S)))
        with pytest.raises(FacilityError, match=r"^db-2 cannot send heartbeats at 127"):
            await taken.beat(BeatOrder(EVERY_S))


async def test_heartbeats_are_ordered_by_those_who_have_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else lets a host send, watch or rest, or learns what it counted; a body that is no order is named."""
    host = host_of(tmp_path, monkeypatch)
    host.credentials.make()
    host.heartbeats.listen = LOOPBACK
    token = {"Authorization": authorization(host.credentials)}
    order = asdict(WatchOrder("127.0.0.1:1", watch_of()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(host.app()), base_url="http://db-1") as client:
        asked = [await client.post(f"/{path}", json=order) for path in ("beat", "watch", "rest", "narrow")]
        asked.append(await client.get("/heartbeats"))
        assert [answer.status_code for answer in asked] == [401] * 5
        assert host.heartbeats.server is host.heartbeats.order is None
        assert (await client.post("/watch", json={}, headers=token)).status_code == 400
        assert (await client.get("/heartbeats", headers=token)).json() == {"error": "db-1 watches no other host"}
        beating = await client.post("/beat", json=asdict(BeatOrder(EVERY_S)), headers=token)
        own = asdict(WatchOrder(f"127.0.0.1:{beating.json()['port']}", watch_of()))
        assert (await client.post("/watch", json=own, headers=token)).status_code == 200
        await wait_received(host.heartbeats, 1)
        told = watched.validate_json((await client.get("/heartbeats", headers=token)).content)
        assert told.watch.received >= 1
        assert (await client.post("/rest", headers=token)).status_code == 200
        assert (await client.get("/heartbeats", headers=token)).status_code == 409
        untold = await client.post("/narrow", headers=token)
        assert (untold.status_code, untold.json()["error"]) == (409, "db-1 is not told how fast the network of the database is")


@dataclass(slots=True)
class Hosts:
    """A pair of hosts whose steps are those of `DatabaseHosts`, without containers; `asked` holds up an answer about heartbeats."""

    active: str = "db-1"
    beats: dict[str, HostHeartbeats] = field(default_factory=lambda: {name: HostHeartbeats(name, LOOPBACK) for name in ("db-1", "db-2")})
    at: dict[str, Address] = field(default_factory=dict)
    asked: list[asyncio.Event] = field(default_factory=list)

    async def beat(self, host: str, order: BeatOrder) -> None:
        """Let a host send."""
        self.at[host] = await self.beats[host].beat(order)

    async def watch(self, host: str, order: WatchOrder) -> None:
        """Let a host watch; the order goes by JSON, as to a real one, and names resolve here."""
        sent = watch_order.validate_json(watch_order.dump_json(order))
        assert sent.address == heartbeats_of(order.watch.sender, order.watch.link)
        await self.beats[host].watch(replace(sent, address=str(self.at[order.watch.sender])))

    async def watched(self, host: str) -> Watched:
        """Return what a host counted; as from a real one, not the record that it counts in."""
        for event in self.asked:
            await event.wait()
        return watched.validate_json(watched.dump_json(self.beats[host].told()))

    async def rest(self, host: str) -> None:
        """Let a host rest."""
        await self.beats[host].rest()

    async def end(self) -> None:
        """Let both rest."""
        for host in self.beats.values():
            await host.rest()


@asynccontextmanager
async def cluster_of(take_over_after: int = 1000) -> AsyncIterator[tuple[ContainerCluster, Hosts, asyncio.Task[str]]]:
    """Watch the active host of a pair; yield the cluster, its hosts, and the task that waits for a loss."""
    hosts = Hosts()
    cluster = ContainerCluster(watch_of(take_over_after), hosts)  # type: ignore[arg-type]
    losing = asyncio.create_task(cluster.wait_lost())

    async def look() -> str | None:
        await cluster.heartbeats()
        return None if cluster.watch.received >= ENOUGH else f"{cluster.watch.received} heartbeats"

    try:
        await wait_until("no heartbeats came", look, WITHIN_S, every_s=0.01)
        yield cluster, hosts, losing
    finally:
        await cancel_and_wait([losing])
        await hosts.end()


@pytest.mark.fact("C1", "P2")
async def test_the_cluster_finds_a_host_lost_as_the_other_one_does() -> None:
    """With its reason; and the evidence keeps telling whose heartbeats were missed, also after the database has moved."""
    async with cluster_of(take_over_after=3) as (cluster, hosts, losing):
        await hosts.beats["db-1"].rest()
        async with asyncio.timeout(WITHIN_S):
            reason = await losing
        assert reason.startswith("db-2 heard nothing of db-1 for ")
        async with cluster.moving():
            hosts.active = "db-2"
        assert [host.order for host in hosts.beats.values()] == [None, None]  # nobody watches any more
        told = await cluster.heartbeats()
        (count,) = await cluster.look(lambda: (1.0, 2.0))
        assert (told.sender, told.link, count.in_row) == ("db-1", "database", 3)
        assert told.received >= ENOUGH


@pytest.mark.fact("C1", "C4")
async def test_a_planned_switchover_swaps_the_roles_and_counts_on() -> None:
    """What is missed meanwhile is no loss; afterwards the other host watches, and what was counted before still counts."""
    async with cluster_of(take_over_after=3) as (cluster, hosts, losing):
        async with cluster.moving():
            before = cluster.watch.received
            await hosts.beats["db-1"].rest()
            await asyncio.sleep(10 * EVERY_S)
            assert not losing.done()
            hosts.active = "db-2"
        assert (cluster.watch.sender, cluster.watch.watcher) == ("db-2", "db-1")
        assert hosts.beats["db-2"].order is None
        await wait_received(hosts.beats["db-1"])
        assert (await cluster.heartbeats()).received >= before + ENOUGH
        assert not losing.done()


async def test_an_answer_from_before_a_move_counts_no_more() -> None:
    """A host that was asked while it watched, and answers when it does no more, is not believed, and its refusal is no error."""
    async with cluster_of() as (cluster, hosts, _):
        hosts.asked.append(held := asyncio.Event())
        asking = asyncio.create_task(cluster.heartbeats())
        await asyncio.sleep(0)
        cluster.is_watching, cluster.orders = False, cluster.orders + 1
        await hosts.end()
        held.set()
        assert (await asking).received >= ENOUGH
