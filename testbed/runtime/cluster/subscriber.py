"""Subscribes to the heartbeats of a database host, and counts them until it is lost."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, cast

from testbed.concurrency import cancel_and_wait
from testbed.runtime.cluster.beat import BEAT, SUBSCRIBE

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.facility.address import Address
    from testbed.facility.heartbeat_watch import HeartbeatWatch

CONNECT_AGAIN_S = 0.1


def never() -> bool:
    """Return False: nothing pauses the watching."""
    return False


async def watch_until_lost(watch: HeartbeatWatch, address: Address, is_paused: Callable[[], bool] = never) -> str:
    """Count the heartbeats that a host sends to who subscribes at `address`, until too many in a row were missed; return a line on that.

    While `is_paused`, none counts as missed.
    """
    loop = asyncio.get_running_loop()
    watch.start(loop.time())
    listening = asyncio.create_task(_listen(watch, address))
    try:
        while not watch.is_lost:
            await asyncio.sleep(watch.due_s - loop.time())
            if is_paused():
                watch.start(loop.time())
            else:
                watch.look(loop.time())
    finally:
        await cancel_and_wait([listening])
    return watch.describe_loss(loop.time())


async def _listen(watch: HeartbeatWatch, address: Address) -> None:
    """Subscribe to the heartbeats, and again whenever the connection ends."""
    loop = asyncio.get_running_loop()
    while True:
        ended = loop.create_future()
        try:
            async with asyncio.timeout(max(watch.every_s, CONNECT_AGAIN_S)):
                transport, _ = await loop.create_connection(partial(_Subscriber, watch, ended), address.host, address.port)
        except OSError:  # TimeoutError is one
            await asyncio.sleep(CONNECT_AGAIN_S)
            continue
        try:
            await ended
        finally:
            transport.abort()
        await asyncio.sleep(CONNECT_AGAIN_S)


class _Subscriber(asyncio.Protocol):
    """Counts heartbeats as they come. A protocol and no stream: what has come is counted before a look that is due at the same time."""

    def __init__(self, watch: HeartbeatWatch, ended: asyncio.Future[None]) -> None:
        self._watch = watch
        self._ended = ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).write(SUBSCRIBE)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        at_s = asyncio.get_running_loop().time()
        for _ in range(data.count(BEAT[-1:])):
            self._watch.beat(at_s)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        if not self._ended.done():
            self._ended.set_result(None)
