"""A proxy: a listener, an upstream, the connections between them, and the toxics that are on each."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from testbed.faultproxy.link import Link, NamedToxic

if TYPE_CHECKING:
    from collections.abc import Awaitable

DIAL_WITHIN_S = 30.0
BACKLOG = 1024
NO_LINGER = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close sends RST
UPSTREAM = "upstream"
DOWNSTREAM = "downstream"


class Connection:
    """A client's connection and the one to the upstream, with a link each way."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        upstream: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._writers = (client[1], upstream[1])
        self.links = {
            UPSTREAM: Link(client[0], upstream[1], self.close, self.reset),
            DOWNSTREAM: Link(upstream[0], client[1], self.close, self.reset),
        }

    async def run(self, toxics: list[NamedToxic]) -> None:
        """Pass bytes both ways until both sides are closed."""
        for toxic in toxics:
            await self.links[toxic.stream].add(toxic)
        async with asyncio.TaskGroup() as group:
            for link in self.links.values():
                group.create_task(link.run())
        for writer in self._writers:
            with suppress(OSError):
                await writer.wait_closed()
        for link in self.links.values():
            link.stop()

    def close(self) -> None:
        """Close both sides when what was written is out."""
        for writer in self._writers:
            writer.close()

    def reset(self) -> None:
        """Reset both sides: unsent data is thrown away and the peers get RST."""
        for writer in self._writers:
            raw = writer.get_extra_info("socket")
            if raw is not None:
                with suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            writer.transport.abort()


@dataclass(eq=False)
class Proxy:
    """A proxy by name. `listen` and `upstream` are `host:port`; listening at port 0 takes a free one, which `listen` then shows."""

    name: str
    listen: str
    upstream: str
    enabled: bool = False
    toxics: dict[str, NamedToxic] = field(default_factory=dict)
    _server: asyncio.Server | None = None
    _connections: dict[asyncio.Task[None], Connection | None] = field(default_factory=dict)

    async def enable(self) -> None:
        """Listen; nothing happens when it does already. Raises OSError when the address is taken."""
        if self.enabled:
            return
        host, port = split_address(self.listen)
        self._server = await asyncio.start_server(self._accept, host or None, port, backlog=BACKLOG)
        bound = self._server.sockets[0].getsockname()
        self.listen = f"{host or bound[0]}:{bound[1]}"
        self.enabled = True

    async def disable(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.enabled = False
        tasks = list(self._connections)
        for connection in list(self._connections.values()):
            if connection is not None:
                connection.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def add_toxic(self, toxic: NamedToxic) -> None:
        """Put a toxic on the proxy and on every connection that it has."""
        self.toxics[toxic.name] = toxic
        await self._on_links(toxic.stream, lambda link: link.add(toxic))

    async def change_toxic(self, toxic: NamedToxic) -> None:
        """Give a toxic's place to its new form."""
        self.toxics[toxic.name] = toxic
        await self._on_links(toxic.stream, lambda link: link.change(toxic))

    async def remove_toxic(self, name: str) -> None:
        """Take a toxic away; raises KeyError when there is none of that name."""
        toxic = self.toxics.pop(name)
        await self._on_links(toxic.stream, lambda link: link.remove(name))

    async def _on_links(self, stream: str, change: LinkChange) -> None:
        connections = [connection for connection in self._connections.values() if connection is not None]
        await asyncio.gather(*(change(connection.links[stream]) for connection in connections))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = None
        try:
            await self._serve(task, reader, writer)
        except asyncio.CancelledError:
            pass  # the proxy is disabled: the connection was closed for that
        finally:
            del self._connections[task]
            writer.close()

    async def _serve(self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = split_address(self.upstream)
        try:
            async with asyncio.timeout(DIAL_WITHIN_S):
                upstream = await asyncio.open_connection(host, port)
        except OSError:  # which a time-out is, too
            return  # the client's connection is closed: there is nobody behind it
        connection = Connection((reader, writer), upstream)
        self._connections[task] = connection
        try:
            await connection.run(list(self.toxics.values()))
        finally:
            upstream[1].close()


class LinkChange(Protocol):
    """A change of one link."""

    def __call__(self, link: Link) -> Awaitable[None]:
        """Make the change."""


def split_address(address: str) -> tuple[str, int]:
    """Read `host:port`; raises OSError when it is not one, as listening there would."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise OSError(f"address {address}: missing port in address")
    return host.strip("[]"), int(port)
