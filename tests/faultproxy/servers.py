"""What the tests of the fault proxy share: its server in a thread, and both ends of connections through it."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests

from testbed.faultproxy import server
from testbed.faultproxy.api import Api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WITHIN_S = 10.0  # upper bound of every wait; what is waited for comes far sooner
CLOCK_S = 0.003  # uvloop counts in milliseconds, and from when it last looked
NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """An answer of the API."""

    status: int
    text: str
    headers: dict[str, str]
    body: Any


class ApiClient:
    """The API of one server, by plain requests."""

    def __init__(self, host: str, port: int, session: requests.Session) -> None:
        self.host = host
        self.port = port
        self._session = session

    def ask(self, method: str, path: str, body: object = None, *, data: str | bytes | None = None, **headers: str) -> ApiAnswer:
        """Send a request; `body` as JSON, `data` as it is."""
        url = f"http://{self.host}:{self.port}{path}"
        answer = self._session.request(method, url, json=body, data=data, headers=headers, timeout=WITHIN_S)
        try:
            decoded = answer.json()
        except requests.JSONDecodeError:
            decoded = None
        return ApiAnswer(answer.status_code, answer.text, {name.lower(): value for name, value in answer.headers.items()}, decoded)

    def create(self, name: str, upstream: str, **fields: object) -> dict[str, Any]:
        """Create a proxy and return its record."""
        answer = self.ask("POST", "/proxies", {"name": name, "upstream": upstream} | fields)
        assert answer.status == 201, answer
        made: dict[str, Any] = answer.body
        return made

    def add(self, proxy: str, kind: str, stream: str = "downstream", toxicity: float = 1.0, **attributes: int) -> None:
        """Add a toxic to a proxy."""
        body = {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        answer = self.ask("POST", f"/proxies/{proxy}/toxics", body)
        assert answer.status == 200, answer

    def change(self, proxy: str, name: str, **fields: object) -> None:
        """Change a toxic."""
        answer = self.ask("PATCH", f"/proxies/{proxy}/toxics/{name}", fields)
        assert answer.status == 200, answer

    def remove(self, proxy: str, name: str) -> None:
        """Remove a toxic."""
        answer = self.ask("DELETE", f"/proxies/{proxy}/toxics/{name}")
        assert answer.status == 204, answer

    def clear(self) -> None:
        """Delete every proxy."""
        for name in self.ask("GET", "/proxies").body:
            self.ask("DELETE", f"/proxies/{quote(name, safe='')}")


@contextmanager
def in_thread(token_file: Path | None = None) -> Iterator[ApiClient]:
    """Run a server in a thread of this process; `token_file`: see `server`."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = server.server(Api(), token_file=token_file)
    thread = threading.Thread(target=running.run, args=([listener],))
    thread.start()
    try:
        host, port = listener.getsockname()
        with requests.Session() as session:
            session.trust_env = False
            yield ApiClient(host, port, session)
    finally:
        running.should_exit = True
        thread.join(WITHIN_S)
        listener.close()


class AsyncioWarnings(logging.Handler):
    """Collects what asyncio logs, such as an exception of a task that nobody awaits."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Record a line."""
        self.lines.append(self.format(record))


class Wire:
    """A proxy, its upstream, and connections through it; the test has both ends of each."""

    def __init__(self, api: ApiClient, name: str = "wire") -> None:
        self.api = api
        self.name = name
        self._open = ExitStack()
        self.upstream = self._open.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
        self.upstream.settimeout(WITHIN_S)
        made = api.create(name, address_of(self.upstream))
        self.listen = read_address(made["listen"])

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """Open a connection; return the client's end and the upstream's."""
        return self.dial(), self.accept()

    def accept(self) -> socket.socket:
        """Accept the next connection that the proxy makes; return the upstream's end."""
        upstream, _ = self.upstream.accept()
        upstream.settimeout(WITHIN_S)
        return self._open.enter_context(upstream)

    def dial(self) -> socket.socket:
        """Open a connection; return the client's end."""
        return self._open.enter_context(socket.create_connection(self.listen, timeout=WITHIN_S))

    def add(self, kind: str, stream: str = "downstream", toxicity: float = 1.0, **attributes: int) -> None:
        """Add a toxic to the proxy."""
        self.api.add(self.name, kind, stream, toxicity, **attributes)

    def close(self) -> None:
        """Close every end."""
        self._open.close()


def address_of(listener: socket.socket) -> str:
    """Return where a socket listens, as `host:port`."""
    host, port = listener.getsockname()[:2]
    return f"{host}:{port}"


def read_address(address: str) -> tuple[str, int]:
    """Read `host:port`."""
    host, _, port = address.rpartition(":")
    return host, int(port)


def receive(end: socket.socket, count: int) -> bytes:
    """Return exactly `count` received bytes."""
    received = bytearray()
    while len(received) < count:
        more = end.recv(count - len(received))
        assert more, f"the connection ended after {len(received)} of {count} bytes"
        received += more
    return bytes(received)


def rest(end: socket.socket) -> bytes:
    """Return everything received until the connection ends; raises ConnectionResetError when it is reset."""
    received = bytearray()
    while more := end.recv(1_000_000):
        received += more
    return bytes(received)


def is_silent(end: socket.socket, for_s: float = 0.03) -> bool:
    """Return whether nothing arrives for `for_s` seconds, neither bytes nor an end."""
    end.settimeout(for_s)
    try:
        end.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return True
    finally:
        end.settimeout(WITHIN_S)
    return False


def is_refused(address: tuple[str, int]) -> bool:
    """Return whether nothing listens there."""
    try:
        socket.create_connection(address, timeout=WITHIN_S).close()
    except ConnectionRefusedError:
        return True
    return False


def has_passed(seconds: float, since_s: float) -> bool:
    """Return whether `seconds` have passed since a time of the monotonic clock, within the rounding of the server's clock."""
    return time.monotonic() - since_s >= seconds - CLOCK_S
