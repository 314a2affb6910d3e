"""What the body of a request says, read as Toxiproxy reads it.

Field names in any case, `null` as not given, unknown fields ignored, a field of another type refused. Everything here raises ApiError.
What is ignored is collected in `ignored`, as paths such as `[1].toxics[0].attributes.latancy`, so that whoever sent it can be told.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import quote

from testbed.faultproxy import toxics
from testbed.faultproxy.api_error import ApiError, bad_body
from testbed.faultproxy.connection import DOWNSTREAM, UPSTREAM
from testbed.faultproxy.stage import NamedToxic, Toxic

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

MAX_ATTRIBUTE = 2**63 - 1  # attributes are 64-bit numbers
MAX_TOXICITY = 3.4028234663852886e38  # a 32-bit float; more is infinite, which no answer could show
MAX_NAME_BYTES = 4_000  # as a path quotes it: one that names a proxy and a toxic of it is still one that any server takes
UNNAMEABLE = (".", "..")  # clients take these out of a path

Value = TypeVar("Value")
Base = TypeVar("Base")


@dataclass(frozen=True, slots=True)
class ProxyFields:
    """What a request says of a proxy; a field that it does not give has the value of `base` in `read`. `toxics`: None if not given."""

    name: str
    listen: str
    upstream: str
    enabled: bool
    toxics: tuple[NamedToxic, ...] | None = None

    @classmethod
    def read(cls, decoded: Any, base: ProxyFields, ignored: list[str], where: str = "") -> ProxyFields:
        """Return the fields in a decoded body; `where` it stands in the request's."""
        body = _object(decoded, PROXY_FIELDS, ignored, where)
        return cls(
            _field(body, "name", str, base.name),
            _field(body, "listen", str, base.listen),
            _field(body, "upstream", str, base.upstream),
            _field(body, "enabled", bool, base.enabled),
            _toxics(_field(body, "toxics", list, None), ignored, f"{where}toxics"),
        )

    @classmethod
    def read_new(cls, decoded: Any, ignored: list[str]) -> ProxyFields:
        """Return the fields of a proxy to be made, which needs a name and an upstream."""
        proxy = cls.read(decoded, DEFAULTS, ignored)
        _require(proxy, "")
        return proxy

    @classmethod
    def read_all(cls, decoded: Any, ignored: list[str]) -> list[ProxyFields]:
        """Return the fields of every proxy of an array."""
        if not isinstance(decoded, list):
            raise bad_body("an array of proxies is wanted")
        entries = enumerate(_whole(decoded))  # also those of a file, which `decode` has not read
        proxies = [cls.read(entry, DEFAULTS, ignored, f"[{place}].") for place, entry in entries]
        for place, proxy in enumerate(proxies, start=1):
            _require(proxy, f" at proxy {place}")
        return proxies


DEFAULTS = ProxyFields("", "", "", enabled=True)
PROXY_FIELDS = frozenset(field.name for field in fields(ProxyFields))
TOXIC_FIELDS = frozenset({"name", "type", "stream", "toxicity", "attributes"})


def decode(body: bytes) -> Any:
    """Return the first JSON value of a body; what comes after it is ignored, and half of a character is U+FFFD, as in Toxiproxy."""
    try:
        text = body.decode().lstrip(" \t\r\n")
        if not text:
            raise bad_body("EOF")
        return _whole(json.JSONDecoder(parse_constant=_refuse_constant).raw_decode(text)[0])
    except (ValueError, RecursionError) as error:
        raise bad_body(str(error)) from error


def read_toxic(decoded: Any, taken: Container[str], ignored: list[str], where: str = "") -> NamedToxic:
    """Return the toxic that a request asks for, whose name must not be taken."""
    body = _object(decoded, TOXIC_FIELDS, ignored, where)
    kind = _field(body, "type", str, "")
    stream = _field(body, "stream", str, DOWNSTREAM)
    name = _field(body, "name", str, "") or f"{kind}_{stream}"
    _require_path(name)
    toxicity = _toxicity(body, 1.0)
    if stream.lower() not in (UPSTREAM, DOWNSTREAM):
        raise ApiError("stream was invalid, can be either upstream or downstream", 400)
    if kind not in toxics.names():
        raise ApiError("invalid toxic type", 400)
    if name in taken:
        raise ApiError("toxic already exists", 409)
    return NamedToxic(name, kind, stream, toxicity, _with_attributes(toxics.load(kind)(), body, ignored, where))


def read_changes(decoded: Any, toxic: NamedToxic, ignored: list[str]) -> NamedToxic:
    """Return a toxic with the attributes and the toxicity of a request, and nothing else of it: another name or type is ignored."""
    body = _object(decoded, TOXIC_FIELDS, ignored)
    kept = {"name": toxic.name, "type": toxic.kind, "stream": toxic.stream}
    ignored += [name for name, value in kept.items() if body.get(name) not in (None, value)]
    return replace(toxic, toxicity=_toxicity(body, toxic.toxicity), toxic=_with_attributes(toxic.toxic, body, ignored))


def _toxics(entries: list[Any] | None, ignored: list[str], where: str) -> tuple[NamedToxic, ...] | None:
    """Return the toxics that are given with a proxy, in their order; the error of a wrong one says which it is."""
    if entries is None:
        return None
    read: dict[str, NamedToxic] = {}
    for place, entry in enumerate(entries):
        try:
            toxic = read_toxic(entry, read, ignored, f"{where}[{place}].")
        except ApiError as error:
            raise ApiError(f"{where}[{place}]: {error}", error.status) from error
        read[toxic.name] = toxic
    return tuple(read.values())


def _whole(value: Any) -> Any:
    """Return a decoded value whose texts have no lone surrogates: no answer could have them, and no path could name them."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_whole(entry) for entry in value]
        case dict():
            return {_whole(name): _whole(entry) for name, entry in value.items()}
        case _:
            return value


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number in JSON")


def _object(decoded: Any, known: Container[str], ignored: list[str], where: str = "") -> Mapping[str, Any]:
    """Return the fields of an object by their names in small letters; those that are not known go into `ignored`."""
    if decoded is None:
        return {}
    if not isinstance(decoded, dict):
        raise bad_body("an object is wanted")
    ignored += [f"{where}{name}" for name in decoded if name.lower() not in known]
    return {name.lower(): value for name, value in decoded.items()}


def _field(body: Mapping[str, Any], name: str, kind: type[Value], base: Base) -> Value | Base:
    value = body.get(name)
    if value is None:
        return base
    if not isinstance(value, kind):
        raise bad_body(f"{name} must be a {kind.__name__}")
    return value


def _require(proxy: ProxyFields, where: str) -> None:
    for name, value in (("name", proxy.name), ("upstream", proxy.upstream)):
        if not value:
            raise ApiError(f"missing required field: {name}{where}", 400)
    _require_path(proxy.name, where)


def _require_path(name: str, where: str = "") -> None:
    """Refuse a name that no path can have: what it names could not be deleted."""
    if "/" in name or name in UNNAMEABLE or len(quote(name, safe="")) > MAX_NAME_BYTES:
        raise bad_body(
            f"name{where} must be a part of a path: without a slash, no dots alone, at most {MAX_NAME_BYTES} bytes as a URL quotes it"
        )


def _toxicity(body: Mapping[str, Any], base: float) -> float:
    toxicity = body.get("toxicity")
    if toxicity is None:
        return base
    if isinstance(toxicity, bool) or not isinstance(toxicity, int | float):
        raise bad_body("toxicity must be a number")
    if not -MAX_TOXICITY <= toxicity <= MAX_TOXICITY:
        raise bad_body("toxicity must be a number of 32 bits")
    return float(toxicity)


def _with_attributes(toxic: Toxic, body: Mapping[str, Any], ignored: list[str], where: str = "") -> Toxic:
    """Return the toxic with those of its attributes that a body gives."""
    names = {attribute.name for attribute in fields(toxic)}  # type: ignore[arg-type]  # every toxic is a dataclass
    attributes = _object(body.get("attributes"), names, ignored, f"{where}attributes.")
    changed = {name: value for name, value in attributes.items() if name in names and value is not None}
    for name, value in changed.items():
        if isinstance(value, bool) or not isinstance(value, int) or not -MAX_ATTRIBUTE <= value <= MAX_ATTRIBUTE:
            raise bad_body(f"attribute {name} must be a whole number of 64 bits")
    return replace(toxic, **changed)  # type: ignore[type-var]  # the same
