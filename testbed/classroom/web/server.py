"""The web server of a class: the page's files, and a WebSocket for each browser; all of it below a token, and nothing elsewhere.

Whoever sends garbage, or more than a person can, is answered slowly and then not at all; the others share nothing with them but the
event loop, and each message costs that little.
"""

from __future__ import annotations

import asyncio
import hmac
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from testbed.classroom.live.orders import LONGEST_ORDER
from testbed.classroom.web import page_files
from testbed.concurrency import cancel_and_wait
from testbed.errors import UsageError

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator

    from starlette.requests import Request

    from testbed.classroom.board import Json
    from testbed.classroom.live.people import Person
    from testbed.classroom.web.hub import Hub, Listener

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
A_SECOND, AT_ONCE = 10, 40  # messages of one browser: how many it may send for long, and how many at once
MOST_WRONG = 20  # messages in a row that are no order; then the connection is closed
AT_WORK = 4  # orders of one browser that are carried out at a time
BUSY, WRONG = 1013, 1008  # why a WebSocket is closed (RFC 6455, 7.4.1)
MOST_BYTES = 4 * LONGEST_ORDER  # of a message, in UTF-8
PING_S = 20.0
MOST_CONNECTIONS = 500  # of all kinds; more are answered with 503
SHUT_DOWN_S = 2


class Host(Protocol):
    """What answers browsers."""

    hub: Hub

    def come(self, secret: str, *, is_trainer: bool) -> Person:
        """Return who a browser belongs to; raises UsageError when too many have come."""

    def go(self, person: Person) -> None:
        """Note that a browser has gone."""

    def listen(self, person: Person) -> Listener:
        """Return a listener for a browser of somebody."""

    async def answer(self, person: Person, text: str) -> tuple[bool, dict[str, Json] | None]:
        """Carry out an order; return whether it was one, and the reply (None: it has no number to reply to)."""


@dataclass(slots=True)
class Allowance:
    """How many messages a browser may still send before it has to wait; seconds of the event loop's clock."""

    left: float = AT_ONCE
    at_s: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def wait(self) -> None:
        """Wait until it may send one more, and count it."""
        now_s = asyncio.get_running_loop().time()
        self.left = min(float(AT_ONCE), self.left + (now_s - self.at_s) * A_SECOND) - 1.0
        self.at_s = now_s
        if self.left < 0.0:
            await asyncio.sleep(-self.left / A_SECOND)


@dataclass(slots=True)
class Conversation:
    """What goes on over one WebSocket."""

    host: Host
    web: WebSocket
    person: Person
    listener: Listener
    working: set[asyncio.Task[None]] = field(default_factory=set)
    wrong: int = 0

    async def go_on(self) -> None:
        """Read orders until the browser goes, or is sent away; each is carried out beside the others."""
        allowance = Allowance()
        while self.wrong < MOST_WRONG:
            message = await self.web.receive()
            if message["type"] == "websocket.disconnect":
                return
            await allowance.wait()
            while len(self.working) >= AT_WORK:
                await asyncio.wait(self.working, return_when=asyncio.FIRST_COMPLETED)
            task = asyncio.create_task(self._answer(message.get("text") or ""))
            self.working.add(task)
            task.add_done_callback(self.working.discard)
        await self.web.close(WRONG, f"{MOST_WRONG} messages in a row were no orders")

    async def _answer(self, text: str) -> None:
        was_order, reply = await self.host.answer(self.person, text)
        self.wrong = 0 if was_order else self.wrong + 1
        if reply is not None:
            self.host.hub.flush()
            self.listener.reply({"is": "reply", **reply})


def application(host: Host | None, tokens: dict[str, bool], data: bytes) -> Starlette:
    """Return the application. `tokens`: by token, whether it is the trainer's.

    `host`: who answers the browsers of a live night; `data`: the script of a recorded one, else empty.
    """

    def is_trainer(token: str) -> bool:
        """Return whose token it is; raises HTTPException for anything else, after the same time."""
        found = [trainer for known, trainer in tokens.items() if hmac.compare_digest(known.encode(), token.encode())]
        if not found:
            raise HTTPException(404)
        return found[0]

    async def file(request: Request) -> Response:
        is_trainer(request.path_params["token"])
        name = request.path_params.get("name") or page_files.INDEX
        content = data if name == page_files.DATA else page_files.read(name)
        if content is None:
            raise HTTPException(404)
        return Response(content, media_type=page_files.media_type(name), headers=HEADERS)

    async def connect(web: WebSocket) -> None:
        try:
            trainer = is_trainer(web.path_params["token"])
        except HTTPException:
            await web.close(WRONG)
            return
        assert host is not None
        await web.accept()
        try:
            person = host.come(web.query_params.get("id", "")[:64], is_trainer=trainer)
        except UsageError as error:
            await web.close(BUSY, str(error))
            return
        await _converse(host, web, person)

    async def not_found(_request: Request, _error: Exception) -> Response:
        return Response("not found", 404, headers=HEADERS)

    routes = [Route("/{token}/", file), Route("/{token}/{name:path}", file)]
    sockets = [] if host is None else [WebSocketRoute("/{token}/socket", connect)]
    return Starlette(routes=[*sockets, *routes], exception_handlers={404: not_found})


async def _converse(host: Host, web: WebSocket, person: Person) -> None:
    listener = host.listen(person)
    talk = Conversation(host, web, person, listener)
    sending = asyncio.create_task(listener.send_all(web.send_text))
    reading = asyncio.create_task(talk.go_on())
    try:
        await asyncio.wait([sending, reading], return_when=asyncio.FIRST_COMPLETED)
    finally:
        host.hub.leave(listener)
        host.go(person)
        await cancel_and_wait([sending, reading])
        for task in (sending, reading):
            with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError, OSError):  # it has gone
                task.result()


class Server(uvicorn.Server):
    """A server beside whatever else runs in the event loop: signals are not its business."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the handlers as they are."""
        yield


def server(app: Starlette) -> Server:
    """Return the server of an application; it logs no address, as these have tokens."""
    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=MOST_BYTES,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            ws_per_message_deflate=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=SHUT_DOWN_S,
            server_header=False,
        )
    )


async def serve(app: Starlette, listening: socket.socket) -> None:
    """Serve until cancelled; then every connection is closed within `SHUT_DOWN_S` seconds."""
    running = server(app)
    task = asyncio.create_task(running.serve([listening]))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        running.should_exit = True
        await asyncio.wait([task])
        raise
