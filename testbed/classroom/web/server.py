"""The web server of a class: the page's files, and a WebSocket for each browser; all of it below a token, and nothing elsewhere.

Whoever sends garbage, or more than a person can, is answered slowly and then not at all; the others share nothing with them but the
event loop, and each message costs that little. What a connection may do before that is the door's business.
"""

from __future__ import annotations

import asyncio
import hmac
import traceback
from collections import Counter, defaultdict
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
from testbed.classroom.web.addresses import BACKLOG
from testbed.classroom.web.door import Allowance, HttpDoor, SocketDoor
from testbed.concurrency import cancel_and_wait
from testbed.errors import UsageError

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator

    from starlette.requests import HTTPConnection, Request

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
FILES_A_SECOND, FILES_AT_ONCE = 100, 2_000  # and WebSockets that are opened, by one machine: forty pages that come at once
MOST_OF_ONE = 100  # WebSockets of one machine, beside its trainer's
MOST_MACHINES = 1_000  # whose allowance is kept; forgotten, all have it whole again
MOST_WRONG = 20  # messages in a row that are no order; then the connection is closed
AT_WORK = 4  # orders of one browser that are carried out at a time
BUSY, WRONG = 1013, 1008  # why a WebSocket is closed (RFC 6455, 7.4.1)
MOST_BYTES = 4 * LONGEST_ORDER  # of a message, in UTF-8
PING_S = 20.0
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
            await self.listener.wait_room()
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


def _turns() -> defaultdict[str, Allowance]:
    return defaultdict(lambda: Allowance(FILES_A_SECOND, FILES_AT_ONCE))


@dataclass(slots=True)
class Site:
    """What is served, and to whom. `tokens`: by token, whether it is the trainer's.

    `host`: who answers the browsers of a live night; `data`: the script of a recorded one, else empty.
    """

    host: Host | None
    tokens: dict[str, bool]
    data: bytes
    _turns: defaultdict[str, Allowance] = field(default_factory=_turns)
    _sockets: Counter[str] = field(default_factory=Counter)

    def _is_trainer(self, asked: HTTPConnection) -> bool:
        """Return whose token it is; raises HTTPException for anything else, after the same time."""
        token = asked.path_params["token"].encode()
        found = [trainer for known, trainer in self.tokens.items() if hmac.compare_digest(known.encode(), token)]
        if not found:
            raise HTTPException(404)
        return found[0]

    async def _wait_turn(self, asked: HTTPConnection) -> str:
        """Wait until a machine may ask for one more file or WebSocket, and return its address."""
        machine = asked.client.host if asked.client else ""
        if len(self._turns) > MOST_MACHINES:
            self._turns.clear()
        await self._turns[machine].wait()
        return machine

    async def without_slash(self, request: Request) -> Response:
        """Lead to the page, on this host, whatever the browser calls it."""
        self._is_trainer(request)
        return Response(status_code=307, headers={"Location": f"/{request.path_params['token']}/", **HEADERS})

    async def file(self, request: Request) -> Response:
        """Return a file of the page."""
        await self._wait_turn(request)
        self._is_trainer(request)
        name = request.path_params.get("name") or page_files.INDEX
        content = self.data if name == page_files.DATA else page_files.read(name)
        if content is None:
            raise HTTPException(404)
        return Response(content, media_type=page_files.media_type(name), headers=HEADERS)

    async def connect(self, web: WebSocket) -> None:
        """Talk to a browser until it goes."""
        try:
            trainer = self._is_trainer(web)
        except HTTPException:
            await web.close(WRONG)
            return
        assert self.host is not None
        machine = await self._wait_turn(web)
        await web.accept()
        if not trainer and self._sockets[machine] >= MOST_OF_ONE:
            await web.close(BUSY, f"{MOST_OF_ONE} pages are open at this address already")
            return
        try:
            person = self.host.come(web.query_params.get("id", "")[:64], is_trainer=trainer)
        except UsageError as error:
            await web.close(BUSY, str(error))
            return
        self._sockets[machine] += not trainer
        try:
            await _converse(self.host, web, person)
        except Exception:  # noqa: BLE001 - the border of a connection: a bug in one must not end the class
            traceback.print_exc()
        finally:
            self._sockets[machine] -= not trainer


async def _not_found(_request: Request, _error: Exception) -> Response:
    return Response("not found", 404, headers=HEADERS)


def application(host: Host | None, tokens: dict[str, bool], data: bytes) -> Starlette:
    """Return the application of a site; see there."""
    site = Site(host, tokens, data)
    routes = [Route("/{token}", site.without_slash), Route("/{token}/", site.file), Route("/{token}/{name:path}", site.file)]
    sockets = [] if host is None else [WebSocketRoute("/{token}/socket", site.connect)]
    app = Starlette(routes=[*sockets, *routes], exception_handlers={404: _not_found})
    app.router.redirect_slashes = False  # it would lead to the host that a browser names, and fail where that is none
    return app


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
    """Return the server of an application.

    It logs no address, as these have tokens, and nothing of what a stranger sent: the trainer's terminal is not theirs to write on.
    """
    return Server(
        uvicorn.Config(
            app,
            log_config=None,
            log_level="critical",
            access_log=False,
            lifespan="off",
            http=HttpDoor,
            ws=SocketDoor,
            backlog=BACKLOG,
            ws_max_size=MOST_BYTES,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            ws_per_message_deflate=False,
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
