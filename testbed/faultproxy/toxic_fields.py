"""What a request says of toxics: of one to be made, of changes to one, and of those that are given with a proxy."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from testbed.errors import shortened, visible
from testbed.faultproxy import toxics
from testbed.faultproxy.api_error import ApiError, bad_body
from testbed.faultproxy.connection import DOWNSTREAM, UPSTREAM
from testbed.faultproxy.request_body import read_field, read_object, require_path
from testbed.faultproxy.stage import NamedToxic, Toxic

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

TOXIC_FIELDS = frozenset({"name", "type", "stream", "toxicity", "attributes"})
MAX_ATTRIBUTE = 2**63 - 1  # attributes are 64-bit numbers
MAX_TOXICITY = 3.4028234663852886e38  # a 32-bit float; more is infinite, which no answer could show
MOST_FOUND = 60  # characters of what was found, and of a name


def read_toxic(decoded: Any, taken: Container[str], ignored: list[str], where: str = "") -> NamedToxic:
    """Return the toxic that a request asks for, whose name must not be taken."""
    body = read_object(decoded, TOXIC_FIELDS, ignored, where)
    kind = read_field(body, "type", str, "")
    stream = read_field(body, "stream", str, DOWNSTREAM)
    name = read_field(body, "name", str, "") or f"{kind}_{stream}"
    require_path(name)
    toxicity = _toxicity(body, 1.0)
    if stream.lower() not in (UPSTREAM, DOWNSTREAM):
        raise ApiError("stream was invalid, can be either upstream or downstream", 400, "stream", stream)
    if kind not in toxics.names():
        raise ApiError("invalid toxic type", 400, "type", kind)
    if name in taken:
        raise ApiError("toxic already exists", 409, "name", name)
    return NamedToxic(name, kind, stream, toxicity, _with_attributes(toxics.load(kind)(), body, ignored, where))


def read_changes(decoded: Any, toxic: NamedToxic, ignored: list[str]) -> NamedToxic:
    """Return a toxic with the attributes and the toxicity of a request, and nothing else of it: another name or type is ignored."""
    body = read_object(decoded, TOXIC_FIELDS, ignored)
    kept = {"name": toxic.name, "type": toxic.kind, "stream": toxic.stream}
    ignored += [name for name, value in kept.items() if body.get(name) not in (None, value)]
    return replace(toxic, toxicity=_toxicity(body, toxic.toxicity), toxic=_with_attributes(toxic.toxic, body, ignored))


def read_toxics(entries: list[Any], proxy: str, ignored: list[str], where: str) -> tuple[NamedToxic, ...]:
    """Return the toxics that are given with a proxy of this name, in their order.

    The error of a wrong one names the field, the toxic and the proxy, what was found, and what is allowed.
    """
    read: dict[str, NamedToxic] = {}
    for place, entry in enumerate(entries):
        try:
            toxic = read_toxic(entry, read, ignored, f"{where}[{place}].")
        except ApiError as error:
            raise _of_given(error, f"{where}[{place}]", entry, proxy) from error
        read[toxic.name] = toxic
    return tuple(read.values())


def _of_given(error: ApiError, where: str, entry: Any, proxy: str) -> ApiError:
    """Return the error of one of the toxics that are given with a proxy: Toxiproxy has no words for it."""
    body = {name.lower(): value for name, value in entry.items()} if isinstance(entry, dict) else {}
    kind = body.get("type")
    name = body.get("name") or (f"{kind}_{body.get('stream') or DOWNSTREAM}" if kind else None)
    whose = f"toxic {_found(name)} of proxy {_found(proxy)}" if name else f"proxy {_found(proxy)}"
    path = f"{shortened(visible(where), MOST_FOUND)}{'.' if error.field else ''}{error.field}"
    allowed = f"; allowed: {', '.join(toxics.names())}" if error.field == "type" else ""
    return ApiError(f"{path} ({whose}): {error}; found {_found(error.found)}{allowed}", error.status)


def _found(value: object) -> str:
    """Return what was found as it is told: as JSON, in bounds, and visible; of what holds others, only what it is."""
    match value:
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return shortened(visible(json.dumps(value, ensure_ascii=False)), MOST_FOUND)


def _toxicity(body: Mapping[str, Any], base: float) -> float:
    toxicity = body.get("toxicity")
    if toxicity is None:
        return base
    if isinstance(toxicity, bool) or not isinstance(toxicity, int | float):
        raise bad_body("toxicity must be a number", "toxicity", toxicity)
    if not -MAX_TOXICITY <= toxicity <= MAX_TOXICITY:
        raise bad_body("toxicity must be a number of 32 bits", "toxicity", toxicity)
    return float(toxicity)


def _with_attributes(toxic: Toxic, body: Mapping[str, Any], ignored: list[str], where: str = "") -> Toxic:
    """Return the toxic with those of its attributes that a body gives."""
    names = {attribute.name for attribute in fields(toxic)}  # type: ignore[arg-type]  # every toxic is a dataclass
    attributes = read_object(body.get("attributes"), names, ignored, f"{where}attributes.", "attributes")
    changed = {name: value for name, value in attributes.items() if name in names and value is not None}
    for name, value in changed.items():
        if isinstance(value, bool) or not isinstance(value, int) or not -MAX_ATTRIBUTE <= value <= MAX_ATTRIBUTE:
            raise bad_body(f"attribute {name} must be a whole number of 64 bits", f"attributes.{name}", value)
    return replace(toxic, **changed)  # type: ignore[type-var]  # the same
