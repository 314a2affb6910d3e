"""The HTTP API of Toxiproxy 2.12: its routes, and what each does to the proxies.

request_body.py, proxy_fields.py and toxic_fields.py read bodies, api_error.py has the error answers. How a proxy differs from Toxiproxy's
is told in proxy.py.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from testbed.errors import shortened
from testbed.faultproxy import metrics
from testbed.faultproxy.api_error import ApiError
from testbed.faultproxy.connection import KEEPALIVE_S
from testbed.faultproxy.memory import MemoryReturn
from testbed.faultproxy.proxy import Proxy, in_order
from testbed.faultproxy.proxy_fields import ProxyFields
from testbed.faultproxy.request_body import decode
from testbed.faultproxy.toxic_fields import read_changes, read_toxic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from starlette.requests import Request

    from testbed.faultproxy.stage import NamedToxic

VERSION = "2.12.0"  # of the API that is spoken
REQUEST_ID = "X-Toxiproxy-Request-Id"  # 20 characters, different for every answer
IGNORED = "X-Toxiproxy-Ignored"  # of an answer: the fields of the request that mean nothing here
MOST_IGNORED = 500  # characters that are told of them

logger = logging.getLogger(__name__)


class Api:
    """The proxies of a server, by name, and what the API does to them.

    `initial` are the proxies to start with; `keepalive_s` is that of every proxy. `failed`: why they could not be made, or an empty text.
    """

    def __init__(self, initial: Sequence[ProxyFields] = (), keepalive_s: int = KEEPALIVE_S) -> None:
        self._keepalive_s = keepalive_s
        self.proxies: dict[str, Proxy] = {}
        self.failed = ""
        self.give_up: Callable[[], None] = lambda: None  # called when it failed; whoever serves this API ends then
        self._initial = initial
        self._memory = MemoryReturn()
        self._changing = asyncio.Lock()  # two requests at once must not both find a name, or an address, to be free

    def app(self) -> Starlette:
        """Return the application. When its server ends, so do the proxies."""
        proxy, toxic = "/proxies/{proxy}", "/proxies/{proxy}/toxics/{toxic}"
        routes: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/version", self._version),
            ("", "/metrics", self._metrics),  # as in Toxiproxy, by any method
            ("POST", "/reset", self._reset),
            ("POST", "/populate", self._populate),
            ("GET", "/proxies", self._list),
            ("POST", "/proxies", self._create),
            ("GET", proxy, self._show),
            ("POST PATCH", proxy, self._update),
            ("DELETE", proxy, self._delete),
            ("GET", f"{proxy}/toxics", self._list_toxics),
            ("POST", f"{proxy}/toxics", self._create_toxic),
            ("GET", toxic, self._show_toxic),
            ("POST PATCH", toxic, self._update_toxic),
            ("DELETE", toxic, self._delete_toxic),
        ]
        app = Starlette(
            routes=[_route(methods, path, self._answering(endpoint)) for methods, path, endpoint in routes],
            exception_handlers={404: _not_found, 405: _not_allowed},
            lifespan=self._life,
        )
        app.router.redirect_slashes = False
        return app

    @asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncIterator[None]:
        ignored: list[str] = []
        try:
            for wanted in self._initial:
                await self._replace(wanted, ignored)
        except ApiError as error:
            self.failed = f"{wanted.name}: {error}"
            self.give_up()
        if ignored:
            logger.warning("the proxies to start with: ignored: %s", ignored_text(ignored))
        yield
        for proxy in self.proxies.values():
            await proxy.disable()

    def _answering(self, endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler that turns ApiError into an answer, and keeps browsers out: a web page could otherwise drive the API."""

        async def answer(request: Request) -> Response:
            request.state.ignored = []
            response = await answer_or_error(request)
            response.headers[REQUEST_ID] = secrets.token_hex(10)
            if request.state.ignored:
                response.headers[IGNORED] = told = ignored_text(request.state.ignored)
                logger.warning("%s %s: ignored: %s", request.method, shortened(quote(request.url.path), MOST_IGNORED), told)
            return response

        async def answer_or_error(request: Request) -> Response:
            if request.headers.get("user-agent", "").startswith("Mozilla/"):
                return PlainTextResponse("User agent not allowed\n", status_code=403)
            try:
                await request.body()  # before the lock, which a slow sender must not hold
            except ClientDisconnect:
                return Response(status_code=400)  # it goes to nobody
            try:
                async with self._changing:
                    return await endpoint(request)
            except ApiError as error:
                # As text: Toxiproxy sends its errors so, although they are JSON.
                return PlainTextResponse(json.dumps(error.answer()) + "\n", status_code=error.status)

        return answer

    async def _metrics(self, _: Request) -> Response:
        return Response(metrics.text(self.proxies.values), media_type=metrics.CONTENT_TYPE)

    async def _version(self, _: Request) -> Response:
        return Response(json.dumps({"version": VERSION}) + "\n", media_type="application/json;charset=utf-8")

    async def _reset(self, _: Request) -> Response:
        """Enable every proxy, and remove every toxic; those that cannot listen keep no other from it, and the answer tells of the first."""
        errors: list[ApiError] = []
        for proxy in self.proxies.values():
            try:
                await _enable(proxy)
            except ApiError as error:
                errors.append(error)
            for name in list(proxy.toxics):
                proxy.remove_toxic(name)
        if errors:
            raise errors[0]
        return Response(status_code=204)

    async def _populate(self, request: Request) -> Response:
        """Create or replace proxies; those made before an error stay, and the answer shows them with it."""
        populated: list[dict[str, object]] = []
        error: ApiError | None = None
        ignored = request.state.ignored
        try:
            for wanted in ProxyFields.read_all(decode(await request.body()), ignored):
                populated.append(_proxy(await self._replace(wanted, ignored)))  # noqa: PERF401 - those before an error are wanted, too
        except ApiError as raised:
            error = raised
        answer = (error.answer() if error else {}) | {"proxies": populated or None}
        return JSONResponse(answer, status_code=error.status if error else 201)

    async def _replace(self, wanted: ProxyFields, ignored: list[str]) -> Proxy:
        """Return the proxy as it is wanted. One that is known, at the same addresses, keeps its connections.

        With toxics, an entry says all that a proxy is, as what is shown does. Without them it is Toxiproxy's, which changes nothing of a
        known proxy: a disabled one stays disabled.
        """
        known = self.proxies.get(wanted.name)
        if known is None:
            return await self._make(wanted)
        if await _moves(known, wanted):
            await known.disable()
            return await self._make(wanted)
        if wanted.toxics is not None:
            if wanted.enabled is not None:
                await (_enable(known) if wanted.enabled else known.disable())
            known.set_toxics(wanted.toxics)  # with no await since it listens: it has not accepted a connection without them
        elif wanted.enabled not in (None, known.enabled):
            ignored.append(f"{wanted.where}enabled")
        return known

    async def _make(self, wanted: ProxyFields) -> Proxy:
        proxy = Proxy(wanted.name, wanted.listen, wanted.upstream, keepalive_s=self._keepalive_s, memory=self._memory)
        proxy.set_toxics(wanted.toxics or ())  # before it accepts a connection
        if wanted.enabled is not False:
            await _enable(proxy)
        self.proxies[proxy.name] = proxy
        return proxy

    async def _list(self, _: Request) -> Response:
        return JSONResponse({name: _proxy(proxy) for name, proxy in sorted(self.proxies.items())})

    async def _create(self, request: Request) -> Response:
        wanted = ProxyFields.read_new(decode(await request.body()), request.state.ignored)
        if wanted.name in self.proxies:
            raise ApiError("proxy already exists", 409)
        return JSONResponse(_proxy(await self._make(wanted)), status_code=201)

    async def _show(self, request: Request) -> Response:
        return JSONResponse(_proxy(self._of(request)))

    async def _update(self, request: Request) -> Response:
        """Change a proxy; another name or other toxics in the body are ignored, and another address drops every connection."""
        proxy = self._of(request)
        known = ProxyFields(proxy.name, proxy.listen, proxy.upstream, proxy.enabled, tuple(proxy.toxics.values()))
        wanted = ProxyFields.read_update(decode(await request.body()), known, request.state.ignored)
        if await _moves(proxy, wanted):
            await proxy.disable()
            proxy.listen, proxy.upstream = wanted.listen, wanted.upstream
        await (_enable(proxy) if wanted.enabled else proxy.disable())
        return JSONResponse(_proxy(proxy))

    async def _delete(self, request: Request) -> Response:
        proxy = self._of(request)
        await proxy.disable()
        del self.proxies[proxy.name]
        return Response(status_code=204)

    async def _list_toxics(self, request: Request) -> Response:
        return JSONResponse(_toxics(self._of(request)))

    async def _create_toxic(self, request: Request) -> Response:
        proxy = self._of(request)
        toxic = read_toxic(decode(await request.body()), proxy.toxics, request.state.ignored)
        proxy.add_toxic(toxic)
        return JSONResponse(_toxic(toxic))

    async def _show_toxic(self, request: Request) -> Response:
        return JSONResponse(_toxic(self._toxic_of(request)))

    async def _update_toxic(self, request: Request) -> Response:
        """Change attributes and toxicity, and nothing else."""
        proxy, toxic = self._of(request), self._toxic_of(request)
        changed = read_changes(decode(await request.body()), toxic, request.state.ignored)
        proxy.change_toxic(changed)
        return JSONResponse(_toxic(changed))

    async def _delete_toxic(self, request: Request) -> Response:
        self._of(request).remove_toxic(self._toxic_of(request).name)
        return Response(status_code=204)

    def _of(self, request: Request) -> Proxy:
        try:
            return self.proxies[request.path_params["proxy"]]
        except KeyError:
            raise ApiError("proxy not found", 404) from None

    def _toxic_of(self, request: Request) -> NamedToxic:
        try:
            return self._of(request).toxics[request.path_params["toxic"]]
        except KeyError:
            raise ApiError("toxic not found", 404) from None


def ignored_text(ignored: Sequence[str]) -> str:
    """Return fields as a header can have them: ASCII, in bounds; what is none of a name's usual characters is quoted as in a URL."""
    return shortened(", ".join(quote(field, safe="[]. ") for field in ignored), MOST_IGNORED).replace("…", "...")


def _route(methods: str, path: str, answer: Callable[[Request], Awaitable[Response]]) -> Route:
    """Return the route of a path for these methods; for every method if there are none."""
    allowed = set(methods.split())
    route = Route(path, answer, methods=allowed)
    route.methods = allowed  # Starlette adds HEAD to GET, Toxiproxy's router does not
    return route


async def _not_found(_: Request, __: Exception) -> Response:
    return PlainTextResponse("404 page not found\n", status_code=404)


async def _not_allowed(_: Request, __: Exception) -> Response:
    return Response(status_code=405)


async def _enable(proxy: Proxy) -> None:
    try:
        await proxy.enable()
    except OSError as error:
        raise ApiError(str(error), 500) from error


async def _moves(proxy: Proxy, wanted: ProxyFields) -> bool:
    try:
        return await proxy.moves(wanted.listen, wanted.upstream)
    except OSError as error:
        raise ApiError(str(error), 500) from error


def _toxic(toxic: NamedToxic) -> dict[str, object]:
    return {
        "attributes": asdict(toxic.toxic),  # type: ignore[call-overload]  # every toxic is a dataclass
        "name": toxic.name,
        "type": toxic.kind,
        "stream": toxic.stream,
        "toxicity": toxic.toxicity,
    }


def _toxics(proxy: Proxy) -> list[dict[str, object]]:
    return [_toxic(toxic) for toxic in in_order(proxy.toxics.values())]


def _proxy(proxy: Proxy) -> dict[str, object]:
    return {
        "name": proxy.name,
        "listen": proxy.listen,
        "upstream": proxy.upstream,
        "enabled": proxy.enabled,
        "toxics": _toxics(proxy),
    }
