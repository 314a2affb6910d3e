from __future__ import annotations

import pytest

from testbed.facility.address import Address
from testbed.fakes.link import FakeLink
from testbed.runtime.shared_network import SharedNetwork


@pytest.mark.fact("P2")
async def test_what_is_done_to_a_shared_network_is_done_to_both_links() -> None:
    """Toxics come and go on both, and both listen or neither does."""
    service, heartbeats = FakeLink(), FakeLink()
    shared = SharedNetwork(service, heartbeats)
    await shared.add_toxic("silence", {}, "upstream")
    assert service.on == heartbeats.on == {"silence_upstream": {}}
    assert await shared.toxics() == ("silence_upstream",)
    await shared.remove_toxic("silence", "upstream")
    assert service.on == heartbeats.on == {}
    await shared.disable()
    assert (service.enabled, heartbeats.enabled, await shared.is_enabled()) == (False, False, False)
    await shared.enable()
    assert (service.enabled, heartbeats.enabled, await shared.is_enabled()) == (True, True, True)


async def test_an_address_that_moves_takes_the_first_link_alone() -> None:
    """The virtual IP goes to the other host; the heartbeats do not go to its database."""
    service, heartbeats = FakeLink(), FakeLink()
    await SharedNetwork(service, heartbeats).point(Address("db-2", 5432))
    assert (service.host, heartbeats.host) == ("db-2", "db-1")
