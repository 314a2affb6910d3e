"""What becomes of a proxy's toxics, and of its connections, when `/populate` gives them again."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.faultproxy.servers import is_silent, receive, rest

if TYPE_CHECKING:
    from tests.faultproxy.servers import Wire


def populate(wire: Wire, *given: dict[str, object]) -> None:
    """Send the proxy back with these toxics."""
    shown = wire.api.ask("GET", "/proxies/wire").body
    assert wire.api.ask("POST", "/populate", [shown | {"toxics": list(given)}]).status == 201


def test_a_toxic_that_stays_keeps_its_connections(wire: Wire) -> None:
    """What others come and go, a `timeout` that is given again closes nothing; it does when it is not given."""
    drop = {"type": "timeout", "stream": "upstream"}
    populate(wire, {"type": "noop", "name": "first"}, drop)
    client, upstream = wire.connect()
    client.sendall(b"dropped")
    for others in ([{"type": "noop", "stream": "upstream"}], [{"type": "latency"}], []):
        populate(wire, drop, *others)
        assert is_silent(upstream)
        assert is_silent(client)
    populate(wire)
    assert (rest(client), rest(upstream)) == (b"", b"")


def test_a_toxic_that_is_given_otherwise_is_changed_in_its_place(wire: Wire) -> None:
    """It goes on with what it has counted on a connection, as with a change of the toxic itself."""
    limit = {"type": "limit_data", "stream": "upstream"}
    populate(wire, {**limit, "attributes": {"bytes": 7}})
    client, upstream = wire.connect()
    client.sendall(b"12345")
    assert receive(upstream, 5) == b"12345"
    populate(wire, {**limit, "attributes": {"bytes": 8}})
    client.sendall(b"67890")
    assert rest(upstream) == b"678"


@pytest.mark.parametrize("wanted", ["", "a", "b", "ab", "ba", "cab", "acb", "abc", "xy", "xayb", "yxba", "cyabx"])
def test_toxics_are_in_the_order_of_the_entry(wire: Wire, wanted: str) -> None:
    """Whatever order they had, and however many of them; bytes pass them all, none of them lost or doubled."""
    streams = {"x": "downstream", "y": "downstream"}
    client, upstream = wire.connect()
    for names in ("abx", wanted, "cbaxy", wanted):
        populate(wire, *({"name": name, "type": "noop", "stream": streams.get(name, "upstream")} for name in names))
        shown = wire.api.ask("GET", "/proxies/wire/toxics").body
        assert "".join(toxic["name"] for toxic in shown) == "".join(sorted(names, key=lambda name: name in streams))
        for source, target in ((client, upstream), (upstream, client)):
            source.sendall(b"through")
            assert receive(target, 7) == b"through"
    client.shutdown(socket.SHUT_WR)
    assert rest(upstream) == b""
