"""A server of a class for tests of the page: it serves the folder, says what a test says, and keeps the orders that come."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any, Self

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path
    from types import TracebackType

TOKEN = "token-of-the-class"  # noqa: S105 - of a server that only a test sees
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'none'"
WITHIN_S = 20


class ClassServer:
    """Serves a folder below a token, from a thread of its own. `orders`: what came; `asked`: the query of each WebSocket."""

    def __init__(self, folder: Path, welcome: dict[str, Any], state: dict[str, Any]) -> None:
        self.folder, self.welcome, self.state = folder, welcome, state
        self.orders: list[dict[str, Any]] = []
        self.asked: list[dict[str, str]] = []
        self.replies: dict[str, dict[str, Any]] = {}
        self.silent: set[str] = set()
        self._sockets: list[web.WebSocketResponse] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WITHIN_S)
        self._loop.close()

    @property
    def address(self) -> str:
        """Return the address of the page."""
        return f"http://127.0.0.1:{self.port}/{TOKEN}/"

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(WITHIN_S)

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_get(f"/{TOKEN}/", self._index)
        app.router.add_get(f"/{TOKEN}/socket", self._socket)
        app.router.add_static(f"/{TOKEN}/", self.folder)
        app.on_response_prepare.append(self._with_policy)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        for socket in list(self._sockets):
            await socket.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @staticmethod
    async def _with_policy(_: web.Request, response: web.StreamResponse) -> None:
        response.headers["Content-Security-Policy"] = POLICY

    async def _index(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(self.folder / "index.html")

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        self.asked.append(dict(request.query))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append(socket)
        await socket.send_json(self.welcome)
        await socket.send_json({"is": "set", "state": self.state})
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._answer(socket, json.loads(message.data))
        self._sockets.remove(socket)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, order: dict[str, Any]) -> None:
        self.orders.append(order)
        if order["order"] not in self.silent:
            reply = {"ok": True, "text": "", "data": None, **self.replies.get(order["order"], {})}
            await socket.send_json({"is": "reply", "n": order["n"], **reply})

    def say(self, message: Any) -> None:
        """Send a message to all; a text goes as it is."""
        text = message if isinstance(message, str) else json.dumps(message)

        async def send() -> None:
            for socket in list(self._sockets):
                await socket.send_str(text)

        self._do(send())

    def set(self, **changes: Any) -> None:
        """Change the state; two underscores stand for a dot."""
        named = {key.replace("__", "."): value for key, value in changes.items()}
        self.state = {key: value for key, value in {**self.state, **named}.items() if value is not None}
        self.say({"is": "set", "state": named})

    def hang_up(self) -> None:
        """Close every connection; the server stays."""

        async def close() -> None:
            for socket in list(self._sockets):
                await socket.close()

        self._do(close())

    def go(self) -> None:
        """Stop listening, as a server that dies."""
        self._do(self._stop())

    def come_back(self) -> None:
        """Listen at the same port again."""
        self._do(self._start())
