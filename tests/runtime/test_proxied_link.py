from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from testbed.facility.address import Address
from testbed.runtime.proxied_link import ProxiedLink
from testbed.runtime.toxiproxy import FaultProxyClient
from tests.faultproxy.servers import WITHIN_S, in_thread, rest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faultproxy.servers import ApiClient


@pytest.fixture
def api() -> Iterator[ApiClient]:
    """Run a fault proxy."""
    with in_thread() as api:
        yield api


async def test_what_is_dropped_is_every_connection_and_not_the_listener(api: ApiClient) -> None:
    """Whoever was connected is cut; who connects afterwards, at the same address, is served."""
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        upstream.settimeout(WITHIN_S)
        link = ProxiedLink(FaultProxyClient(api.host, api.port), "link")
        await link.create(Address(*upstream.getsockname()))
        before = [socket.create_connection((link.address.host, link.address.port), timeout=WITHIN_S) for _ in range(3)]
        behind = [upstream.accept()[0] for _ in before]
        await link.drop()
        assert await link.is_enabled()
        assert [rest(end) for end in (*before, *behind)] == [b""] * 6
        with socket.create_connection((link.address.host, link.address.port), timeout=WITHIN_S) as after:
            served, _ = upstream.accept()
            after.sendall(b"x")
            assert served.recv(1) == b"x"
        for end in (*before, *behind, served):
            end.close()
        await link.delete()
