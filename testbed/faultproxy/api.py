"""The HTTP API of Toxiproxy 2.12, with its error answers: `{"error": …, "status": …}`.

Bodies are read as Toxiproxy reads them: names of fields in any case, `null` as not given, unknown fields passed over, a field of another
type refused.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from testbed.faultproxy import metrics, toxics
from testbed.faultproxy.proxy import DOWNSTREAM, KEEPALIVE_S, UPSTREAM, Proxy
from testbed.faultproxy.stage import NamedToxic, Toxic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from starlette.requests import Request

VERSION = "2.12.0"  # of the API that is spoken
REQUEST_ID = "X-Toxiproxy-Request-Id"  # 20 characters, of this answer alone
MOST = 2**63 - 1  # attributes are 64-bit numbers

Read = TypeVar("Read")


class ApiError(Exception):
    """An answer that is an error."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status

    def answer(self) -> dict[str, object]:
        """Give the answer's body."""
        return {"error": str(self), "status": self.status}


def bad_body(reason: str) -> ApiError:
    """Make the error of a body that cannot be read."""
    return ApiError(f"bad request body: {reason}", 400)


@dataclass(frozen=True, slots=True)
class ProxyFields:
    """What a request says of a proxy; what it does not say is as in `base` of `read`."""

    name: str
    listen: str
    upstream: str
    enabled: bool

    @classmethod
    def read(cls, given: Any, base: ProxyFields) -> ProxyFields:
        """Read a proxy from a decoded body."""
        known = _object(given)
        return cls(
            _field(known, "name", str, base.name),
            _field(known, "listen", str, base.listen),
            _field(known, "upstream", str, base.upstream),
            _field(known, "enabled", bool, base.enabled),
        )


NEW = ProxyFields("", "", "", enabled=True)


class Api:
    """The proxies of one server, by name, and what the API does to them; `first` are those that it begins with, as decoded JSON.

    `keepalive_s` is every proxy's.
    """

    def __init__(self, first: Any = None, keepalive_s: int = KEEPALIVE_S) -> None:
        self._keepalive_s = keepalive_s
        self.proxies: dict[str, Proxy] = {}
        self._first = first
        self._changing = asyncio.Lock()  # two requests at once must not both find a name, or an address, to be free

    def app(self) -> Starlette:
        """Make the application. When its server ends, so do the proxies."""
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
            routes=[_route(methods, path, self._answering(do)) for methods, path, do in routes],
            exception_handlers={404: _no_page, 405: _no_method},
            lifespan=self._life,
        )
        app.router.redirect_slashes = False
        return app

    @asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncIterator[None]:
        for wanted in _population([] if self._first is None else self._first):
            await self._replace(wanted)
        yield
        for proxy in self.proxies.values():
            await proxy.disable()

    def _answering(self, do: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Turn what is raised into the API's error answers; keep browsers out, whose pages could drive the API unasked."""

        async def answer(request: Request) -> Response:
            response = await refused_or_done(request)
            response.headers[REQUEST_ID] = secrets.token_hex(10)
            return response

        async def refused_or_done(request: Request) -> Response:
            if request.headers.get("user-agent", "").startswith("Mozilla/"):
                return PlainTextResponse("User agent not allowed\n", status_code=403)
            await request.body()  # before the lock, which a sender that dawdles must not hold
            try:
                async with self._changing:
                    return await do(request)
            except ApiError as error:
                # As text, which is how Toxiproxy sends its errors, although they are JSON.
                return PlainTextResponse(json.dumps(error.answer()) + "\n", status_code=error.status)

        return answer

    async def _metrics(self, _: Request) -> Response:
        return Response(metrics.text(self.proxies.values), media_type=metrics.CONTENT_TYPE)

    async def _version(self, _: Request) -> Response:
        return Response(json.dumps({"version": VERSION}) + "\n", media_type="application/json;charset=utf-8")

    async def _reset(self, _: Request) -> Response:
        for proxy in self.proxies.values():
            await _enable(proxy)
            for name in list(proxy.toxics):
                proxy.remove_toxic(name)
        return Response(status_code=204)

    async def _populate(self, request: Request) -> Response:
        """Make or replace proxies; those made before an error stay, and are shown with it."""
        populated: list[dict[str, object]] = []
        error: ApiError | None = None
        try:
            for wanted in _population(await _body(request)):
                populated.append(_proxy(await self._replace(wanted)))  # noqa: PERF401 - those before an error are wanted, too
        except ApiError as raised:
            error = raised
        answer = (error.answer() if error else {}) | {"proxies": populated or None}
        return JSONResponse(answer, status_code=error.status if error else 201)

    async def _replace(self, wanted: ProxyFields) -> Proxy:
        known = self.proxies.get(wanted.name)
        if known is not None:
            if not await _moves(known, wanted):
                return known  # as it is, also when it is disabled
            await known.disable()
        return await self._make(wanted)

    async def _make(self, wanted: ProxyFields) -> Proxy:
        proxy = Proxy(wanted.name, wanted.listen, wanted.upstream, keepalive_s=self._keepalive_s)
        if wanted.enabled:
            await _enable(proxy)
        self.proxies[proxy.name] = proxy
        return proxy

    async def _list(self, _: Request) -> Response:
        return JSONResponse({name: _proxy(proxy) for name, proxy in sorted(self.proxies.items())})

    async def _create(self, request: Request) -> Response:
        wanted = ProxyFields.read(await _body(request), NEW)
        _require(wanted, "")
        if wanted.name in self.proxies:
            raise ApiError("proxy already exists", 409)
        return JSONResponse(_proxy(await self._make(wanted)), status_code=201)

    async def _show(self, request: Request) -> Response:
        return JSONResponse(_proxy(self._of(request)))

    async def _update(self, request: Request) -> Response:
        """Change a proxy; a name in the body is passed over, and another address drops every connection."""
        proxy = self._of(request)
        wanted = ProxyFields.read(await _body(request), ProxyFields(proxy.name, proxy.listen, proxy.upstream, proxy.enabled))
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
        given = _object(await _body(request))
        kind = _field(given, "type", str, "")
        stream = _field(given, "stream", str, DOWNSTREAM)
        name = _field(given, "name", str, "") or f"{kind}_{stream}"
        toxicity = _toxicity(given, 1.0)
        if stream.lower() not in (UPSTREAM, DOWNSTREAM):
            raise ApiError("stream was invalid, can be either upstream or downstream", 400)
        if kind not in toxics.names():
            raise ApiError("invalid toxic type", 400)
        if name in proxy.toxics:
            raise ApiError("toxic already exists", 409)
        toxic = NamedToxic(name, kind, stream, toxicity, _with_attributes(toxics.load(kind)(), given))
        proxy.add_toxic(toxic)
        return JSONResponse(_toxic(toxic))

    async def _show_toxic(self, request: Request) -> Response:
        return JSONResponse(_toxic(self._toxic_of(request)))

    async def _update_toxic(self, request: Request) -> Response:
        """Change attributes and toxicity, and nothing else."""
        proxy, toxic = self._of(request), self._toxic_of(request)
        given = _object(await _body(request))
        changed = replace(toxic, toxicity=_toxicity(given, toxic.toxicity), toxic=_with_attributes(toxic.toxic, given))
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


def _route(methods: str, path: str, answer: Callable[[Request], Awaitable[Response]]) -> Route:
    """Return the route of a path for these methods; for every method if there are none."""
    allowed = set(methods.split())
    route = Route(path, answer, methods=allowed)
    route.methods = allowed  # Starlette adds HEAD to GET, Toxiproxy's router does not
    return route


async def _no_page(_: Request, __: Exception) -> Response:
    return PlainTextResponse("404 page not found\n", status_code=404)


async def _no_method(_: Request, __: Exception) -> Response:
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


async def _body(request: Request) -> Any:
    """Decode the first value of a body; what comes after it is passed over."""
    try:
        text = (await request.body()).decode().lstrip(" \t\r\n")
        if not text:
            raise bad_body("EOF")
        return json.JSONDecoder(parse_constant=_no_number).raw_decode(text)[0]
    except (ValueError, RecursionError) as error:
        raise bad_body(str(error)) from error


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def _object(given: Any) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise bad_body("an object is wanted")
    return {name.lower(): value for name, value in given.items()}


def _field(given: Mapping[str, Any], name: str, kind: type[Read], base: Read) -> Read:
    value = given.get(name)
    if value is None:
        return base
    if not isinstance(value, kind):
        raise bad_body(f"{name} must be a {kind.__name__}")
    return value


def _population(given: Any) -> list[ProxyFields]:
    """Read every proxy before the first is made."""
    if not isinstance(given, list):
        raise bad_body("an array of proxies is wanted")
    wanted = [ProxyFields.read(one, NEW) for one in given]
    for place, one in enumerate(wanted, start=1):
        _require(one, f" at proxy {place}")
    return wanted


def _require(wanted: ProxyFields, where: str) -> None:
    for name, value in (("name", wanted.name), ("upstream", wanted.upstream)):
        if not value:
            raise ApiError(f"missing required field: {name}{where}", 400)


def _toxicity(given: Mapping[str, Any], base: float) -> float:
    toxicity = given.get("toxicity")
    if toxicity is None:
        return base
    if isinstance(toxicity, bool) or not isinstance(toxicity, int | float):
        raise bad_body("toxicity must be a number")
    return float(toxicity)


def _with_attributes(toxic: Toxic, given: Mapping[str, Any]) -> Toxic:
    """Give the toxic with those attributes that are given."""
    attributes = _object(given.get("attributes"))
    names = {one.name for one in fields(toxic)}  # type: ignore[arg-type]  # every toxic is a dataclass
    known = {name: value for name, value in attributes.items() if name in names and value is not None}
    for name, value in known.items():
        if isinstance(value, bool) or not isinstance(value, int) or not -MOST <= value <= MOST:
            raise bad_body(f"attribute {name} must be a whole number of 64 bits")
    return replace(toxic, **known)  # type: ignore[type-var]  # the same


def _toxic(toxic: NamedToxic) -> dict[str, object]:
    return {
        "attributes": asdict(toxic.toxic),  # type: ignore[call-overload]  # the same
        "name": toxic.name,
        "type": toxic.kind,
        "stream": toxic.stream,
        "toxicity": toxic.toxicity,
    }


def _toxics(proxy: Proxy) -> list[dict[str, object]]:
    """Show a proxy's toxics in Toxiproxy's order: those of the upstream first, each stream's in the order in which bytes meet them."""
    return [_toxic(toxic) for toxic in sorted(proxy.toxics.values(), key=lambda toxic: toxic.stream.lower() != UPSTREAM)]


def _proxy(proxy: Proxy) -> dict[str, object]:
    return {
        "name": proxy.name,
        "listen": proxy.listen,
        "upstream": proxy.upstream,
        "enabled": proxy.enabled,
        "toxics": _toxics(proxy),
    }
