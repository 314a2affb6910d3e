"""One direction of one connection: from a socket, through the toxics on it, to the other socket."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.faultproxy.stream import ROOM_CHUNKS, Channel, Chunk, Ended, Interrupted, Sink
from testbed.faultproxy.toxics.noop import Noop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbed.faultproxy.toxics import Toxic

READ_BYTES = 32 * 1024  # a chunk is at most so large, as in Toxiproxy


@dataclass(frozen=True, slots=True)
class NamedToxic:
    """A toxic as the API knows it: its name, type, stream, toxicity (the share of connections it works on), and itself.

    `stream` is spelt as its maker spelt it, in any case.
    """

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
    passed_bytes: int = 0  # kept for the toxic across its changes
    spared: bool = False  # by the toxicity
    leaving: bool = False
    over: bool = False  # the last chunk was sent
    task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to pass chunks on."""
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        """Work as the toxic that is named here until it leaves, the sender ends, or the toxic ends the connection."""
        try:
            while not self.leaving and not self.over:
                self.input.resume()
                try:
                    await self._toxic().pipe(self)
                except Interrupted:
                    pass
                except Ended:
                    self.over = True
                    self.following.end()
            if self.leaving:
                await self._hand_over()
        except OSError:
            pass  # the socket at the end is gone; the link has taken note of that
        except Exception:
            self.link.reset()  # a fault of ours: better no connection than one that hangs, and asyncio logs what it was
            raise
        finally:
            self.input.discard()  # nobody receives here any more, and nobody may wait for that

    def _toxic(self) -> Toxic:
        """Give what works on this connection: the toxic, or nothing where its toxicity spares the connection."""
        self.spared = random.random() >= self.named.toxicity  # noqa: S311 - no secret depends on it
        toxic = Noop() if self.spared else self.named.toxic
        self.input.room_chunks = getattr(toxic, "room_chunks", ROOM_CHUNKS)
        return toxic

    async def _hand_over(self) -> None:
        """Send on what waits here, then let the sender send to what follows."""
        self.input.hold()  # a sender that never pauses would keep this up for ever
        while not self.input.empty:
            await self.send(self.input.take())
        # No await from here on: between the last chunk handed on and the new way, none may come in.
        self.link.splice(self)
        self.input.retire()
        if self.input.ended:
            self.following.end()

    async def send(self, chunk: Chunk) -> None:
        """Send a chunk to what follows."""
        while not await self.following.put(chunk):
            pass  # what followed has left while this waited for room; by now `following` is what follows that

    def change(self, named: NamedToxic) -> None:
        """Work as another toxic, as soon as this one has handed over what it has in hand."""
        self.named = named
        self.input.interrupt()

    def leave(self) -> None:
        """Leave the link, as soon as all that waits here is handed on in order."""
        self.leaving = True
        self.input.interrupt()
        if self.task is not None and self.task.done():
            self.link.splice(self)

    def close(self) -> None:
        """Close the connection when what was sent is out: this direction now, the other by that."""
        self.over = True
        self.link.close_after(self)

    def cut(self) -> None:
        """Close both sides of the connection in order, without waiting for what has not been sent."""
        self.over = True
        self.link.close_now()

    def reset(self) -> None:
        """Reset the connection, both sides of it."""
        self.over = True
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


class Socket:
    """The last stage: the socket that the bytes leave by. `done` is set when no more will leave."""

    def __init__(self, writer: asyncio.StreamWriter, traffic: Traffic) -> None:
        self.done = asyncio.Event()
        self._traffic = traffic
        self.closing = False
        self._writer = writer

    async def put(self, chunk: Chunk) -> bool:
        """Write, waiting while the peer is slow to read; raises OSError when the peer is gone."""
        if self.done.is_set() or self._writer.is_closing():
            self.done.set()
            raise ConnectionResetError("the connection is closed")
        try:
            self._writer.write(chunk.data)
            await self._writer.drain()
        except OSError:
            self.done.set()
            raise
        self._traffic.sent_bytes += len(chunk.data)
        return True

    def end(self) -> None:
        """Pass the end of the stream on; when the connection is to be closed, close, which ends the other direction, too."""
        self.done.set()
        if self.closing:
            self._writer.close()
        elif not self._writer.is_closing():
            with suppress(OSError):  # the peer may be gone, and then needs no end
                self._writer.write_eof()


@dataclass(slots=True)
class Activity:
    """What both directions of a connection share: when it was made and last used (the event loop's clock), and whether it is forgotten.

    It is forgotten when a byte or an end comes after it was idle for longer than `idle_limit_s`, and stays so.
    """

    began_s: float
    last_s: float
    idle_limit_s: float | None = None
    forgotten: bool = False

    def use(self, now_s: float) -> bool:
        """Take note that something has come; False when it is not to be passed on."""
        if self.idle_limit_s is not None and now_s - self.last_s > self.idle_limit_s:
            self.forgotten = True
        self.last_s = now_s
        return not self.forgotten


@dataclass(slots=True)
class Traffic:
    """How many bytes a proxy has received from senders, and sent on to receivers, in one direction."""

    received_bytes: int = 0
    sent_bytes: int = 0


class Link:
    """The bytes from `reader` to `writer`. Without a toxic they pass straight from one to the other.

    Toxics may be added, changed and removed while bytes pass: none is lost, doubled or reordered by that. None of the three waits: a
    receiver that has stopped to read holds up its own connection, not whoever changes the toxics.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        activity: Activity,
        traffic: Traffic,
        reset: Callable[[], None],
    ) -> None:
        self.activity = activity
        self.reset = reset
        self._reader = reader
        self._traffic = traffic
        self._socket = Socket(writer, traffic)
        self._stages: list[Stage] = []

    @property
    def _head(self) -> Sink:
        return self._stages[0].input if self._stages else self._socket

    async def run(self) -> None:
        """Pass bytes on until the sender ends."""
        loop = asyncio.get_running_loop()
        try:
            while data := await self._read():
                self._traffic.received_bytes += len(data)
                chunk = Chunk(data, loop.time())
                if not self.activity.use(chunk.received_s):
                    continue
                while not await self._head.put(chunk):
                    pass  # the first stage has left while this waited for room
        except OSError:
            return  # the receiver is gone: there is nothing more to do in this direction
        if self.activity.use(loop.time()):
            self._head.end()
        else:
            self._socket.done.set()  # whoever went is not missed by the other side, which is told nothing

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(READ_BYTES)
        except OSError:
            self._socket.closing = True  # the sender is gone, not just done: there is nobody to answer, either
            return b""

    async def wait_done(self) -> None:
        """Wait until no more bytes will leave in this direction."""
        await self._socket.done.wait()

    def add(self, toxic: NamedToxic) -> None:
        """Put a toxic at the end; chunks that have left the stage before it are out already."""
        if self._socket.done.is_set():
            return
        stage = Stage(self, toxic, self._socket)
        if self._stages:
            self._stages[-1].following = stage.input
        self._stages.append(stage)
        stage.start()

    def change(self, toxic: NamedToxic) -> None:
        """Give a toxic's place to its new form."""
        for stage in self._named(toxic.name):
            stage.change(toxic)

    def remove(self, name: str) -> None:
        """Take a toxic away."""
        for stage in self._named(name):
            removed = getattr(stage.named.toxic, "removed", None)
            if removed is not None and not stage.spared:
                removed(stage)
            stage.leave()

    def _named(self, name: str) -> list[Stage]:
        return [stage for stage in self._stages if stage.named.name == name and not stage.leaving]

    def splice(self, stage: Stage) -> None:
        """Take a stage out of the chain: what came before it now sends to what follows it."""
        place = self._stages.index(stage)
        del self._stages[place]
        if place > 0:
            self._stages[place - 1].following = stage.following

    def close_after(self, stage: Stage) -> None:
        """Close the connection when what `stage` has sent is out."""
        stage.input.discard()
        self._socket.closing = True
        stage.following.end()

    def close_now(self) -> None:
        """Close the connection, whatever is still on its way."""
        self._socket.closing = True
        self._socket.end()

    def abandon(self) -> None:
        """Take note that nothing more will leave: the connection was cut."""
        self._socket.done.set()

    async def stop(self) -> None:
        """End every stage: the connection is gone."""
        tasks = [stage.task for stage in self._stages if stage.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
