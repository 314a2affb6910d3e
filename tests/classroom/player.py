"""A browser without a screen: takes part in a class over its WebSocket, as the page does, for tests and benchmarks."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from testbed.concurrency import cancel_and_wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

WITHIN_S = 30.0
EVERYTHING = ("commander", "operator", "owner", "database")


@dataclass(slots=True)
class Player:
    """What one browser knows: the welcome, the state, and when each change came (seconds of the system's monotonic clock)."""

    web: aiohttp.ClientWebSocketResponse
    welcome: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    replies: dict[int, dict[str, Any]] = field(default_factory=dict)
    came_s: list[float] = field(default_factory=list)
    _numbers: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> None:
        """Take in what comes, until the connection ends."""
        async for message in self.web:
            told = json.loads(message.data)
            if told["is"] == "welcome":
                self.welcome, self.state = told, {}
            elif told["is"] == "reply":
                self.replies[told["n"]] = told
            else:
                self.came_s.append(time.monotonic())
                for key, value in told["state"].items():
                    if value is None:
                        self.state.pop(key, None)
                    else:
                        self.state[key] = value
            self._news.set()

    async def until(self, seen: Callable[[dict[str, Any]], object], within_s: float = WITHIN_S) -> Any:
        """Wait until something is so in the state, and return it; fails with the state when it never is."""
        end_s = time.monotonic() + within_s
        while not (found := seen(self.state)):
            left_s = end_s - time.monotonic()
            assert left_s > 0, f"not seen within {within_s:g} s; the state is {self.state}"
            self._news.clear()
            with_timeout = asyncio.wait([asyncio.ensure_future(self._news.wait())], timeout=min(left_s, 0.5))
            await with_timeout
        return found

    async def send(self, order: str, **fields: object) -> int:
        """Send an order and return its number."""
        self._numbers += 1
        await self.web.send_str(json.dumps({"n": self._numbers, "order": order, **fields}))
        return self._numbers

    async def reply(self, number: int, within_s: float = WITHIN_S) -> dict[str, Any]:
        """Wait for the reply to an order."""
        await self.until(lambda _: number in self.replies, within_s)
        return self.replies[number]

    async def order(self, order: str, **fields: object) -> Any:
        """Give an order, and return the data of its reply; fails when it is refused."""
        reply = await self.reply(await self.send(order, **fields))
        assert reply["ok"], f"{order}: {reply['text']}"
        return reply["data"]

    async def refused(self, order: str, **fields: object) -> dict[str, Any]:
        """Send an order that must be refused, and return why it was: a code with its fields."""
        reply = await self.reply(await self.send(order, **fields))
        assert not reply["ok"], f"{order} was carried out"
        why: dict[str, Any] = reply["text"]
        return why


@asynccontextmanager
async def player(address: str, secret: str = "") -> AsyncIterator[Player]:
    """Connect to a class, as the browser that has this secret."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{address}socket?id={secret}") as web:
        joined = Player(web)
        reading = asyncio.create_task(joined.read())
        try:
            await joined.until(lambda state: "phase" in state)
            yield joined
        finally:
            await cancel_and_wait([reading])


async def switch_over(somebody: Player) -> dict[str, Any]:
    """Carry out a switchover step by step, and return what the reply says."""
    number = await somebody.send("switchover")
    for step in range(1, 6):
        await somebody.until(lambda state, step=step: state.get("switchover", {}).get("step") == step and state["switchover"]["next"])
        await somebody.order("next_step")
    said: dict[str, Any] = (await somebody.reply(number))["text"]
    return said
