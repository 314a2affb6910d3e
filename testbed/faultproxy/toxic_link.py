"""One direction of one connection: from a socket, through the toxics on it, to the other socket."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.faultproxy.fast_path import Activity, FastPath, StopReason, Traffic
from testbed.faultproxy.stream import CHUNK_BYTES, ROOM_CHUNKS, Channel, Chunk, Interrupted, Sink, StreamEnded
from testbed.faultproxy.toxics.noop import Noop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbed.faultproxy.toxics import Toxic


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

    link: ToxicLink
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
                except StreamEnded:
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
        self.link.take_out(self)
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
            self.link.take_out(self)

    def close(self) -> None:
        """Close the connection when what was sent is out: this direction now, the other by that."""
        self.over = True
        self.link.close_after(self)

    def cut(self) -> None:
        """Close both sides of the connection in order, without waiting for what has not been sent."""
        self.over = True
        self.link.cut()

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


class SocketSink:
    """The last stage: the socket that the bytes leave by. `done` is set when no more will leave."""

    def __init__(self, target: socket.socket, traffic: Traffic, hang_up: Callable[[], None]) -> None:
        self.done = asyncio.Event()
        self.closing = False
        self._target = target
        self._traffic = traffic
        self._hang_up = hang_up
        self._is_sending = False
        self._is_abandoned = False
        self._ended = False

    async def put(self, chunk: Chunk) -> bool:
        """Send, waiting while the peer is slow to read; raises OSError when the peer is gone."""
        if self.done.is_set():
            raise ConnectionResetError("the connection is closed")
        with self.sending():
            try:
                await asyncio.get_running_loop().sock_sendall(self._target, chunk.data)
            except OSError:
                self.done.set()
                raise
        self._traffic.sent_bytes += len(chunk.data)
        return True

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Let an end that is passed on meanwhile wait: it comes after what is being sent."""
        self._is_sending = True
        try:
            yield
        finally:
            self._is_sending = False
            if self._ended:
                self.end()

    def end(self) -> None:
        """Pass the end of the stream on; when the connection is to be closed, end the other direction, too."""
        self._ended = True
        if self._is_sending or self._is_abandoned:
            return
        if self.closing or not self.done.is_set():
            with suppress(OSError):  # the peer may be gone, and then needs no end
                self._target.shutdown(socket.SHUT_RDWR if self.closing else socket.SHUT_WR)
        self.done.set()
        if self.closing:
            self._hang_up()

    def abandon(self) -> None:
        """Let nothing leave any more, not even an end: one that came before a RST would be what the peer sees."""
        self._is_abandoned = True
        self.done.set()


@dataclass(frozen=True, slots=True)
class ConnectionControl:
    """What a link can do to the connection that it is one direction of."""

    abort: Callable[[], None]  # close both sides, at once
    reset: Callable[[], None]  # the same, and the peers get RST
    hang_up: Callable[[ToxicLink], None]  # take what the other direction has received for all


class ToxicLink:
    """The bytes from `source` to `target`. Without a toxic they pass straight from one to the other.

    Toxics may be added, changed and removed while bytes pass: none is lost, doubled or reordered by that. None of the three waits: a
    receiver that has stopped to read holds up its own connection, not whoever changes the toxics.
    """

    def __init__(
        self, source: socket.socket, target: socket.socket, activity: Activity, traffic: Traffic, control: ConnectionControl
    ) -> None:
        self.activity = activity
        self.cut = control.abort
        self.reset = control.reset
        self._source = source
        self._traffic = traffic
        self._fast_path = FastPath(source, target, activity, traffic)
        self._outlet = SocketSink(target, traffic, lambda: control.hang_up(self))
        self._stages: list[Stage] = []
        self._hung_up = False

    @property
    def _head(self) -> Sink:
        return self._stages[0].input if self._stages else self._outlet

    async def run(self) -> None:
        """Pass bytes on until the sender ends."""
        why = StopReason.ASIDE
        while why is StopReason.ASIDE and not self._hung_up:
            why = await self._pass_chunk() if self._stages or self.activity.watched else await self._pass_fast()
        if why is StopReason.RECEIVER_GONE:
            self._outlet.done.set()  # there is nothing more to do in this direction
            return
        if why is StopReason.SENDER_GONE:
            self._outlet.closing = True  # not just done: there is nobody to answer, either
        if self.activity.use(asyncio.get_running_loop().time()):
            self._head.end()
        else:
            self._outlet.done.set()  # whoever went is not missed by the other side, which is told nothing

    async def _pass_fast(self) -> StopReason:
        with self._outlet.sending():
            return await self._fast_path.run()

    async def _pass_chunk(self) -> StopReason:
        """Pass one chunk to the first stage."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)  # what follows waits only where it must, and a sender that never pauses must not have the loop to itself
        try:
            data = await loop.sock_recv(self._source, CHUNK_BYTES)
        except OSError:
            return StopReason.SENDER_GONE
        if not data:
            return StopReason.ENDED
        self._traffic.received_bytes += len(data)
        chunk = Chunk(data, loop.time())
        if self.activity.use(chunk.received_s):
            try:
                while not await self._head.put(chunk):
                    pass  # the first stage has left while this waited for room
            except OSError:
                return StopReason.RECEIVER_GONE
        return StopReason.ASIDE

    async def wait_done(self) -> None:
        """Wait until no more bytes will leave in this direction."""
        await self._outlet.done.wait()

    def add(self, toxic: NamedToxic) -> None:
        """Put a toxic at the end; chunks that have left the stage before it are out already."""
        if self._outlet.done.is_set():
            return
        stage = Stage(self, toxic, self._outlet)
        if self._stages:
            self._stages[-1].following = stage.input
        self._stages.append(stage)
        self._fast_path.step_aside()
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

    def take_out(self, stage: Stage) -> None:
        """Take a stage out of the chain: what came before it now sends to what follows it."""
        place = self._stages.index(stage)
        del self._stages[place]
        if place > 0:
            self._stages[place - 1].following = stage.following

    def close_after(self, stage: Stage) -> None:
        """Close the connection when what `stage` has sent is out."""
        stage.input.discard()
        self._outlet.closing = True
        stage.following.end()

    def hang_up(self) -> None:
        """Take what was received for all that there is: the other direction has closed the socket that more would come from."""
        self._hung_up = True
        self._fast_path.step_aside()

    def abandon(self) -> None:
        """Take note that nothing more will leave: the connection was cut."""
        self._outlet.abandon()

    async def stop(self) -> None:
        """End every stage: the connection is gone."""
        tasks = [stage.task for stage in self._stages if stage.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
