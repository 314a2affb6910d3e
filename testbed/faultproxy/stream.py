"""Chunks of bytes on their way from one stage of a link to the next."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Protocol

CHUNK_BYTES = 32 * 1024  # a chunk is at most so large, as in Toxiproxy
ROOM_CHUNKS = 4  # so much waits before a stage that asks for no more; past it the sender is held back


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes, and when they were received (the event loop's clock, in seconds)."""

    data: bytes
    received_s: float


class Interrupted(Exception):  # noqa: N818 - not an error: a toxic is asked to hand over what it holds
    """The toxic is to be changed or removed: hand over at once what is in hand, and return."""


class StreamEnded(Exception):  # noqa: N818 - not an error: the sender has closed
    """There is nothing more to come."""


class Sink(Protocol):
    """Where chunks go: the next stage, or the socket."""

    async def put(self, chunk: Chunk) -> bool:
        """Take a chunk, waiting while there is no room; False when it is not taken, because chunks go elsewhere now."""

    def end(self) -> None:
        """Take note that no more will come."""


class Channel:
    """A bounded way from one sender to one receiver. No chunk is lost when the receiver is interrupted: it stays here."""

    def __init__(self, room_chunks: int = ROOM_CHUNKS) -> None:
        self.room_chunks = room_chunks
        self._chunks: deque[Chunk] = deque()
        self._ended = False
        self._interrupted = False
        self._held = False
        self._discarding = False
        self._retired = False
        self._room = asyncio.Event()
        self._news = asyncio.Event()

    async def put(self, chunk: Chunk) -> bool:
        """Take a chunk, waiting while the channel is full or held; False when it is retired."""
        while not self._discarding and not self._retired and (self._held or len(self._chunks) >= self.room_chunks):
            self._room.clear()
            await self._room.wait()
        if self._retired:
            return False
        if not self._discarding:
            self._chunks.append(chunk)
            self._news.set()
        return True

    def end(self) -> None:
        """Take note that no more will come; what is here is still to be received."""
        self._ended = True
        self._news.set()

    async def get(self) -> Chunk:
        """Give the next chunk; raises StreamEnded after the last, Interrupted when the receiver is asked to return."""
        await self.wait_arrival()
        if not self._chunks:
            raise StreamEnded
        return self.take()

    async def wait_arrival(self) -> None:
        """Wait until a chunk or the end is here, and take neither; raises Interrupted."""
        while not self._interrupted:
            if self._chunks or self._ended:
                return
            self._news.clear()
            await self._news.wait()
        raise Interrupted

    async def wait_interrupt(self, within_s: float | None) -> bool:
        """Wait `within_s` seconds (None: for ever); True as soon as the receiver is interrupted."""
        if within_s is not None and within_s <= 0:
            await asyncio.sleep(0)  # a toxic with many small pieces lets others work, and be interrupted
            return self._interrupted
        try:
            async with asyncio.timeout(within_s):
                while not self._interrupted:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return self._interrupted
        return True

    def interrupt(self) -> None:
        """Ask the receiver to return."""
        self._interrupted = True
        self._news.set()

    def resume(self) -> None:
        """Let the next receiver receive."""
        self._interrupted = False

    def hold(self) -> None:
        """Take nothing more until the channel is retired, so that what is here can be handed on and comes to an end."""
        self._held = True

    def discard(self) -> None:
        """Throw away what is here and what comes: there is no receiver any more."""
        self._discarding = True
        self._chunks.clear()
        self._room.set()

    def retire(self) -> None:
        """Send whoever waits with a chunk elsewhere."""
        self._retired = True
        self._room.set()

    def take(self) -> Chunk:
        """Give the next chunk, which must be there."""
        chunk = self._chunks.popleft()
        if not self._held:
            self._room.set()
        return chunk

    @property
    def empty(self) -> bool:
        """Whether nothing waits here."""
        return not self._chunks

    @property
    def ended(self) -> bool:
        """Whether the sender has said that no more will come."""
        return self._ended
