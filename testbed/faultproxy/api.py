"""The HTTP API of Toxiproxy 2.12, with its error answers: `{"error": …, "status": …}`."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from testbed.faultproxy import toxics
from testbed.faultproxy.link import NamedToxic
from testbed.faultproxy.proxy import DOWNSTREAM, UPSTREAM, Proxy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

VERSION = "2.12.0"  # of the API that is spoken
ANY_PORT = "127.0.0.1:0"


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


class Api:
    """The proxies of one server, by name, and what the API does to them."""

    def __init__(self) -> None:
        self.proxies: dict[str, Proxy] = {}

    def app(self) -> Starlette:
        """Make the application."""
        proxy, toxic = "/proxies/{proxy}", "/proxies/{proxy}/toxics/{toxic}"
        routes: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/version", self._version),
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
        return Starlette(routes=[Route(path, _answering(do), methods=methods.split()) for methods, path, do in routes])

    async def _version(self, _: Request) -> Response:
        return JSONResponse({"version": VERSION})

    async def _reset(self, _: Request) -> Response:
        for proxy in self.proxies.values():
            await _enable(proxy)
            for name in list(proxy.toxics):
                await proxy.remove_toxic(name)
        return Response(status_code=204)

    async def _populate(self, request: Request) -> Response:
        given = await _body(request)
        if not isinstance(given, list):
            raise bad_body("an array of proxies is wanted")
        for place, one in enumerate(given, start=1):
            for name in ("name", "upstream"):
                if not isinstance(one, dict) or not one.get(name):
                    raise ApiError(f"missing required field: {name} at proxy {place}", 400)
        populated = []
        for one in given:
            fields_ = _proxy_fields(one, Proxy("", ANY_PORT, "", enabled=True))
            known = self.proxies.get(fields_.name)
            if known is None or (known.listen, known.upstream) != (fields_.listen, fields_.upstream):
                if known is not None:
                    await known.disable()
                known = self.proxies[fields_.name] = Proxy(fields_.name, fields_.listen, fields_.upstream)
            await (_enable(known) if fields_.enabled else known.disable())
            populated.append(_proxy(known))
        return JSONResponse({"proxies": populated}, status_code=201)

    async def _list(self, _: Request) -> Response:
        return JSONResponse({name: _proxy(proxy) for name, proxy in self.proxies.items()})

    async def _create(self, request: Request) -> Response:
        wanted = _proxy_fields(await _body(request), Proxy("", ANY_PORT, "", enabled=True))
        for name in ("name", "upstream"):
            if not getattr(wanted, name):
                raise ApiError(f"missing required field: {name}", 400)
        if wanted.name in self.proxies:
            raise ApiError("proxy already exists", 409)
        proxy = Proxy(wanted.name, wanted.listen, wanted.upstream)
        if wanted.enabled:
            await _enable(proxy)
        self.proxies[proxy.name] = proxy
        return JSONResponse(_proxy(proxy), status_code=201)

    async def _show(self, request: Request) -> Response:
        return JSONResponse(_proxy(self._of(request)))

    async def _update(self, request: Request) -> Response:
        proxy = self._of(request)
        wanted = _proxy_fields(await _body(request), replace(proxy))
        if (wanted.listen, wanted.upstream) != (proxy.listen, proxy.upstream):
            await proxy.disable()  # every connection is dropped: they go to an upstream that is none any more
            proxy.listen, proxy.upstream = wanted.listen, wanted.upstream
        await (_enable(proxy) if wanted.enabled else proxy.disable())
        return JSONResponse(_proxy(proxy))

    async def _delete(self, request: Request) -> Response:
        proxy = self._of(request)
        await proxy.disable()
        del self.proxies[proxy.name]
        return Response(status_code=204)

    async def _list_toxics(self, request: Request) -> Response:
        return JSONResponse([_toxic(toxic) for toxic in self._of(request).toxics.values()])

    async def _create_toxic(self, request: Request) -> Response:
        proxy = self._of(request)
        given = _object(await _body(request))
        kind, stream = str(given.get("type", "")), str(given.get("stream") or DOWNSTREAM)
        if stream.lower() not in (UPSTREAM, DOWNSTREAM):
            raise ApiError("stream was invalid, can be either upstream or downstream", 400)
        if kind not in toxics.names():
            raise ApiError("invalid toxic type", 400)
        name = str(given.get("name") or f"{kind}_{stream.lower()}")
        if name in proxy.toxics:
            raise ApiError("toxic already exists", 409)
        toxic = NamedToxic(name, kind, stream.lower(), 1.0, toxics.load(kind)())
        changed = _changed(toxic, given)
        await proxy.add_toxic(changed)
        return JSONResponse(_toxic(changed))

    async def _show_toxic(self, request: Request) -> Response:
        return JSONResponse(_toxic(self._toxic_of(request)))

    async def _update_toxic(self, request: Request) -> Response:
        proxy, toxic = self._of(request), self._toxic_of(request)
        changed = _changed(toxic, _object(await _body(request)))
        await proxy.change_toxic(changed)
        return JSONResponse(_toxic(changed))

    async def _delete_toxic(self, request: Request) -> Response:
        await self._of(request).remove_toxic(self._toxic_of(request).name)
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


def _answering(do: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Turn what is raised into the API's error answers; keep browsers out, whose pages could drive the API unasked."""

    async def answer(request: Request) -> Response:
        if request.headers.get("user-agent", "").startswith("Mozilla/"):
            return PlainTextResponse("User agent not allowed\n", status_code=403)
        try:
            return await do(request)
        except ApiError as error:
            return JSONResponse(error.answer(), status_code=error.status)

    return answer


async def _enable(proxy: Proxy) -> None:
    try:
        await proxy.enable()
    except OSError as error:
        raise ApiError(f"listen tcp {proxy.listen}: {error.strerror or error}", 500) from error


async def _body(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise bad_body(str(error)) from error


def _object(given: Any) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise bad_body("an object is wanted")
    return given


def _proxy_fields(given: Any, base: Proxy) -> Proxy:
    """Read a proxy's fields, each with the base's value where it is not given."""
    known = _object(given)
    for name, kind in (("name", str), ("listen", str), ("upstream", str), ("enabled", bool)):
        if name in known and not isinstance(known[name], kind):
            raise bad_body(f"{name} must be a {kind.__name__}")
    listen = known.get("listen", base.listen) or ANY_PORT
    return Proxy(known.get("name", base.name), listen, known.get("upstream", base.upstream), known.get("enabled", base.enabled))


def _changed(toxic: NamedToxic, given: Mapping[str, Any]) -> NamedToxic:
    """Give the toxic with the attributes and the toxicity that are given; unknown attributes are passed over, as in Toxiproxy."""
    attributes = given.get("attributes") or {}
    toxicity = given.get("toxicity", toxic.toxicity)
    if not isinstance(attributes, dict):
        raise bad_body("attributes must be an object")
    if isinstance(toxicity, bool) or not isinstance(toxicity, int | float):
        raise bad_body("toxicity must be a number")
    names = {one.name for one in fields(toxic.toxic)}  # type: ignore[arg-type]  # every toxic is a dataclass
    known = {name: value for name, value in attributes.items() if name in names}
    for name, value in known.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise bad_body(f"attribute {name} must be a whole number")
    return replace(toxic, toxicity=float(toxicity), toxic=replace(toxic.toxic, **known))  # type: ignore[type-var]  # the same


def _toxic(toxic: NamedToxic) -> dict[str, object]:
    return {
        "attributes": asdict(toxic.toxic),  # type: ignore[call-overload]  # the same
        "name": toxic.name,
        "type": toxic.kind,
        "stream": toxic.stream,
        "toxicity": toxic.toxicity,
    }


def _proxy(proxy: Proxy) -> dict[str, object]:
    return {
        "name": proxy.name,
        "listen": proxy.listen,
        "upstream": proxy.upstream,
        "enabled": proxy.enabled,
        "toxics": [_toxic(toxic) for toxic in proxy.toxics.values()],
    }
