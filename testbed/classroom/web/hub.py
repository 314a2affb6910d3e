"""The hub: brings what changes on the board to every browser, ten times a second, and is held up by none of them.

A change is made into text once for all who have heard everything before. Whoever is slow gets what has changed meanwhile as one message
when it has taken the last: nothing piles up but the board's own keys.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from testbed.classroom.board import Board, Json

EVERY_S = 0.1
SILENT_S = 5.0  # after so long without a change all are told that there is none: a page that hears nothing takes its connection for dead
MOST_REPLIES = 100  # that wait for a browser that takes nothing; then no more of its orders are carried out until it does


def encode(message: Json) -> str:
    """Return a message as JSON text."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


@dataclass(eq=False, slots=True)
class Listener:
    """A browser that listens: what it hears first, replies to its own orders, and changes of the board that it has not heard of."""

    first: tuple[str, ...] = ()
    _replies: deque[str] = field(default_factory=deque)
    _changes: dict[str, Json] = field(default_factory=dict)
    _text: str = ""  # of the changes, where all who have heard everything before share it
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _room: asyncio.Event = field(default_factory=asyncio.Event)

    def reply(self, message: Json) -> None:
        """Send it a message of its own; none is ever left out."""
        self._replies.append(encode(message))
        self._news.set()

    async def wait_room(self) -> None:
        """Wait until fewer than `MOST_REPLIES` wait to be taken."""
        while len(self._replies) >= MOST_REPLIES:
            self._room.clear()
            await self._room.wait()

    def change(self, changes: dict[str, Json], text: str) -> None:
        """Send it changes, of which `text` is the message."""
        self._text = "" if self._changes else text
        self._changes.update(changes)
        self._news.set()

    async def send_all(self, send: Callable[[str], Awaitable[None]]) -> None:
        """Send what there is, as it comes, until cancelled; raises what `send` raises when the browser has gone.

        What an order has changed comes before the reply to it.
        """
        for text in self.first:
            await send(text)
        while True:
            await self._news.wait()
            self._news.clear()
            if self._changes or self._text:
                text = self._text or encode({"is": "set", "state": self._changes})
                self._changes, self._text = {}, ""
                await send(text)
            while self._replies:
                await send(self._replies.popleft())
                self._room.set()


@dataclass(slots=True)
class Hub:
    """All browsers that listen to one board."""

    board: Board
    listeners: set[Listener] = field(default_factory=set)
    _whole: str = ""  # the whole board, until it changes: whoever connects again and again gets the same text

    def listen(self, welcome: Json) -> Listener:
        """Return a new listener, which first hears a welcome and then the whole board."""
        self.flush()
        self._whole = self._whole or encode({"is": "set", "state": self.board.values})
        listener = Listener((encode(welcome), self._whole))
        self.listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener."""
        self.listeners.discard(listener)

    def flush(self) -> bool:
        """Bring what has changed to all; return whether anything has."""
        changes = self.board.take_changes()
        if changes:
            self._whole = ""
        if changes and self.listeners:
            self._tell(changes)
        return bool(changes)

    async def run(self) -> None:
        """Bring what changes to all, until cancelled."""
        loop = asyncio.get_running_loop()
        told_s = loop.time()
        while True:
            if self.flush():
                told_s = loop.time()
            elif loop.time() - told_s >= SILENT_S:
                told_s = loop.time()
                self._tell({})
            await asyncio.sleep(EVERY_S)

    def _tell(self, changes: dict[str, Json]) -> None:
        text = encode({"is": "set", "state": changes})
        for listener in self.listeners:
            listener.change(changes, text)
