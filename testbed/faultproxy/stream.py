"""Chunks of bytes on their way from one stage of a link to the next."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Protocol

CHANNEL_BYTES = 256 * 1024  # so much waits before a stage; past it the sender is held back


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes, and when they were received (the event loop's clock, in seconds)."""

    data: bytes
    received_s: float


class Interrupted(Exception):  # noqa: N818 - not an error: a toxic is asked to hand over what it holds
    """The toxic is to be changed or removed: hand over at once what is in hand, and return."""


class Ended(Exception):  # noqa: N818 - not an error: the sender has closed
    """There is nothing more to come."""


class Sink(Protocol):
    """Where chunks go: the next stage, or the socket."""

    async def put(self, chunk: Chunk) -> None:
        """Take a chunk, waiting while there is no room."""

    def end(self) -> None:
        """Take note that no more will come."""


class Channel:
    """A bounded way from one sender to one receiver. No chunk is lost when the receiver is interrupted: it stays here."""

    def __init__(self) -> None:
        self._chunks: deque[Chunk] = deque()
        self._bytes = 0
        self._ended = False
        self._interrupted = False
        self._discarding = False
        self._room = asyncio.Event()
        self._room.set()
        self._news = asyncio.Event()

    async def put(self, chunk: Chunk) -> None:
        """Take a chunk, waiting while the channel is full."""
        if self._discarding:
            return
        await self._room.wait()
        self._chunks.append(chunk)
        self._bytes += len(chunk.data)
        if self._bytes >= CHANNEL_BYTES:
            self._room.clear()
        self._news.set()

    def end(self) -> None:
        """Take note that no more will come; what is here is still to be received."""
        self._ended = True
        self._news.set()

    async def get(self) -> Chunk:
        """Give the next chunk; raises Ended after the last, Interrupted when the receiver is asked to return."""
        while True:
            if self._interrupted:
                raise Interrupted
            if self._chunks:
                return self.take()
            if self._ended:
                raise Ended
            self._news.clear()
            await self._news.wait()

    async def wait_interrupt(self, within_s: float | None) -> bool:
        """Wait `within_s` seconds (None: for ever); True as soon as the receiver is interrupted."""
        loop = asyncio.get_running_loop()
        deadline = None if within_s is None else loop.time() + within_s
        while not self._interrupted:
            self._news.clear()
            left_s = None if deadline is None else deadline - loop.time()
            if left_s is not None and left_s <= 0:
                return False
            try:
                async with asyncio.timeout(left_s):
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
        self._discarding = False

    def discard(self) -> None:
        """Throw away what is here and what comes, until another receiver takes over."""
        self._discarding = True
        while self._chunks:
            self.take()

    def take(self) -> Chunk:
        """Give the next chunk, which must be there."""
        chunk = self._chunks.popleft()
        self._bytes -= len(chunk.data)
        if self._bytes < CHANNEL_BYTES:
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
