"""A proxy: a listener, an upstream, the connections between them, and the toxics that are on each."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from testbed.faultproxy.link import Hands, Link, NamedToxic
from testbed.faultproxy.straight import Activity, Traffic

logger = logging.getLogger(__name__)

BACKLOG = 1024
ACCEPT_AGAIN_S = 1.0
NO_LINGER = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # on, zero seconds: close sends RST
KEEPALIVE_S = 15  # as Toxiproxy's, which is Go's: a peer that vanished without a word is noticed within minutes
UPSTREAM = "upstream"
DOWNSTREAM = "downstream"
ANY_PORT = "127.0.0.1:0"
LAST_PORT = 65_535


class Connection:
    """A client's connection and the one to the upstream, with a link each way. Whoever made it closes the sockets."""

    def __init__(self, client: socket.socket, upstream: socket.socket, traffic: dict[str, Traffic], keepalive_s: int = KEEPALIVE_S) -> None:
        self._ends = (client, upstream)
        now_s = asyncio.get_running_loop().time()
        activity = Activity(now_s, now_s)
        hands = Hands(self.abort, self.reset, self._hang_up)
        self.links = {
            UPSTREAM: Link(client, upstream, activity, traffic[UPSTREAM], hands),
            DOWNSTREAM: Link(upstream, client, activity, traffic[DOWNSTREAM], hands),
        }
        for end in self._ends:
            _set_options(end, options(keepalive_s))

    async def run(self, toxics: list[NamedToxic]) -> None:
        """Pass bytes both ways until both directions have ended, which may be one long after the other."""
        for toxic in toxics:
            self.link_of(toxic).add(toxic)
        try:
            async with asyncio.TaskGroup() as group:
                readers = [group.create_task(link.run()) for link in self.links.values()]
                for link in self.links.values():
                    await link.wait_done()
                for reader in readers:
                    reader.cancel()
        finally:
            for link in self.links.values():
                await link.stop()

    def link_of(self, toxic: NamedToxic) -> Link:
        """Give the direction that a toxic is for."""
        return self.links[toxic.stream.lower()]

    def abort(self) -> None:
        """Close both sides at once. What a peer has not read by then may be lost to it."""
        self._abandon()
        for end in self._ends:
            _say_end(end)

    def reset(self) -> None:
        """Reset both sides: unsent data is thrown away and the peers get RST."""
        self._abandon()
        for end in self._ends:
            _set_options(end, (NO_LINGER,))

    def _abandon(self) -> None:
        for link in self.links.values():
            link.abandon()

    def _hang_up(self, closed: Link) -> None:
        for link in self.links.values():
            if link is not closed:
                link.hang_up()


@dataclass(eq=False)
class Proxy:
    """A proxy by name. `listen` and `upstream` are `host:port`; listening at port 0 takes a free one, which `listen` then shows.

    Without `listen` it is a free port of the loopback address, and not of every address as with Toxiproxy: a laptop's proxies are nobody
    else's business. Over a connection that has been quiet for `keepalive_s` its kernel asks whether the other side is still there.
    """

    name: str
    listen: str
    upstream: str
    enabled: bool = False
    keepalive_s: int = KEEPALIVE_S
    toxics: dict[str, NamedToxic] = field(default_factory=dict)
    traffic: dict[str, Traffic] = field(default_factory=lambda: {UPSTREAM: Traffic(), DOWNSTREAM: Traffic()})
    _met: dict[str, int] = field(default_factory=dict)  # how many connections were made since a toxic was put there, by its name
    _listener: socket.socket | None = None
    _connections: dict[asyncio.Task[None], Connection | None] = field(default_factory=dict)

    async def enable(self) -> None:
        """Listen; nothing happens when it does already. Raises OSError when the address is taken."""
        if self.enabled:
            return
        listener = await bind(self.listen or ANY_PORT)
        self.listen = name_of(listener.getsockname())
        self._listener = listener
        self.enabled = True
        self._begin_to_accept(listener)

    async def disable(self) -> None:
        """Stop listening and drop every connection."""
        self.enabled = False
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for connection in self._connections.values():
            if connection is not None:
                connection.abort()
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def moves(self, listen: str, upstream: str) -> bool:
        """Whether these addresses are others than the proxy's; `localhost:80` is not, where the proxy listens at `127.0.0.1:80`.

        Raises OSError when `listen` cannot be resolved.
        """
        if upstream != self.upstream:
            return True
        return listen != self.listen and name_of((await resolved(listen or ANY_PORT))[1]) != self.listen

    def add_toxic(self, toxic: NamedToxic) -> None:
        """Put a toxic on the proxy and on every connection that it has."""
        self.toxics[toxic.name] = toxic
        self._met[toxic.name] = 0
        for link in self._links(toxic):
            link.add(toxic)

    def change_toxic(self, toxic: NamedToxic) -> None:
        """Give a toxic's place to its new form."""
        self.toxics[toxic.name] = toxic
        for link in self._links(toxic):
            link.change(toxic)

    def remove_toxic(self, name: str) -> None:
        """Take a toxic away; raises KeyError when there is none of that name."""
        toxic = self.toxics.pop(name)
        for link in self._links(toxic):
            link.remove(name)

    def _links(self, toxic: NamedToxic) -> list[Link]:
        return [connection.link_of(toxic) for connection in self._connections.values() if connection is not None]

    # Not asyncio's own server: what that has accepted, and not yet handed over, in the moment in which it is closed is neither served nor
    # closed. Here a connection is known from its acceptance on, with nothing in between.

    def _begin_to_accept(self, listener: socket.socket) -> None:
        if listener is self._listener:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            for _ in range(BACKLOG):
                client, _ = listener.accept()
                client.setblocking(False)
                task = loop.create_task(self._serve(client))
                self._connections[task] = None
                task.add_done_callback(partial(self._forget, client))
        except (BlockingIOError, ConnectionAbortedError):
            pass  # nobody else waits, or nobody any more
        except OSError as error:  # out of file descriptors, say
            logger.warning("proxy %s accepts nobody for %.0f s: %s", self.name, ACCEPT_AGAIN_S, error)
            loop.remove_reader(listener)
            loop.call_later(ACCEPT_AGAIN_S, self._begin_to_accept, listener)

    def _forget(self, client: socket.socket, task: asyncio.Task[None]) -> None:
        del self._connections[task]
        client.close()  # it may have been dropped before there was a stream over it

    def _refuses(self) -> bool:
        """Whether a toxic wants a new connection to be reset; all of them are asked, because each counts."""
        asked = []
        for name, toxic in self.toxics.items():
            self._met[name] += 1
            refuses = getattr(toxic.toxic, "refuses", None)
            asked.append(refuses is not None and refuses(self._met[name]))
        return any(asked)

    async def _serve(self, client: socket.socket) -> None:
        if self._refuses():
            client.setsockopt(*NO_LINGER)
            return  # it is closed as soon as this has ended
        upstream = None
        try:
            # How long that may take is the kernel's to say, as with Toxiproxy: about two minutes where nobody answers.
            upstream = await connected(self.upstream)
        except (OSError, UnicodeError):  # a name that cannot be written as a host's is one that cannot be found
            return  # the client's connection is closed: there is nobody behind it
        finally:
            if upstream is None:
                _say_end(client)
        with upstream:
            connection = Connection(client, upstream, self.traffic, self.keepalive_s)
            # No await from here to the first one in `run`: every toxic of now is put on there, every later one by `add_toxic`.
            task = asyncio.current_task()
            assert task is not None
            self._connections[task] = connection
            await connection.run(list(self.toxics.values()))


def options(keepalive_s: int) -> tuple[tuple[int, int, int], ...]:
    """Give the options of both sockets of a connection."""
    times = [getattr(socket, name) for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL") if hasattr(socket, name)]  # not every system has them
    return (
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *((socket.IPPROTO_TCP, one, keepalive_s) for one in times),
    )


def split_address(address: str) -> tuple[str, int]:
    """Read `host:port`; raises OSError when it is not one, as listening there would."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise OSError(f"address {address}: missing port in address")
    if int(port[: len(str(LAST_PORT)) + 1]) > LAST_PORT:
        raise OSError(f"address {port[:20]}: invalid port")
    return host.strip("[]"), int(port)


async def connected(address: str) -> socket.socket:
    """Connect to `host:port`, to the first of its numeric addresses that answers; raises OSError when none does."""
    host, port = split_address(address)
    loop = asyncio.get_running_loop()
    error = OSError(f"lookup {host[:80]}: no such host")
    for family, kind, protocol, _, where in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        upstream = socket.socket(family, kind, protocol)
        try:
            upstream.setblocking(False)
            await loop.sock_connect(upstream, where)
        except OSError as raised:
            upstream.close()
            error = raised
        except BaseException:
            upstream.close()
            raise
        else:
            return upstream
    raise error


async def resolved(address: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """Give family and numeric address of a `host:port` to listen at, IPv4 first; without a host: every address.

    Raises OSError whose message is Toxiproxy's.
    """
    try:
        host, port = split_address(address)
    except OSError as error:
        raise OSError(f"listen tcp: {error}") from error
    if not host:
        return (socket.AF_INET6, ("::", port)) if socket.has_dualstack_ipv6() else (socket.AF_INET, ("0.0.0.0", port))  # noqa: S104
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OSError(f"listen tcp: lookup {host[:80]}: no such host") from error
    family, _, _, _, (numeric, *_) = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, (str(numeric), port)


async def bind(address: str) -> socket.socket:
    """Bind a socket to `host:port`; raises OSError whose message is Toxiproxy's."""
    family, bound = await resolved(address)
    everywhere = bound[0] == "::" and socket.has_dualstack_ipv6()
    try:
        listener = socket.create_server(bound, family=family, backlog=BACKLOG, dualstack_ipv6=everywhere)
    except OSError as error:
        raise OSError(f"listen tcp {name_of(bound)}: bind: {os.strerror(error.errno or 0).lower()}") from error
    listener.setblocking(False)
    return listener


def name_of(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """Write a numeric address as `host:port`."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _say_end(end: socket.socket) -> None:
    """Send the end of a stream before a socket is closed: closing alone sends RST where something is still unread."""
    with suppress(OSError):  # the peer may be gone already
        end.shutdown(socket.SHUT_WR)


def _set_options(end: socket.socket, options: tuple[tuple[int, int, int | bytes], ...]) -> None:
    with suppress(OSError):  # the peer may be gone already
        for option in options:
            end.setsockopt(*option)
