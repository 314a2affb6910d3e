"""The client of the fault proxy: the one file that knows `toxiproxy-python`, and what that package lacks.

It speaks to the bundled server and to an official Toxiproxy alike.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import requests
from toxiproxy import Toxiproxy
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from testbed.errors import ProxyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WITHIN_S = 10.0

Given = ParamSpec("Given")
Result = TypeVar("Result")

# The package keeps the server's address in a class attribute, for all of its objects at once. Two clients of two servers in one
# process must not meet, so each sets the address and makes its call under this lock.
_address = threading.Lock()


@dataclass(frozen=True, slots=True)
class ProxyRecord:
    """A proxy as its server tells it; addresses are `host:port`."""

    name: str
    listen: str
    upstream: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class ToxicRecord:
    """A toxic as its server tells it; `stream` is upstream or downstream, `toxicity` the share of connections."""

    name: str
    type: str
    stream: str
    toxicity: float
    attributes: Mapping[str, int]


def _translated(method: Callable[Given, Result]) -> Callable[Given, Result]:
    """Turn the package's and requests' errors into ProxyError, with the server's own words."""

    @functools.wraps(method)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        client = args[0]
        assert isinstance(client, FaultProxyClient)
        what = f"fault proxy at {client.host}:{client.port}: {method.__name__} {', '.join(map(str, args[1:2]))}"
        try:
            with _address:
                APIConsumer.host, APIConsumer.port = client.host, client.port
                return method(*args, **kwargs)
        except (ProxyExists, NotFound, InvalidToxic) as error:
            words = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
            raise ProxyError(f"{what}: {words.strip()}") from error
        except requests.RequestException as error:
            raise ProxyError(f"{what}: no answer; is a Toxiproxy running there? {error}") from error
        except (KeyError, ValueError, TypeError) as error:
            raise ProxyError(f"{what}: the answer is not Toxiproxy's: {error!r}") from error

    return call


class FaultProxyClient:
    """A client of the Toxiproxy server at `host` and `port`. Thread-safe. Raises ProxyError."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._server = Toxiproxy()

    @_translated
    def version(self) -> str:
        """Give the version that the server says it has."""
        return str(APIConsumer.get("/version", timeout=WITHIN_S).json()["version"])

    @_translated
    def create(self, name: str, upstream: str, listen: str) -> ProxyRecord:
        """Make a proxy; with port 0 in `listen` the record shows the port that was taken."""
        # Not the package's own `create`, which takes a server's error (an address in use, say) for a proxy.
        given = {"name": name, "upstream": upstream, "listen": listen, "enabled": True}
        proxy = _checked(APIConsumer.post("/proxies", json=given, timeout=WITHIN_S)).json()
        return ProxyRecord(proxy["name"], proxy["listen"], proxy["upstream"], proxy["enabled"])

    @_translated
    def point(self, name: str, upstream: str) -> None:
        """Re-point a proxy to another upstream, which the package cannot; every connection through it is dropped."""
        _checked(APIConsumer.post(f"/proxies/{name}", json={"upstream": upstream, "enabled": True}, timeout=WITHIN_S))

    @_translated
    def enable(self, name: str) -> None:
        """Let a proxy listen."""
        self._proxy(name).enable()

    @_translated
    def disable(self, name: str) -> None:
        """Let a proxy listen no more, and drop every connection through it."""
        self._proxy(name).disable()

    @_translated
    def delete(self, name: str) -> None:
        """Remove a proxy."""
        self._proxy(name).destroy()

    @_translated
    def list(self) -> tuple[ProxyRecord, ...]:
        """Give every proxy of the server, whoever made it."""
        proxies = self._server.proxies().values()
        return tuple(ProxyRecord(proxy.name, proxy.listen, proxy.upstream, proxy.enabled) for proxy in proxies)

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
        """Put a toxic on a proxy; its name is `kind_stream` unless given."""
        given = {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": dict(attributes)}
        self._proxy(name).add_toxic(**given, name=toxic_name or f"{kind}_{stream}")

    @_translated
    def remove_toxic(self, name: str, toxic_name: str) -> None:
        """Take a toxic from a proxy."""
        self._proxy(name).destroy_toxic(toxic_name)

    @_translated
    def toxics(self, name: str) -> tuple[ToxicRecord, ...]:
        """Give the toxics on a proxy."""
        toxics = self._proxy(name).toxics().values()
        return tuple(ToxicRecord(one.name, one.type, one.stream, one.toxicity, one.attributes) for one in toxics)

    @_translated
    def reset(self) -> None:
        """Enable every proxy and remove every toxic; not for a server that others use too."""
        self._server.reset()

    def _proxy(self, name: str) -> Any:
        proxy = self._server.get_proxy(name)
        if proxy is None:
            raise NotFound(f"proxy {name} not found")
        return proxy


def _checked(response: requests.Response) -> requests.Response:
    if not response.ok:  # the package itself lets a server's error (500) pass
        raise InvalidToxic(response.content)
    return response
