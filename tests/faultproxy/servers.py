"""What the tests of the fault proxy share: its server in a thread, and both ends of connections through it, in the test's own hands."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from testbed.faultproxy import server

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN_S = 10.0  # whatever is waited for comes far sooner; later than this, it does not come
CLOCK_S = 0.003  # uvloop counts in milliseconds, and from when it last looked
NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the API."""

    status: int
    text: str
    headers: dict[str, str]
    body: Any


class Api:
    """The API of one server, by plain requests."""

    def __init__(self, host: str, port: int, session: requests.Session) -> None:
        self.host = host
        self.port = port
        self._session = session

    def ask(self, method: str, path: str, body: object = None, *, data: str | bytes | None = None, **headers: str) -> Answer:
        """Send a request; `body` as JSON, `data` as it is."""
        url = f"http://{self.host}:{self.port}{path}"
        answer = self._session.request(method, url, json=body, data=data, headers=headers, timeout=WITHIN_S)
        try:
            decoded = answer.json()
        except requests.JSONDecodeError:
            decoded = None
        return Answer(answer.status_code, answer.text, {name.lower(): value for name, value in answer.headers.items()}, decoded)

    def create(self, name: str, upstream: str, **fields: object) -> dict[str, Any]:
        """Make a proxy and give what the API says of it."""
        answer = self.ask("POST", "/proxies", {"name": name, "upstream": upstream} | fields)
        assert answer.status == 201, answer
        made: dict[str, Any] = answer.body
        return made

    def add(self, proxy: str, kind: str, stream: str = "downstream", toxicity: float = 1.0, **attributes: int) -> None:
        """Put a toxic on a proxy."""
        given = {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        answer = self.ask("POST", f"/proxies/{proxy}/toxics", given)
        assert answer.status == 200, answer

    def change(self, proxy: str, name: str, **fields: object) -> None:
        """Change a toxic."""
        answer = self.ask("PATCH", f"/proxies/{proxy}/toxics/{name}", fields)
        assert answer.status == 200, answer

    def remove(self, proxy: str, name: str) -> None:
        """Take a toxic away."""
        answer = self.ask("DELETE", f"/proxies/{proxy}/toxics/{name}")
        assert answer.status == 204, answer

    def clear(self) -> None:
        """Delete every proxy."""
        for name in self.ask("GET", "/proxies").body:
            self.ask("DELETE", f"/proxies/{name}")


@contextmanager
def in_thread() -> Iterator[Api]:
    """Run a server in a thread of this process."""
    listener = socket.create_server(("127.0.0.1", 0))
    running = server.server()
    thread = threading.Thread(target=running.run, args=([listener],))
    thread.start()
    try:
        host, port = listener.getsockname()
        with requests.Session() as session:
            session.trust_env = False
            yield Api(host, port, session)
    finally:
        running.should_exit = True
        thread.join(WITHIN_S)
        listener.close()


class Complaints(logging.Handler):
    """What asyncio logs when something of ours has failed behind its back."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.lines.append(self.format(record))


class Wire:
    """A proxy, its upstream, and connections through it, both ends of which the test holds."""

    def __init__(self, api: Api, name: str = "wire") -> None:
        self.api = api
        self.name = name
        self._open = ExitStack()
        self.upstream = self._open.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
        self.upstream.settimeout(WITHIN_S)
        made = api.create(name, address_of(self.upstream))
        self.listen = read_address(made["listen"])

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """Open a connection and give the client's end and the upstream's."""
        client = self.dial()
        upstream, _ = self.upstream.accept()
        upstream.settimeout(WITHIN_S)
        return client, self._open.enter_context(upstream)

    def dial(self) -> socket.socket:
        """Open a connection and give the client's end."""
        return self._open.enter_context(socket.create_connection(self.listen, timeout=WITHIN_S))

    def add(self, kind: str, stream: str = "downstream", toxicity: float = 1.0, **attributes: int) -> None:
        """Put a toxic on the proxy."""
        self.api.add(self.name, kind, stream, toxicity, **attributes)

    def close(self) -> None:
        """Close every end."""
        self._open.close()


def address_of(listener: socket.socket) -> str:
    """Write where a socket listens."""
    host, port = listener.getsockname()[:2]
    return f"{host}:{port}"


def read_address(address: str) -> tuple[str, int]:
    """Read `host:port`."""
    host, _, port = address.rpartition(":")
    return host, int(port)


def receive(end: socket.socket, count: int) -> bytes:
    """Receive exactly so many bytes."""
    received = bytearray()
    while len(received) < count:
        more = end.recv(count - len(received))
        assert more, f"the connection ended after {len(received)} of {count} bytes"
        received += more
    return bytes(received)


def rest(end: socket.socket) -> bytes:
    """Receive until the connection ends; raises ConnectionResetError when it is reset."""
    received = bytearray()
    while more := end.recv(1_000_000):
        received += more
    return bytes(received)


def is_silent(end: socket.socket, for_s: float = 0.03) -> bool:
    """Whether nothing comes, neither bytes nor an end."""
    end.settimeout(for_s)
    try:
        end.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return True
    finally:
        end.settimeout(WITHIN_S)
    return False


def is_refused(address: tuple[str, int]) -> bool:
    """Whether nobody listens there."""
    try:
        socket.create_connection(address, timeout=WITHIN_S).close()
    except ConnectionRefusedError:
        return True
    return False


def has_passed(seconds: float, since_s: float) -> bool:
    """Whether so much time has passed since a time of the monotonic clock, give or take what the server's clock rounds off."""
    return time.monotonic() - since_s >= seconds - CLOCK_S
