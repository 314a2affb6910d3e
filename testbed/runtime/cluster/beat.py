"""Sends the heartbeats of a database host to whoever asks for them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from testbed.concurrency import cancel_and_wait
from testbed.facility.address import Address

LOOPBACK = Address("127.0.0.1", 0)
BEAT = b"beat\n"
END_OF_REQUEST = b"\r\n\r\n"
SUBSCRIBE = b"GET /heartbeats HTTP/1.1\r\nHost: cluster" + END_OF_REQUEST
WELL = b"HTTP/1.1 200 OK\r\nContent-Length: 0" + END_OF_REQUEST  # to the probe of a fault, which asks for /health


@dataclass(slots=True)
class BeatServer:
    """The heartbeats of one host: whoever subscribes gets one at once, and then one every `every_s` real seconds.

    It listens at `listen`; by default at a free port of loopback.
    """

    every_s: float
    listen: Address = LOOPBACK
    _server: asyncio.Server | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> Address:
        """Listen; return the address."""
        self._server = await asyncio.start_server(self._serve, self.listen.host, self.listen.port)
        return Address(*self._server.sockets[0].getsockname()[:2])

    async def stop(self) -> None:
        """Stop to listen, and end every connection."""
        if self._server is not None:
            self._server.close()
        await cancel_and_wait(self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):  # the other end is gone, or speaks nonsense
                while (request := await reader.readuntil(END_OF_REQUEST)) != SUBSCRIBE:
                    writer.write(WELL if request.startswith(b"GET /health ") else b"")
                await self._beat(writer)
        finally:
            self._serving.discard(task)
            writer.transport.abort()

    async def _beat(self, writer: asyncio.StreamWriter) -> None:
        """Send beats until the connection ends. A late one is not made up for: what counts is that the host lives now."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not writer.is_closing():
            writer.write(BEAT)
            await writer.drain()
            due_s = max(due_s + self.every_s, loop.time())
            await asyncio.sleep(due_s - loop.time())
