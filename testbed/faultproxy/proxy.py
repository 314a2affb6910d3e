"""A proxy: a listener, an upstream, the connections between them, and the toxics that are on each.

Where Toxiproxy's documentation is silent, and Toxiproxy itself would stand in a test's way, a proxy differs from it:

    half-close   an end of stream passes as one; Toxiproxy closes the whole connection to the other side, and the answer is lost
    reset_peer   also resets connections that are older than the toxic, and never those that its toxicity spares
    timeout      its removal, or a change that spares them, closes the connections that it worked on; Toxiproxy's removal also closes those
                 that it spared, and its change lets a connection go on with a hole
    toxicity     is decided when a toxic is put on a connection or changed, not when its neighbours come and go
    removal      never waits for a receiver that has stopped, and drops nothing then; Toxiproxy waits up to 5 s, and drops
    listen       is, when not given, a free port of the loopback address, and not of every address
    upstream     one that does not answer keeps its own client waiting, and not the clients that come after
    slicer       cuts around the average size, and cuts nothing when that is 0; Toxiproxy halves, and fails
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING

from testbed.faultproxy.activity import Traffic
from testbed.faultproxy.address import ANY_PORT, BACKLOG, LONGEST_QUEUE, connect, format_address, listen_at, resolve
from testbed.faultproxy.connection import DOWNSTREAM, KEEPALIVE_S, NO_LINGER, UPSTREAM, Connection, send_end
from testbed.faultproxy.memory import MemoryReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testbed.faultproxy.stage import NamedToxic, Pace
    from testbed.faultproxy.toxic_link import ToxicLink

logger = logging.getLogger(__name__)

ACCEPT_AGAIN_S = 1.0


def in_order(toxics: Iterable[NamedToxic]) -> tuple[NamedToxic, ...]:
    """Return toxics in Toxiproxy's order: the upstream's first, each stream's in the order in which bytes meet them."""
    return tuple(sorted(toxics, key=lambda toxic: toxic.stream.lower() != UPSTREAM))


@dataclass(eq=False)
class Proxy:
    """A proxy by name. `listen` and `upstream` are `host:port`; listening at port 0 takes a free one, which `listen` then shows.

    Without `listen` it is a free port of the loopback address, and not of every address as with Toxiproxy: the proxies of a laptop are
    not for its network. When a connection has been quiet for `keepalive_s`, the kernel asks whether the peer is still there.
    """

    name: str
    listen: str
    upstream: str
    enabled: bool = False
    keepalive_s: int = KEEPALIVE_S
    memory: MemoryReturn = field(default_factory=MemoryReturn)
    toxics: dict[str, NamedToxic] = field(default_factory=dict)
    traffic: dict[str, Traffic] = field(default_factory=lambda: {UPSTREAM: Traffic(), DOWNSTREAM: Traffic()})
    _accepted: dict[str, int] = field(default_factory=dict)  # number of connections accepted since a toxic was added, by its name
    _listener: socket.socket | None = None
    _accepting: asyncio.TimerHandle | None = None  # when it accepts again, where it does not do so at once
    _pace: Pace | None = None  # as the listener has it
    _connections: dict[asyncio.Task[None], Connection | None] = field(default_factory=dict)

    async def enable(self) -> None:
        """Start to listen; does nothing when it listens already. Raises OSError when the address is taken."""
        if self.enabled:
            return
        listener = await listen_at(self.listen or ANY_PORT)
        self.listen = format_address(listener.getsockname())
        self._listener = listener
        self.enabled = True
        self._pace = None
        self._start_accepting(listener)
        self._set_pace()

    async def disable(self) -> None:
        """Stop listening and drop every connection."""
        self.enabled = False
        if self._listener is not None:
            self._stop_accepting(self._listener)
            self._listener.close()
            self._listener = None
        for connection in self._connections.values():
            if connection is not None:
                connection.abort()
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def moves(self, listen: str, upstream: str) -> bool:
        """Whether these addresses are others than the proxy's; `localhost:80` is not, where the proxy listens at `127.0.0.1:80`.

        Raises OSError when `listen` cannot be resolved.
        """
        if upstream != self.upstream:
            return True
        return listen != self.listen and format_address((await resolve(listen or ANY_PORT))[1]) != self.listen

    def add_toxic(self, toxic: NamedToxic) -> None:
        """Add a toxic to the proxy and to each of its connections."""
        self.toxics[toxic.name] = toxic
        self._accepted[toxic.name] = 0
        for link in self._links(toxic):
            link.add(toxic)
        self._set_pace()

    def set_toxics(self, toxics: tuple[NamedToxic, ...]) -> None:
        """Have these toxics, each stream's in this order, and no others.

        One that is here already stays where its place is still the same, and is changed where it is another: what it has counted or
        dropped on a connection goes on, and removing it would close what a `timeout` works on.
        """
        stays = self._staying(toxics)
        for name in [name for name in self.toxics if name not in stays]:
            self.remove_toxic(name)
        for toxic in toxics:
            if toxic.name not in stays:
                self.add_toxic(toxic)
            elif toxic != self.toxics[toxic.name]:
                self.change_toxic(toxic)

    def _staying(self, toxics: tuple[NamedToxic, ...]) -> set[str]:
        """Return the names of those here that wanted toxics begin with, on each stream: what is added comes after all that is here."""
        stays: set[str] = set()
        for stream in (UPSTREAM, DOWNSTREAM):
            wanted = [(toxic.name, toxic.kind) for toxic in toxics if toxic.stream.lower() == stream]
            here = [(toxic.name, toxic.kind) for toxic in self.toxics.values() if toxic.stream.lower() == stream]
            here = [toxic for toxic in here if toxic in wanted]
            pairs = takewhile(lambda pair: pair[0] == pair[1], zip(here, wanted, strict=False))
            stays |= {name for (name, _), _ in pairs}
        return stays

    def change_toxic(self, toxic: NamedToxic) -> None:
        """Replace the toxic of the same name, in its place."""
        self.toxics[toxic.name] = toxic
        for link in self._links(toxic):
            link.change(toxic)
        self._set_pace()

    def remove_toxic(self, name: str) -> None:
        """Remove a toxic; raises KeyError when there is none of that name."""
        toxic = self.toxics.pop(name)
        del self._accepted[name]
        for link in self._links(toxic):
            link.remove(name)
        self._set_pace()

    def _links(self, toxic: NamedToxic) -> list[ToxicLink]:
        return [connection.link_of(toxic) for connection in self._connections.values() if connection is not None]

    def _set_pace(self) -> None:
        """Accept as slowly as the slowest of the toxics of now says, with a queue as long as that says."""
        paces: list[Pace | None] = [toxic.toxic.pace() for toxic in self.toxics.values() if hasattr(toxic.toxic, "pace")]
        pace = max((pace for pace in paces if pace is not None), key=lambda pace: pace.every_s, default=None)
        listener = self._listener
        if listener is not None and pace != self._pace:
            queue = BACKLOG if pace is None else min(max(pace.queue, 0), LONGEST_QUEUE)
            listener.listen(queue)  # of a socket that listens already, it changes the queue's length
            self._pace = pace
            self._stop_accepting(listener)
            self._start_accepting(listener)

    def _start_accepting(self, listener: socket.socket) -> None:
        if listener is not self._listener:
            return
        if self._pace is None:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)
        else:
            self._accepting = asyncio.get_running_loop().call_later(self._pace.every_s, self._accept_one, listener)

    def _accept_one(self, listener: socket.socket) -> None:
        self._accept(listener, 1)
        self._stop_accepting(listener)
        self._start_accepting(listener)

    def _stop_accepting(self, listener: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(listener)
        if self._accepting is not None:
            self._accepting.cancel()
            self._accepting = None

    # Not asyncio's own server: when that is closed, a connection that it has accepted and not yet handed over is neither served nor closed.
    # Here a connection is known from its acceptance on, with nothing in between.

    def _accept(self, listener: socket.socket, most: int = BACKLOG) -> None:
        loop = asyncio.get_running_loop()
        try:
            for _ in range(most):
                client, _ = listener.accept()
                client.setblocking(False)
                task = loop.create_task(self._serve(client))
                self._connections[task] = None
                task.add_done_callback(partial(self._forget, client))
        except (BlockingIOError, ConnectionAbortedError):
            pass  # no other client waits, or it has gone
        except OSError as error:  # such as: out of file descriptors
            logger.warning(
                "proxy %s at %s accepts no connection for %.0f s, with %d open: %s",
                self.name,
                self.listen,
                ACCEPT_AGAIN_S,
                len(self._connections),
                error,
            )
            self._stop_accepting(listener)
            self._accepting = loop.call_later(ACCEPT_AGAIN_S, self._start_accepting, listener)

    def _forget(self, client: socket.socket, task: asyncio.Task[None]) -> None:
        del self._connections[task]
        client.close()  # it may have been dropped before it was served
        self.memory.note_end()

    def _refuses(self) -> bool:
        """Whether a toxic wants a new connection to be reset; all of them are asked, because each counts."""
        answers = []
        for name, toxic in self.toxics.items():
            self._accepted[name] += 1
            refuses = getattr(toxic.toxic, "refuses", None)
            wanted = refuses is not None and refuses(self._accepted[name])
            answers.append(wanted and random.random() < toxic.toxicity)  # noqa: S311 - no secret depends on it
        return any(answers)

    async def _serve(self, client: socket.socket) -> None:
        if self._refuses():
            client.setsockopt(*NO_LINGER)
            return  # it is closed as soon as this has ended
        upstream = None
        try:
            upstream = await connect(self.upstream)
        except (OSError, UnicodeError):  # UnicodeError: a name that cannot be a host's, such as one that is too long
            return  # the client's connection is closed: nothing is behind it
        finally:
            if upstream is None:
                send_end(client)
        with upstream:
            connection = Connection(client, upstream, self.traffic, self.keepalive_s)
            # No await from here to the first one in `run`: that adds every toxic of now, and `add_toxic` adds every later one.
            task = asyncio.current_task()
            assert task is not None
            self._connections[task] = connection
            await connection.run(list(self.toxics.values()))
