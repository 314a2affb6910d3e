"""What a request, or the file of `--config`, says of proxies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from testbed.faultproxy.api_error import ApiError, bad_body
from testbed.faultproxy.proxy import in_order
from testbed.faultproxy.request_body import read_field, read_object, require_path, whole
from testbed.faultproxy.toxic_fields import read_toxics

if TYPE_CHECKING:
    from testbed.faultproxy.stage import NamedToxic

PROXY_FIELDS = frozenset({"name", "listen", "upstream", "enabled", "toxics"})


@dataclass(frozen=True, slots=True)
class ProxyFields:
    """What a request says of a proxy; `enabled` and `toxics` are None where it does not say. `where` it stands in the request."""

    name: str = ""
    listen: str = ""
    upstream: str = ""
    enabled: bool | None = None
    toxics: tuple[NamedToxic, ...] | None = None
    where: str = ""

    @classmethod
    def read_new(cls, decoded: Any, ignored: list[str]) -> ProxyFields:
        """Return the fields of a proxy to be made, which needs a name and an upstream."""
        proxy = cls._read(decoded, ignored)
        _require(proxy, "")
        return proxy

    @classmethod
    def read_all(cls, decoded: Any, ignored: list[str]) -> list[ProxyFields]:
        """Return the fields of every proxy of an array, or of an object that has them by name, as `GET /proxies` shows them."""
        decoded = whole(decoded)  # also what is in a file, which `decode` has not read
        if isinstance(decoded, dict) and all(isinstance(entry, dict) for entry in decoded.values()):
            proxies = [cls._read(entry, ignored, f"{name}.", name) for name, entry in decoded.items()]
            names = list(decoded)
        elif isinstance(decoded, list):
            proxies = [cls._read(entry, ignored, f"[{place}].") for place, entry in enumerate(decoded)]
            names = [proxy.name for proxy in proxies]
        else:
            raise bad_body("an array of proxies is wanted")
        for place, (name, proxy) in enumerate(zip(names, proxies, strict=True), start=1):
            _require(proxy, f" at proxy {place}")
            if proxy.name != name:
                raise bad_body(f"name at proxy {place} must be the one that it stands under")
        return proxies

    @classmethod
    def read_update(cls, decoded: Any, known: ProxyFields, ignored: list[str]) -> ProxyFields:
        """Return the fields of a known proxy as a request changes them; name and toxics stay, and others are ignored, right or wrong."""
        body = read_object(decoded, PROXY_FIELDS, ignored)
        if read_field(body, "name", str, known.name) != known.name:
            ignored.append("name")
        if body.get("toxics") is not None:
            ignored += _ignored_of_toxics(body["toxics"], known)
        return replace(
            known,
            listen=read_field(body, "listen", str, known.listen),
            upstream=read_field(body, "upstream", str, known.upstream),
            enabled=read_field(body, "enabled", bool, known.enabled),
        )

    @classmethod
    def _read(cls, decoded: Any, ignored: list[str], where: str = "", name: str = "") -> ProxyFields:
        body = read_object(decoded, PROXY_FIELDS, ignored, where)
        name = read_field(body, "name", str, name)
        toxics = read_field(body, "toxics", list, None)
        return cls(
            name,
            read_field(body, "listen", str, ""),
            read_field(body, "upstream", str, ""),
            read_field(body, "enabled", bool, None),
            None if toxics is None else read_toxics(toxics, name, ignored, f"{where}toxics"),
            where,
        )


def _ignored_of_toxics(given: Any, known: ProxyFields) -> list[str]:
    """Return what is ignored of toxics that an update gives: all of them, unless they are those that the proxy has."""
    ignored: list[str] = []
    try:
        is_same = isinstance(given, list) and in_order(read_toxics(given, known.name, ignored, "toxics")) == in_order(known.toxics or ())
    except ApiError:
        is_same = False
    return ignored if is_same else ["toxics"]


def _require(proxy: ProxyFields, where: str) -> None:
    for name, value in (("name", proxy.name), ("upstream", proxy.upstream)):
        if not value:
            raise ApiError(f"missing required field: {name}{where}", 400)
    require_path(proxy.name, where)
