"""One direction of one connection: from a socket, through the toxics on it, to the other socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.faultproxy.fast_path import FastPath, StopReason
from testbed.faultproxy.sink import SocketSink
from testbed.faultproxy.stage import NamedToxic, Stage
from testbed.faultproxy.stream import CHUNK_BYTES, Chunk, Sink

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from testbed.faultproxy.activity import Activity, Traffic


@dataclass(frozen=True, slots=True)
class ConnectionControl:
    """What a link can do to the connection that it is one direction of."""

    abort: Callable[[], None]  # close both sides at once
    reset: Callable[[], None]  # the same, with RST
    hang_up: Callable[[ToxicLink], None]  # make the other direction end with what it has received


class ToxicLink:
    """The bytes from `source` to `target`. Without a toxic they take the fast path.

    Toxics may be added, changed and removed while bytes pass; no byte is lost, doubled or reordered by that. None of the three waits: a
    receiver that does not read holds up its own connection, never a request that changes toxics.
    """

    def __init__(
        self, source: socket.socket, target: socket.socket, activity: Activity, traffic: Traffic, control: ConnectionControl
    ) -> None:
        self.activity = activity
        self._control = control
        self._source = source
        self._traffic = traffic
        self._fast_path = FastPath(source, target, activity, traffic)
        self._sink = SocketSink(target, traffic, lambda: control.hang_up(self))
        self._stages: list[Stage] = []
        self._hung_up = False

    @property
    def _head(self) -> Sink:
        return self._stages[0].input if self._stages else self._sink

    async def run(self) -> None:
        """Pass bytes on until the sender ends."""
        reason = StopReason.ASIDE
        while reason is StopReason.ASIDE and not self._hung_up:
            reason = await self._pass_chunk() if self._stages or self.activity.watched else await self._pass_fast()
        if reason is StopReason.RECEIVER_GONE:
            self._sink.done.set()  # there is nothing more to do in this direction
            return
        if reason is StopReason.SENDER_GONE:
            self._sink.closing = True  # not just done: nobody is left to read an answer
        if self.activity.use(asyncio.get_running_loop().time()):
            self._head.end()
        else:
            self._sink.done.set()  # on a forgotten connection the end does not arrive either

    async def _pass_fast(self) -> StopReason:
        with self._sink.sending():
            return await self._fast_path.run()

    async def _pass_chunk(self) -> StopReason:
        """Pass one chunk to the first stage."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)  # what follows waits only where it must: a sender that never pauses would keep the loop to itself
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
        """Wait until no more bytes will leave in this direction; unbounded, because a connection may live for ever."""
        await self._sink.done.wait()

    def add(self, toxic: NamedToxic) -> None:
        """Add a toxic as the last stage; chunks that have left the stage before it are out already."""
        if self._sink.done.is_set():
            return
        stage = Stage(self, toxic, self._sink)
        if self._stages:
            self._stages[-1].following = stage.input
        self._stages.append(stage)
        self._fast_path.step_aside()
        stage.start()

    def change(self, toxic: NamedToxic) -> None:
        """Replace the toxic of the same name, in its place."""
        for stage in self._stages_of(toxic.name):
            stage.change(toxic)

    def remove(self, name: str) -> None:
        """Remove the toxic of a name."""
        for stage in self._stages_of(name):
            if not stage.spared:
                stage.remove_toxic()
            stage.leave()

    def _stages_of(self, name: str) -> list[Stage]:
        return [stage for stage in self._stages if stage.named.name == name and not stage.leaving]

    def take_out(self, stage: Stage) -> None:
        """Take a stage out of the chain: what came before it now sends to what follows it."""
        place = self._stages.index(stage)
        del self._stages[place]
        if place > 0:
            self._stages[place - 1].following = stage.following

    def close_after(self, stage: Stage) -> None:
        """Close the connection when everything that `stage` has sent is out."""
        stage.input.discard()
        self._sink.closing = True
        stage.following.end()

    def cut(self) -> None:
        """Close both sides of the connection at once."""
        self._control.abort()

    def reset(self) -> None:
        """Reset both sides of the connection."""
        self._control.reset()

    def hang_up(self) -> None:
        """End with what was received: the other direction has closed the socket that more would come from."""
        self._hung_up = True
        self._fast_path.step_aside()

    def abandon(self) -> None:
        """Send nothing more: the connection was cut."""
        self._sink.abandon()

    async def stop(self) -> None:
        """Stop every stage: the connection is gone."""
        tasks = [stage.task for stage in self._stages if stage.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
