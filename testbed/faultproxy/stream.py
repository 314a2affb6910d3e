"""Chunks of bytes on their way from one stage of a link to the next."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Protocol

CHUNK_BYTES = 32 * 1024  # maximum size of a chunk, as in Toxiproxy
ROOM_CHUNKS = 4  # how many chunks may wait before a stage by default; beyond that the sender waits


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes, and when they were received (the event loop's clock, in seconds)."""

    data: bytes
    received_s: float


class Interrupted(Exception):  # noqa: N818 - not an error: a toxic is asked to send what it holds
    """The toxic is to be changed or removed: send at once what is held, and return."""


class StreamEnded(Exception):  # noqa: N818 - not an error: the sender has ended
    """No more chunks will come."""


class Sink(Protocol):
    """Where chunks go: the next stage, or the socket."""

    async def put(self, chunk: Chunk) -> bool:
        """Accept a chunk, waiting while there is no room; return False if it was not accepted, because chunks go elsewhere now."""

    def end(self) -> None:
        """Record that no more chunks will come."""


class Channel:
    """A bounded queue from one sender to one receiver. No chunk is lost when the receiver is interrupted: it stays here."""

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
        """Accept a chunk, waiting while the channel is full or held; return False when it is retired."""
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
        """Record that no more chunks will come; those that are here can still be received."""
        self._ended = True
        self._news.set()

    async def get(self) -> Chunk:
        """Return the next chunk; raises StreamEnded after the last, Interrupted when the receiver is asked to return."""
        await self.wait_arrival()
        if not self._chunks:
            raise StreamEnded
        return self.take()

    async def wait_arrival(self) -> None:
        """Wait until a chunk or the end is here, and take neither; raises Interrupted. Unbounded: a sender may be silent for ever."""
        while not self._interrupted:
            if self._chunks or self._ended:
                return
            self._news.clear()
            await self._news.wait()
        raise Interrupted

    async def wait_interrupt(self, within_s: float | None) -> bool:
        """Wait `within_s` seconds (None: for ever); return True as soon as the receiver is interrupted."""
        if within_s is not None and within_s <= 0:
            await asyncio.sleep(0)  # a toxic with many small pieces must let others work, and can be interrupted
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
        """Clear the interruption, for the next receiver."""
        self._interrupted = False

    def hold(self) -> None:
        """Accept no more chunks until the channel is retired, so that handing on those that are here comes to an end."""
        self._held = True

    def discard(self) -> None:
        """Drop what is here and what comes: there is no receiver any more."""
        self._discarding = True
        self._chunks.clear()
        self._room.set()

    def retire(self) -> None:
        """Accept nothing more; a sender that waits with a chunk keeps it, and sends it elsewhere."""
        self._retired = True
        self._room.set()

    def take(self) -> Chunk:
        """Return the next chunk, which must be there."""
        chunk = self._chunks.popleft()
        if not self._held:
            self._room.set()
        return chunk

    @property
    def empty(self) -> bool:
        """Whether no chunk waits here."""
        return not self._chunks

    @property
    def ended(self) -> bool:
        """Whether the sender has ended."""
        return self._ended
