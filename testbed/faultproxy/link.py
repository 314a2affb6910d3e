"""One direction of one connection: from a socket, through the toxics on it, to the other socket."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.faultproxy.stream import Channel, Chunk, Ended, Interrupted, Sink
from testbed.faultproxy.toxics.noop import Noop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbed.faultproxy.toxics import Toxic

READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class NamedToxic:
    """A toxic as the API knows it: its name, type, stream, toxicity (the share of connections it works on), and itself."""

    name: str
    kind: str
    stream: str
    toxicity: float
    toxic: Toxic


@dataclass(eq=False)
class Stage:
    """A toxic at work on a link: what it receives from and sends to."""

    link: Link
    named: NamedToxic
    following: Sink
    input: Channel = field(default_factory=Channel)
    passed_bytes: int = 0
    task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to pass chunks on, or to do nothing on those connections that the toxicity spares."""
        spared = random.random() >= self.named.toxicity  # noqa: S311 - no secret depends on it
        self.input.resume()
        self.task = asyncio.create_task(self._run(Noop() if spared else self.named.toxic))

    async def _run(self, toxic: Toxic) -> None:
        try:
            await toxic.pipe(self)
        except Ended:
            self.following.end()
        except Interrupted:
            pass
        except OSError:
            self.link.close()

    async def send(self, chunk: Chunk) -> None:
        """Send a chunk to what follows."""
        self.passed_bytes += len(chunk.data)
        await self.following.put(chunk)

    async def halt(self) -> None:
        """Interrupt the toxic and wait until it has handed over what it had in hand."""
        self.input.interrupt()
        if self.task is not None:
            await asyncio.wait([self.task])

    def close(self) -> None:
        """Close the connection."""
        self.link.close()

    def reset(self) -> None:
        """Reset the connection, both sides of it."""
        self.link.reset()

    def now_s(self) -> float:
        """Give the time on the clock of `Chunk.received_s`."""
        return asyncio.get_running_loop().time()

    @staticmethod
    def split(chunk: Chunk, size: int) -> tuple[Chunk, Chunk]:
        """Cut a chunk in two; the first has `size` bytes."""
        return Chunk(chunk.data[:size], chunk.received_s), Chunk(chunk.data[size:], chunk.received_s)

    @staticmethod
    def pieces(chunk: Chunk, size: int) -> Iterator[Chunk]:
        """Cut a chunk into pieces of `size` bytes, the last one smaller."""
        for start in range(0, len(chunk.data), size):
            yield Chunk(chunk.data[start : start + size], chunk.received_s)


@dataclass(eq=False)
class Socket:
    """The last stage: the socket that the bytes leave by."""

    writer: asyncio.StreamWriter

    async def put(self, chunk: Chunk) -> None:
        """Write, waiting while the peer is slow to read."""
        self.writer.write(chunk.data)
        await self.writer.drain()

    def end(self) -> None:
        """Close the socket when what was written is out; the other direction ends by that too, as in Toxiproxy."""
        self.writer.close()


class Link:
    """The bytes from `reader` to `writer`. Without a toxic they pass straight from one to the other.

    Toxics may be added, changed and removed while bytes pass: none is lost, doubled or reordered by that.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        close: Callable[[], None],
        reset: Callable[[], None],
    ) -> None:
        self.close = close
        self.reset = reset
        self._reader = reader
        self._socket = Socket(writer)
        self._stages: list[Stage] = []
        self._changing = asyncio.Lock()

    async def run(self) -> None:
        """Pass bytes on until the sender closes or the connection is closed."""
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            while data := await self._reader.read(READ_BYTES):
                first: Sink = self._stages[0].input if self._stages else self._socket
                await first.put(Chunk(data, loop.time()))
        (self._stages[0].input if self._stages else self._socket).end()

    async def add(self, toxic: NamedToxic) -> None:
        """Put a toxic at the end; chunks that have left the stage before it are out already."""
        async with self._changing:
            stage = Stage(self, toxic, self._socket)
            if self._stages:
                self._stages[-1].following = stage.input
            elif self._reader.at_eof():
                stage.input.end()
            self._stages.append(stage)
            stage.start()

    async def change(self, toxic: NamedToxic) -> None:
        """Give a toxic's place to its new form."""
        async with self._changing:
            for stage in self._stages:
                if stage.named.name == toxic.name:
                    await stage.halt()
                    stage.named = toxic
                    stage.start()

    async def remove(self, name: str) -> None:
        """Take a toxic away, with all that waits before it handed on in order."""
        async with self._changing:
            for stage in [stage for stage in self._stages if stage.named.name == name]:
                await stage.halt()
                removed = getattr(stage.named.toxic, "removed", None)
                if removed is not None:
                    removed(stage)
                with suppress(OSError):  # the connection may be gone meanwhile; then there is nobody to hand on to
                    while not stage.input.empty:
                        await stage.send(stage.input.take())
                # No await from here on: between the last chunk handed on and the new way, none may come in.
                place = self._stages.index(stage)
                self._stages.remove(stage)
                if place > 0:
                    self._stages[place - 1].following = stage.following
                if stage.input.ended:
                    stage.following.end()

    def stop(self) -> None:
        """End every stage: the connection is gone."""
        for stage in self._stages:
            if stage.task is not None:
                stage.task.cancel()
