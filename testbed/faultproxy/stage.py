"""A stage: a toxic at work on one direction of one connection, and the protocols that it meets."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from testbed.faultproxy.stream import ROOM_CHUNKS, Channel, Chunk, Interrupted, Sink, StreamEnded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.faultproxy.activity import Activity


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast connections are accepted: one every so many seconds, while `queue` and one more wait in the kernel."""

    every_s: float
    queue: int


class Toxic(Protocol):
    """Passes chunks from a stage's input to what follows the stage, in its own way.

    `pipe` ends by StreamEnded, which it lets pass, by closing or resetting the connection, or when it is interrupted: then it first sends
    the chunk that it holds, and returns or raises Interrupted. A toxic may also have

        removed(stage)    called when it is removed from a living connection that it works on, or when a change makes it spare that
        room_chunks       how many chunks may wait before it; otherwise ROOM_CHUNKS
        refuses(number)   asked for each new connection before it is served; True resets the connection
        pace()            how fast the proxy accepts connections while the toxic is on it; None: as soon as they come
    """

    async def pipe(self, stage: Stage) -> None:
        """Receive from `stage.input`, send with `stage.send`."""


@dataclass(frozen=True, slots=True)
class NamedToxic:
    """A toxic as the API knows it: its name, type, stream, toxicity (the share of connections it works on), and itself.

    `stream` is spelt as in the request that made the toxic, in any case.
    """

    name: str
    kind: str
    stream: str
    toxicity: float
    toxic: Toxic


class StageOwner(Protocol):
    """What a stage needs of the link that it is on."""

    activity: Activity

    def take_out(self, stage: Stage) -> None:
        """Take a stage out of the chain: what came before it now sends to what follows it."""

    def close_after(self, stage: Stage) -> None:
        """Close the connection when everything that `stage` has sent is out."""

    def cut(self) -> None:
        """Close both sides of the connection at once."""

    def reset(self) -> None:
        """Reset both sides of the connection."""


@dataclass(eq=False)
class Stage:
    """A toxic at work on a link: what it receives from and sends to."""

    owner: StageOwner
    named: NamedToxic
    following: Sink
    input: Channel = field(default_factory=Channel)
    passed_bytes: int = 0  # the toxic's own count, which outlives its changes
    spared: bool = True  # by the toxicity, which is asked when the stage begins, and with every change
    leaving: bool = False
    over: bool = False  # the last chunk was sent
    task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to pass chunks on."""
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        """Work as the toxic named here until it leaves, the sender ends, or the toxic ends the connection."""
        try:
            while not self.leaving and not self.over:
                self.input.resume()
                if not self._goes_on():
                    break
                try:
                    await (self.pass_on() if self.spared else self.named.toxic.pipe(self))
                except Interrupted:
                    pass
                except StreamEnded:
                    self.over = True
                    self.following.end()
            if self.leaving:
                await self._hand_over()
        except OSError:
            pass  # the socket at the end is gone; the link has noticed
        except Exception:
            self.owner.reset()  # our own bug: no connection is better than a hanging one, and asyncio logs the exception
            raise
        finally:
            self.input.discard()  # nothing receives here any more, so nothing may wait for it

    def _goes_on(self) -> bool:
        """Decide whether the toxicity spares this connection; return whether it goes on.

        A toxic that was at work on it, and now spares it, leaves it as if it were removed: `timeout` closes it, after what it has dropped.
        """
        was_at_work, self.spared = not self.spared, random.random() >= self.named.toxicity  # noqa: S311 - no secret depends on it
        self.input.room_chunks = ROOM_CHUNKS if self.spared else getattr(self.named.toxic, "room_chunks", ROOM_CHUNKS)
        if was_at_work and self.spared:
            self.remove_toxic()
        return not self.over

    def remove_toxic(self) -> None:
        """Call the toxic's `removed`, where it has one: it works on this connection no more."""
        removed = getattr(self.named.toxic, "removed", None)
        if removed is not None:
            removed(self)

    async def pass_on(self) -> None:
        """Pass every chunk on unchanged; raises StreamEnded after the last and Interrupted when the stage is to change or leave."""
        while True:
            await self.send(await self.input.get())

    async def _hand_over(self) -> None:
        """Send on what waits here, then have the sender send to what follows."""
        self.input.hold()  # a sender that never pauses would otherwise keep this loop running for ever
        while not self.input.empty:
            await self.send(self.input.take())
        # No await from here on: no chunk may arrive between the last one handed on and the new way.
        self.owner.take_out(self)
        self.input.retire()
        if self.input.ended:
            self.following.end()

    async def send(self, chunk: Chunk) -> None:
        """Send a chunk to what follows."""
        while not await self.following.put(chunk):
            pass  # what followed has left while this waited for room; by now `following` is what follows that

    def change(self, named: NamedToxic) -> None:
        """Work as another toxic as soon as the current one has sent the chunk that it holds."""
        self.named = named
        self.input.interrupt()

    def leave(self) -> None:
        """Leave the link as soon as every chunk that waits here is handed on, in order."""
        self.leaving = True
        self.input.interrupt()
        if self.task is not None and self.task.done():
            self.owner.take_out(self)

    def close(self) -> None:
        """Close the connection when everything sent is out: this direction first, then the other."""
        self.over = True
        self.owner.close_after(self)

    def cut(self) -> None:
        """Close both sides of the connection in order, without waiting for what has not been sent."""
        self.over = True
        self.owner.cut()

    def reset(self) -> None:
        """Reset both sides of the connection."""
        self.over = True
        self.owner.reset()

    def now_s(self) -> float:
        """Return the time on the clock of `Chunk.received_s`."""
        return asyncio.get_running_loop().time()

    @staticmethod
    def split(chunk: Chunk, size: int) -> tuple[Chunk, Chunk]:
        """Return a chunk cut in two; the first part has `size` bytes."""
        return Chunk(chunk.data[:size], chunk.received_s), Chunk(chunk.data[size:], chunk.received_s)

    @staticmethod
    def pieces(chunk: Chunk, size: int) -> Iterator[Chunk]:
        """Yield a chunk in pieces of `size` bytes, the last one smaller."""
        for start in range(0, len(chunk.data), size):
            yield Chunk(chunk.data[start : start + size], chunk.received_s)
