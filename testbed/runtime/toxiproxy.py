"""The client of the fault proxy, for the bundled server and an official Toxiproxy alike.

The one file that knows the package `toxiproxy-python`: it raises ProxyError `from` its errors, and adds what it lacks.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import quote

import requests
from toxiproxy import Proxy
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists
from toxiproxy.toxic import Toxic

from testbed.errors import ProxyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WITHIN_S = 10.0
DIRECT = {"no_proxy": "*"}  # no web proxy of the environment is between us and the fault proxy
SHOWN = 200  # characters of an answer that is not Toxiproxy's

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ProxyRecord:
    """A proxy as its server reports it; addresses are `host:port`."""

    name: str
    listen: str
    upstream: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class ToxicRecord:
    """A toxic as its server reports it; `stream` is upstream or downstream, `toxicity` the share of connections."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Mapping[str, int]


def _translated(method: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Raise the package's and requests' errors as ProxyError, with the server's own words."""

    @functools.wraps(method)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        client = args[0]
        assert isinstance(client, FaultProxyClient)
        what = " ".join(map(str, (f"fault proxy at {client.host}:{client.port}:", method.__name__, *args[1:2])))
        try:
            return method(*args, **kwargs)
        except (ProxyExists, NotFound, InvalidToxic) as error:
            raise ProxyError(f"{what}: {_reason(error.args[0])}") from error
        except (KeyError, ValueError, TypeError, AttributeError) as error:  # before requests' own, one of which is a ValueError
            raise ProxyError(f"{what}: the answer is not Toxiproxy's; what listens there? ({type(error).__name__}: {error})") from error
        except requests.RequestException as error:
            raise ProxyError(f"{what}: no answer; is a Toxiproxy running there? ({_cause(error)})") from error

    return call


class FaultProxyClient:
    """A client of the Toxiproxy server at `host` and `port`. Thread-safe. Raises ProxyError; waits for `WITHIN_S` at most.

    `token_file`: a file with the token that a run's own server asks for.
    """

    def __init__(self, host: str, port: int, token_file: Path | None = None) -> None:
        self.host = host
        self.port = port
        self._token_file = token_file
        # The package has the server's address in a class, for all of its objects at once, and its objects wait without a limit. So each
        # client has a class of its own, and calls that directly.
        self._api: type[APIConsumer] = type("Consumer", (APIConsumer,), {"host": f"[{host}]" if ":" in host else host, "port": port})

    @_translated
    def version(self) -> str:
        """Return the server's version."""
        return str(self._get("/version")["version"])

    @_translated
    def create(self, name: str, upstream: str, listen: str) -> ProxyRecord:
        """Make a proxy; with port 0 in `listen` the returned record has the port that was chosen."""
        return _proxy(self._post("/proxies", {"name": name, "upstream": upstream, "listen": listen, "enabled": True}))

    @_translated
    def point(self, name: str, upstream: str) -> None:
        """Re-point a proxy to another upstream, which the package cannot do; every connection through it is dropped."""
        self._post(_path(name), {"upstream": upstream, "enabled": True})

    @_translated
    def enable(self, name: str) -> None:
        """Enable a proxy: it listens."""
        self._post(_path(name), {"enabled": True})

    @_translated
    def disable(self, name: str) -> None:
        """Disable a proxy: it does not listen, and drops every connection through it."""
        self._post(_path(name), {"enabled": False})

    @_translated
    def delete(self, name: str) -> None:
        """Remove a proxy."""
        self._delete(_path(name))

    @_translated
    def list(self) -> tuple[ProxyRecord, ...]:
        """Return every proxy of the server, whoever made it."""
        return tuple(_proxy(proxy) for proxy in self._get("/proxies").values())

    @_translated
    def add_toxic(
        self,
        name: str,
        kind: str,
        attributes: Mapping[str, int],
        *,
        stream: str = "downstream",
        toxicity: float = 1.0,
        toxic_name: str | None = None,
    ) -> None:
        """Add a toxic to a proxy; its name is `kind_stream` by default."""
        toxic = {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": dict(attributes)}
        self._post(f"{_path(name)}/toxics", toxic | {"name": toxic_name or f"{kind}_{stream}"})

    @_translated
    def remove_toxic(self, name: str, toxic_name: str) -> None:
        """Remove a toxic from a proxy."""
        self._delete(f"{_path(name)}/toxics/{quote(toxic_name, safe='')}")

    @_translated
    def toxics(self, name: str) -> tuple[ToxicRecord, ...]:
        """Return the toxics of a proxy."""
        toxics = [Toxic(**toxic) for toxic in self._get(f"{_path(name)}/toxics")]
        return tuple(ToxicRecord(toxic.name, toxic.type, toxic.stream, toxic.toxicity, toxic.attributes) for toxic in toxics)

    @_translated
    def reset(self) -> None:
        """Enable every proxy and remove every toxic. Not for a server that others use too."""
        _checked(self._api.post("/reset", **self._options))

    @property
    def _options(self) -> dict[str, Any]:
        headers = {} if self._token_file is None else {"Authorization": f"Bearer {_token(self._token_file)}"}
        return {"headers": headers, "timeout": WITHIN_S, "proxies": DIRECT}

    def _get(self, path: str) -> Any:
        return _checked(self._api.get(path, **self._options)).json()

    def _post(self, path: str, body: Mapping[str, object]) -> Any:
        return _checked(self._api.post(path, json=body, **self._options)).json()

    def _delete(self, path: str) -> None:
        _checked(self._api.delete(path, **self._options))


def _token(file: Path) -> str:
    """Read the token; while there is none yet, nothing is brought, and the server refuses."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _path(name: str) -> str:
    return f"/proxies/{quote(name, safe='')}"


def _proxy(fields: Mapping[str, Any]) -> ProxyRecord:
    proxy = Proxy(**fields)
    return ProxyRecord(proxy.name, proxy.listen, proxy.upstream, proxy.enabled)


def _checked(response: requests.Response) -> requests.Response:
    if not response.ok:  # the package takes a server's error (500: an address in use, say) for an answer
        raise InvalidToxic(response.content)
    return response


def _reason(answer: object) -> str:
    """Return the server's own words for what went wrong."""
    text = answer.decode(errors="replace").strip() if isinstance(answer, bytes) else str(answer)
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        shown = " ".join(text.split())[:SHOWN]
        return f"the answer is not Toxiproxy's; what listens there? ({shown or 'it is empty'})"


def _cause(error: requests.RequestException) -> object:
    return getattr(error.args[0], "reason", error) if error.args else type(error).__name__
