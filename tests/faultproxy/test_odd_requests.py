"""Requests that nobody would make, while bytes go through: each is answered, none is an error of ours, and no byte is lost or doubled."""

from __future__ import annotations

import json
import random
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from testbed.faultproxy import toxics
from tests.faultproxy.servers import WITHIN_S, ApiAnswer, Wire
from tests.mutations import TEXTS, WHOLE, changed, times

if TYPE_CHECKING:
    from tests.faultproxy.servers import ApiClient

SEED = 2013
TRAFFIC = "wire"
NAMES = (TRAFFIC, "other", "ünï/cöde", "a b", "%2F", "", "x" * 300)
TOXICS = ("first", "second", "third")
CHUNK = 2_048
PACE_S = 0.002


def pattern(start: int, count: int) -> bytes:
    """Return the bytes of a stream from one on; each eight say which they are, so that none can be missing unseen."""
    first = start // 8
    numbers = b"".join(number.to_bytes(8, "big") for number in range(first, (start + count) // 8 + 1))
    return numbers[start - 8 * first :][:count]


class Stream:
    """One direction of a connection: what is sent at one end is compared with what comes out at the other."""

    def __init__(self, source: socket.socket, sink: socket.socket, stop: threading.Event) -> None:
        self.source, self.sink, self.stop = source, sink, stop
        self.sent = self.received = 0
        self.wrong = ""
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()

    def _send(self) -> None:
        with suppress(OSError):
            while not self.stop.wait(PACE_S):
                self.sent += self.source.send(pattern(self.sent, CHUNK))
            self.source.shutdown(socket.SHUT_WR)

    def _receive(self) -> None:
        with suppress(OSError):
            while part := self.sink.recv(65_536):
                if part != pattern(self.received, len(part)):
                    self.wrong = f"of {len(part)} bytes after {self.received}, some are others"
                    break
                self.received += len(part)
        self.ended.set()


class Traffic:
    """A connection over the proxy with a stream each way, and a new one whenever it has ended."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.wrong: list[str] = []
        self.bytes = self.connections = 0
        self.ends: tuple[socket.socket, ...] = ()
        self.streams: tuple[Stream, ...] = ()
        self.stop = threading.Event()

    @property
    def has_ended(self) -> bool:
        """Whether there is no connection, or one that came to an end before it was told to."""
        return not self.streams or any(stream.ended.is_set() for stream in self.streams)

    def connect(self) -> None:
        """Open a connection, where the proxy takes one."""
        self.close()
        try:
            client = socket.create_connection(self.wire.listen, timeout=1)
        except OSError:
            return
        self.wire.upstream.settimeout(1)
        try:
            upstream, _ = self.wire.upstream.accept()
        except OSError:  # the proxy was told of another upstream, or it waits before it connects
            client.close()
            return
        self.ends = (client, upstream)
        for end in self.ends:
            end.settimeout(None)
        self.stop = threading.Event()
        self.streams = (Stream(client, upstream, self.stop), Stream(upstream, client, self.stop))
        self.connections += 1

    def close(self) -> None:
        """Close it, and note what came out."""
        self.stop.set()
        for end in self.ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for stream in self.streams:
            for thread in stream.threads:
                thread.join(WITHIN_S)
            self.bytes += stream.received
            self.wrong += [stream.wrong] if stream.wrong else []
            assert stream.received <= stream.sent
        for end in self.ends:
            end.close()
        self.ends = self.streams = ()

    def finish(self) -> None:
        """Let both streams come to their end, and check that all that was sent has come."""
        self.stop.set()
        for stream in self.streams:
            assert stream.ended.wait(WITHIN_S)
        assert [(stream.received, stream.wrong) for stream in self.streams] == [(stream.sent, "") for stream in self.streams]
        assert all(stream.sent > CHUNK for stream in self.streams)


def request(chance: random.Random, upstream: str) -> tuple[str, str, bytes]:
    """Return a request: method, path and body; most of what it has is right."""
    proxy, toxic = quote(chance.choice(NAMES), safe=""), quote(chance.choice((*TOXICS, *TOXICS, *NAMES)), safe="")
    often = [f"/proxies/{TRAFFIC}/toxics", f"/proxies/{TRAFFIC}/toxics/{toxic}", "/proxies", f"/proxies/{proxy}"] * 3
    others = [
        f"/proxies/{proxy}/toxics",
        f"/proxies/{proxy}/toxics/{toxic}",
        "/reset",
        "/populate",
        "/version",
        "/metrics",
        "/",
        "//proxies",
    ]
    path = chance.choice([*often, *others])
    method = chance.choice(["GET", *["POST"] * 5, "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS"])
    if "/toxics" in path:
        body: dict[str, Any] = {
            "name": chance.choice(TOXICS),
            "type": chance.choice([*toxics.names(), "latency", "slicer", "bandwidth"]),
            "stream": chance.choice(["upstream", "downstream"]),
            "toxicity": chance.choice([1.0, 1.0, 0.5, 0.0]),
            "attributes": {"latency": 5, "jitter": 3, "rate": 1000, "average_size": 100, "size_variation": 50, "delay": 10, "bytes": 10**7},
        }
    else:
        body = {"name": chance.choice(NAMES), "upstream": upstream, "listen": "127.0.0.1:0", "enabled": chance.choice([True, True, False])}
        given = [{"name": name, "type": chance.choice(["noop", "latency", "slicer"])} for name in TOXICS[: chance.randrange(4)]]
        body |= chance.choice([{}, {"toxics": given}])
    decoded: Any = changed(chance, body) if chance.random() < 0.5 else body
    if path == "/populate" or chance.random() < 0.05:
        decoded = [decoded] * chance.choice([1, 1, 2])
    text = json.dumps(decoded, default=str).encode()
    if chance.random() < 0.1:
        spoiled = [text[: len(text) // 2], b"\xff" + text, b"[" * 5_000, b'"%s"' % (b"x" * 70_000)]
        text = chance.choice([b"", b"{", b"null", b"1e999", *spoiled])
    return method, path, text


def is_ours(answer: ApiAnswer) -> bool:
    """Whether an answer is an error of the server's own: one with 500 that does not say, as Toxiproxy does, why it cannot listen."""
    return answer.status >= 500 and not (isinstance(answer.body, dict) and str(answer.body.get("error", "")).startswith("listen tcp"))


def test_no_request_is_an_error_of_ours_and_no_byte_is_lost_or_doubled(api: ApiClient, wire: Wire) -> None:
    """A connection may be cut, because it was asked for; what had come out until then is what went in, without a hole."""
    chance, traffic = random.Random(SEED), Traffic(wire)
    original = [{"name": TRAFFIC, "listen": "{}:{}".format(*wire.listen), "upstream": "{}:{}".format(*wire.upstream.getsockname())}]
    asked = answered = 0
    for _ in range(times(10_000, quick=400)):
        if traffic.has_ended:
            if chance.random() < 0.8:
                api.ask("DELETE", f"/proxies/{TRAFFIC}")
                api.ask("POST", "/populate", original)
            traffic.connect()
        method, path, text = request(chance, chance.choice([original[0]["upstream"], "127.0.0.1:1", *TEXTS[:3], str(WHOLE[-2])]))
        answer = api.ask(method, path, data=text)
        assert not is_ours(answer), (method, path, text[:500], answer)
        asked, answered = asked + 1, answered + (answer.status < 400)
        if chance.random() < 0.02:
            assert api.ask("POST", "/reset").status in (204, 500)
    api.ask("DELETE", f"/proxies/{TRAFFIC}")
    assert api.ask("POST", "/populate", original).status == 201
    traffic.connect()
    for stream in ("upstream", "downstream"):
        api.add(TRAFFIC, "slicer", stream, average_size=100, size_variation=50, delay=10)
    traffic.stop.wait(0.2)
    assert api.ask("POST", "/reset").status == 204
    traffic.finish()
    traffic.close()
    assert traffic.wrong == []
    assert 0.2 * asked < answered < asked
    assert traffic.connections > 1
    assert traffic.bytes > asked * 10
    api.clear()
    assert api.ask("GET", "/proxies").body == {}
