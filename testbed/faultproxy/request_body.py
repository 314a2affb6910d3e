"""Reads the body of a request as Toxiproxy reads it; proxy_fields.py and toxic_fields.py have what it says.

Field names in any case, `null` as not given, unknown fields ignored, a field of another type refused. Everything here raises ApiError.
What is ignored is collected in `ignored`, as paths such as `[1].toxics[0].attributes.latancy`, so that whoever sent it can be told.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import quote

from testbed.faultproxy.api_error import bad_body

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

MAX_NAME_BYTES = 4_000  # as a path quotes it: one that names a proxy and a toxic of it is still one that any server takes
UNNAMEABLE = (".", "..")  # clients take these out of a path

Value = TypeVar("Value")
Base = TypeVar("Base")


def decode(body: bytes) -> Any:
    """Return the first JSON value of a body; what comes after it is ignored, and half of a character is U+FFFD, as in Toxiproxy."""
    try:
        text = body.decode().lstrip(" \t\r\n")
        if not text:
            raise bad_body("EOF")
        return whole(json.JSONDecoder(parse_constant=_refuse_constant).raw_decode(text)[0])
    except (ValueError, RecursionError) as error:
        raise bad_body(str(error)) from error


def whole(value: Any) -> Any:
    """Return a decoded value whose texts have no lone surrogates: no answer could have them, and no path could name them."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [whole(entry) for entry in value]
        case dict():
            return {whole(name): whole(entry) for name, entry in value.items()}
        case _:
            return value


def read_object(decoded: Any, known: Container[str], ignored: list[str], where: str = "", field: str = "") -> Mapping[str, Any]:
    """Return the fields of an object by their names in small letters; `field` is what an error calls the object.

    Those that are not known go into `ignored`, and so does one that a later one overrides, whose name is the same in other letters.
    """
    if decoded is None:
        return {}
    if not isinstance(decoded, dict):
        raise bad_body("an object is wanted", field, decoded)
    last = {name.lower(): name for name in decoded}
    ignored += [f"{where}{name}" for name in decoded if name.lower() not in known or last[name.lower()] != name]
    return {name.lower(): value for name, value in decoded.items()}


def read_field(body: Mapping[str, Any], name: str, kind: type[Value], base: Base) -> Value | Base:
    """Return a field of this type; `base` where it is not given."""
    value = body.get(name)
    if value is None:
        return base
    if not isinstance(value, kind):
        raise bad_body(f"{name} must be a {kind.__name__}", name, value)
    return value


def require_path(name: str, where: str = "") -> None:
    """Refuse a name that no path can have: what it names could not be deleted."""
    if "/" in name or name in UNNAMEABLE or len(quote(name, safe="")) > MAX_NAME_BYTES:
        reason = f"must be a part of a path: without a slash, no dots alone, at most {MAX_NAME_BYTES} bytes as a URL quotes it"
        raise bad_body(f"name{where} {reason}", "name", name)


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number in JSON")
