from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import pytest

from testbed.errors import ProxyError, ServiceError
from testbed.facility.address import Address
from testbed.facility.facility import LOAD, Facility
from testbed.facility.runtime import ServiceSpec
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.monitoring import FakeMonitoring
from testbed.fakes.service import START_S
from testbed.fakes.virtual_time import run
from testbed.journal.events import Shortage
from testbed.plan.topology import FacilityPlan
from testbed.runtime.proxied_link import NOWHERE, ProxiedLink
from testbed.runtime.toxiproxy import ProxyRecord

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from testbed.journal.events import Now
    from testbed.runtime.toxiproxy import FaultProxyClient

PLAN = FacilityPlan(application_servers=2, request_threads=1, pool_size=1, callers=("kiosk",))


def with_facility(do: Callable[[FakeBuilder, Facility], Awaitable[None]]) -> FakeBuilder:
    """Run `do` with a fake facility in virtual time, and return the facility's builder."""
    builder = FakeBuilder(PLAN)

    async def doing() -> None:
        await do(builder, await builder.build())

    run(doing())
    return builder


def test_services_come_in_their_order() -> None:
    """Application servers come first, then callers; the load generator is not among them."""

    async def look(_: FakeBuilder, facility: Facility) -> None:
        assert facility.services == ("cf-1", "cf-2", "kiosk")
        assert LOAD in facility.specs

    with_facility(look)


def test_a_restart_kills_and_then_starts_as_before() -> None:
    """With the same environment, and on purpose: it is down only in between."""

    async def restart(builder: FakeBuilder, facility: Facility) -> None:
        facility.specs["cf-1"] = ServiceSpec("cf-1", "fake", environment=(("A", "1"),))
        await facility.restart("cf-1")
        assert facility.down == set()
        assert builder.runtime.running["cf-1"].environment == (("A", "1"),)

    assert with_facility(restart).runtime.calls[-2:] == [("kill", "cf-1"), ("start", "cf-1")]


def test_a_service_that_could_not_be_started_again_is_down_on_purpose() -> None:
    """It does not count as one that died by itself."""

    async def restart(builder: FakeBuilder, facility: Facility) -> None:
        del facility.specs["cf-1"]
        with pytest.raises(KeyError):
            await facility.restart("cf-1")
        assert facility.down == {"cf-1"}

    with_facility(restart)


def test_services_are_ready_when_the_last_one_is() -> None:
    """All are waited for at once."""

    async def restart(_: FakeBuilder, facility: Facility) -> None:
        await facility.restart("cf-1")
        await asyncio.sleep(START_S / 2)
        await facility.restart("cf-2")
        started = asyncio.get_running_loop().time()
        await facility.wait_ready(["cf-1", "cf-2"])
        assert asyncio.get_running_loop().time() - started == pytest.approx(START_S)

    with_facility(restart)


class Mute(FakeMonitoring):
    """Monitoring of services that never answer, or answer with an error."""

    said: str | None = None

    async def health(self, service: str, address: Address) -> str:  # noqa: ARG002 - the protocol's signature
        """Return what is said; wait for ever if that is None."""
        if self.said is None:
            await asyncio.Event().wait()
        return self.said or ""


@pytest.mark.parametrize(("said", "seen"), [(None, "no answer"), ("503", "503"), ("Cannot connect", "Cannot connect")])
def test_a_service_that_is_not_ready_in_time_is_one_error_with_what_was_seen_last(said: str | None, seen: str) -> None:
    """It is no group of errors, so that a caller can catch it by its kind."""

    async def wait(builder: FakeBuilder, facility: Facility) -> None:
        mute = Mute(builder.runtime)
        mute.said = said
        facility.instruments = dataclasses.replace(facility.instruments, monitoring=lambda: mute)
        with pytest.raises(ServiceError, match=rf"^(cf-1|cf-2) was not ready within 2 s, last seen: {seen}; its last lines"):
            await facility.wait_ready(["cf-1", "cf-2"], within_s=2.0)

    with_facility(wait)


def test_a_service_that_ends_is_not_waited_for_any_longer() -> None:
    """Its exit code and its last lines say more than a time-out."""

    async def wait(builder: FakeBuilder, facility: Facility) -> None:
        await facility.restart("cf-2")
        asyncio.get_running_loop().call_later(START_S / 2, builder.runtime.die, "cf-2", 3)
        with pytest.raises(ServiceError, match="cf-2 ended with exit code 3 before it was ready:\nthe fake was told to die"):
            await facility.wait_ready(["cf-1", "cf-2"])

    with_facility(wait)


@dataclasses.dataclass
class Client:
    """A fault proxy's client that records its calls."""

    calls: list[tuple[object, ...]] = dataclasses.field(default_factory=list)
    gone: bool = False

    def create(self, name: str, upstream: str, listen: str) -> ProxyRecord:
        """Record it."""
        self.calls.append(("create", name, upstream, listen))
        return ProxyRecord(name, "127.0.0.1:4711", upstream, enabled=True)

    def point(self, name: str, upstream: str) -> None:
        """Record it."""
        self.calls.append(("point", name, upstream))

    def add_toxic(self, name: str, kind: str, attributes: dict[str, int], *, stream: str, toxic_name: str) -> None:
        """Record it."""
        self.calls.append(("add_toxic", name, kind, attributes, stream, toxic_name))

    def delete(self, name: str) -> None:
        """Record it, and fail if the proxy is gone."""
        self.calls.append(("delete", name))
        if self.gone:
            raise ProxyError("nobody there")


def virtual_ip(client: Client) -> ProxiedLink:
    """Return a virtual IP over such a client."""
    fault_proxy: FaultProxyClient = client  # type: ignore[assignment]
    return ProxiedLink(fault_proxy, "virtual-ip-1")


@dataclasses.dataclass
class Starved:
    """A facility whose database could not fork."""

    every_s: float | None = None

    async def look(self, now: Now) -> Sequence[Shortage]:
        """Return what its log says."""
        t_s, night_s = now()
        return (Shortage(t_s=t_s, night_s=night_s, of="db-1", resource="processes", lines=1, line="LOG:  could not fork new process"),)


def test_a_service_that_is_not_ready_for_want_of_something_is_told_with_it() -> None:
    """The server says only that it has no connection; the database's own log says why."""

    async def wait(builder: FakeBuilder, facility: Facility) -> None:
        facility.shortages = Starved()
        builder.runtime.die("cf-1", 3)
        builder.runtime.service("cf-1").ready.clear()
        with pytest.raises(
            ServiceError, match=r"cf-1 ended with exit code 3 .*\n.*\ndb-1 lacked processes: LOG:  could not fork new process"
        ):
            await facility.wait_ready(["cf-1"])

    with_facility(wait)


async def test_the_virtual_ip_belongs_to_no_host_until_it_is_given_to_one() -> None:
    """Its address is known before, and stays."""
    client = Client()
    address = virtual_ip(client)
    assert await address.create() == Address("127.0.0.1", 4711)
    await address.point(Address("127.0.0.1", 5432))
    await address.add_toxic("latency", {"latency": 5})
    assert client.calls == [
        ("create", "virtual-ip-1", str(NOWHERE), "127.0.0.1:0"),
        ("point", "virtual-ip-1", "127.0.0.1:5432"),
        ("add_toxic", "virtual-ip-1", "latency", {"latency": 5}, "downstream", "latency_downstream"),
    ]


async def test_a_virtual_ip_whose_server_is_gone_is_deleted_already() -> None:
    """Taking down goes on."""
    client = Client(gone=True)
    await virtual_ip(client).delete()
    assert client.calls == [("delete", "virtual-ip-1")]
