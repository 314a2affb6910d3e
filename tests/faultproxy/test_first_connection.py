"""No connection is without the toxics that were given with its proxy, not even the first: a client connects in a loop meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.faultproxy.servers import WITHIN_S, address_of, read_address
from tests.mutations import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faultproxy.servers import ApiClient

DROP = {"type": "timeout", "stream": "downstream", "attributes": {"timeout": 10}}  # with it no byte comes to the client


class Upstream:
    """A server that sends a byte over each connection at once, and counts its connections."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.served = 0

    def run(self) -> None:
        """Serve until the listener is shut down."""
        with ExitStack() as opened, suppress(OSError):
            while True:
                connection = opened.enter_context(self.listener.accept()[0])
                self.served += 1
                with suppress(OSError):  # the client's end may have gone
                    connection.sendall(b"x")


class Clients:
    """Connects to an address again and again, and notes what it received."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.received = b""
        self.connections = 0
        self.stop = threading.Event()

    def run(self) -> None:
        """Connect until it is told to stop."""
        while not self.stop.wait(0.0002):  # the server, in this process too, has its turn
            with suppress(OSError), socket.create_connection(self.address, timeout=1) as client:
                self.connections += 1
                self.received += client.recv(1)


@contextmanager
def started(run: Callable[[], None], stop: Callable[[], None]) -> Iterator[None]:
    """Run in a thread until the block ends."""
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(WITHIN_S)


def wait_served(upstreams: list[Upstream], since: int) -> None:
    """Wait until some connections have gone through to one of these."""
    deadline = time.monotonic() + WITHIN_S
    while sum(upstream.served for upstream in upstreams) < since + 3:
        assert time.monotonic() < deadline, "no client came through"
        time.sleep(0.001)


def by_create(api: ApiClient, proxy: dict[str, Any]) -> None:
    """Make the proxy anew."""
    api.ask("DELETE", "/proxies/db")
    assert api.ask("POST", "/proxies", proxy).status == 201


def by_populate(api: ApiClient, proxy: dict[str, Any]) -> None:
    """Make the proxy anew, with others."""
    api.ask("DELETE", "/proxies/db")
    assert api.ask("POST", "/populate", [{**proxy, "name": "other", "listen": ""}, proxy]).status == 201


def by_enabling(api: ApiClient, proxy: dict[str, Any]) -> None:
    """Enable the proxy by `/populate`, which then has no toxics yet."""
    api.ask("DELETE", "/proxies/db")
    assert api.ask("POST", "/proxies", {**proxy, "enabled": False, "toxics": []}).status == 201
    assert api.ask("POST", "/populate", [{**proxy, "enabled": True}]).status == 201


def by_replacing(api: ApiClient, proxy: dict[str, Any]) -> None:
    """Give the proxy another upstream by `/populate`."""
    assert api.ask("POST", "/populate", [proxy]).status == 201


@pytest.mark.parametrize("make", [by_create, by_populate, by_enabling, by_replacing])
def test_no_connection_is_without_the_toxics_of_its_proxy(api: ApiClient, make: Callable[[ApiClient, dict[str, Any]], None]) -> None:
    """Each time that the proxy is made, enabled or replaced: clients come through, and none of them receives what the toxic drops."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = address_of(free)
    with ExitStack() as opened:
        upstreams = [Upstream(opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))) for _ in range(2)]
        for upstream in upstreams:
            opened.enter_context(started(upstream.run, lambda here=upstream: here.listener.shutdown(socket.SHUT_RDWR)))  # type: ignore[misc]
        clients = Clients(read_address(listen))
        for _ in range(2):
            opened.enter_context(started(clients.run, clients.stop.set))
        for number in range(times(200, quick=12)):
            served = sum(upstream.served for upstream in upstreams)
            make(api, {"name": "db", "listen": listen, "upstream": address_of(upstreams[number % 2].listener), "toxics": [DROP]})
            wait_served(upstreams, served)
    assert clients.received == b""
    assert clients.connections > 0
