from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from testbed.errors import ProxyError
from testbed.runtime import toxiproxy
from testbed.runtime.toxiproxy import FaultProxyClient, ProxyRecord, ToxicRecord
from tests.faultproxy.servers import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOWHERE = "127.0.0.1:1"
LOOPBACK = "127.0.0.1:0"


@pytest.fixture(scope="module")
def running() -> Iterator[FaultProxyClient]:
    """Yield a client of a server that runs."""
    with in_thread() as api:
        yield FaultProxyClient(api.host, api.port)


@pytest.fixture
def client(running: FaultProxyClient) -> Iterator[FaultProxyClient]:
    """Yield the client; its server has no proxies yet."""
    yield running
    for proxy in running.list():
        running.delete(proxy.name)


@contextmanager
def answering(status: int, body: bytes, kind: str = "text/html") -> Iterator[FaultProxyClient]:
    """Yield a client of an HTTP server that answers everything alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer, whatever was asked."""
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield FaultProxyClient("127.0.0.1", server.server_address[1])
        server.shutdown()
        thread.join()


def failure(call: Callable[[], object]) -> str:
    """Return the message of the ProxyError that a call raises, having checked that it is one line."""
    with pytest.raises(ProxyError) as raised:
        call()
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_a_proxy_lives_and_dies(client: FaultProxyClient) -> None:
    """Every step is seen in the server's own list."""
    proxy = client.create("db", NOWHERE, LOOPBACK)
    assert proxy == ProxyRecord("db", proxy.listen, NOWHERE, enabled=True)
    assert client.list() == (proxy,)
    client.disable("db")
    assert [listed.enabled for listed in client.list()] == [False]
    client.point("db", "127.0.0.1:2")
    assert client.list() == (ProxyRecord("db", proxy.listen, "127.0.0.1:2", enabled=True),)
    client.disable("db")
    client.enable("db")
    assert [listed.enabled for listed in client.list()] == [True]
    client.delete("db")
    assert client.list() == ()


def test_a_toxic_lives_and_dies(client: FaultProxyClient) -> None:
    """It is named after its type and stream unless it is given a name, and a reset removes it."""
    client.create("db", NOWHERE, LOOPBACK)
    client.add_toxic("db", "latency", {"latency": 5})
    client.add_toxic("db", "timeout", {}, stream="upstream", toxicity=0.5, toxic_name="silence")
    assert client.toxics("db") == (
        ToxicRecord("silence", "timeout", "upstream", 0.5, {"timeout": 0}),
        ToxicRecord("latency_downstream", "latency", "downstream", 1.0, {"latency": 5, "jitter": 0}),
    )
    client.remove_toxic("db", "silence")
    assert [toxic.name for toxic in client.toxics("db")] == ["latency_downstream"]
    client.reset()
    assert client.toxics("db") == ()


def test_a_name_may_have_any_character_that_the_api_can_address(client: FaultProxyClient) -> None:
    """Blanks, question marks and umlauts are written into the address as they must be."""
    name = "der Flug? 100% für #1"
    client.create(name, NOWHERE, LOOPBACK)
    client.add_toxic(name, "noop", {}, toxic_name=name)
    client.remove_toxic(name, name)
    client.delete(name)
    assert client.list() == ()


def test_two_clients_of_two_servers_do_not_meet(client: FaultProxyClient) -> None:
    """Also when both are used at once, from threads: each speaks to its own server only."""
    with in_thread() as api:
        other = FaultProxyClient(api.host, api.port)

        def work(worker: FaultProxyClient, name: str) -> None:
            for number in range(15):
                worker.create(f"{name}-{number}", NOWHERE, LOOPBACK)

        threads = [threading.Thread(target=work, args=arguments) for arguments in ((client, "here"), (other, "there"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {proxy.name for proxy in client.list()} == {f"here-{number}" for number in range(15)}
        assert {proxy.name for proxy in other.list()} == {f"there-{number}" for number in range(15)}


def test_an_error_has_the_servers_own_words(client: FaultProxyClient) -> None:
    """An error names the server, what was asked of it, and the server's reason in its own words."""
    where = f"fault proxy at {client.host}:{client.port}"
    proxy = client.create("db", NOWHERE, LOOPBACK)
    assert failure(lambda: client.create("db", NOWHERE, LOOPBACK)) == f"{where}: create db: proxy already exists"
    assert failure(lambda: client.create("", NOWHERE, LOOPBACK)) == f"{where}: create : missing required field: name"
    assert failure(lambda: client.add_toxic("db", "lag", {})) == f"{where}: add_toxic db: invalid toxic type"
    assert failure(lambda: client.remove_toxic("db", "lag")) == f"{where}: remove_toxic db: toxic not found"
    assert failure(lambda: client.create("b", NOWHERE, proxy.listen)) == (
        f"{where}: create b: listen tcp {proxy.listen}: bind: address already in use"
    )
    for method in (client.delete, client.enable, client.disable, client.toxics):
        assert failure(lambda method=method: method("none")).endswith(": proxy not found")  # type: ignore[misc]  # a default argument
    assert failure(lambda: client.point("none", NOWHERE)) == f"{where}: point none: proxy not found"


def test_a_server_that_is_not_there_is_one_clear_error() -> None:
    """It says where, that there was no answer, and what to look for."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    message = failure(FaultProxyClient("127.0.0.1", port).version)
    assert message.startswith(f"fault proxy at 127.0.0.1:{port}: version: no answer; is a Toxiproxy running there? (")
    assert "Connection refused" in message


def test_a_server_that_never_answers_is_waited_for_so_long_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever call it is."""
    monkeypatch.setattr(toxiproxy, "WITHIN_S", 0.03)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        client = FaultProxyClient("127.0.0.1", mute.getsockname()[1])
        for call in (client.version, client.list, client.reset, lambda: client.delete("db"), lambda: client.toxics("db")):
            assert "no answer" in failure(call)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>\n<p>Welcome</p>\n</html>", "text/html"),
        (200, b"", "text/plain"),
        (200, b'["version"]', "application/json"),
        (200, b'"version"', "application/json"),
        (200, b"{}", "application/json"),
        (200, b'{"version": ', "application/json"),
        (404, b"<html>\nnot found\n</html>", "text/html"),
        (404, b"", "text/html"),
        (500, b"oh\nno", "text/plain"),
        (404, b'{"detail": "Not Found"}', "application/json"),
        (403, b"User agent not allowed", "text/plain"),
    ],
)
def test_another_http_server_is_one_clear_error(status: int, body: bytes, kind: str) -> None:
    """Whatever it answers, the error says that it is not Toxiproxy's answer."""
    with answering(status, body, kind) as client:
        assert ": version: the answer is not Toxiproxy's; what listens there? (" in failure(client.version)


@pytest.mark.parametrize("body", [{}, [], None, {"db": {"name": "db"}}, {"db": None}])
def test_a_list_of_something_else_is_one_clear_error(body: object) -> None:
    """JSON that is not Toxiproxy's does not pass for proxies; only an object without proxies says that there are none."""
    with answering(200, json.dumps(body).encode(), "application/json") as client:
        if body == {}:
            assert client.list() == ()
        else:
            assert "the answer is not Toxiproxy's" in failure(client.list)


def test_what_speaks_no_http_is_one_clear_error() -> None:
    """A database that listens there, say."""
    with socket.create_server(("127.0.0.1", 0)) as database:

        def answer() -> None:
            accepted, _ = database.accept()
            with accepted:
                accepted.recv(65_536)
                accepted.sendall(b"E\x00\x00\x00\x2fSFATAL\x00\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert "is a Toxiproxy running there?" in failure(FaultProxyClient("127.0.0.1", database.getsockname()[1]).version)
        thread.join()


def test_a_web_proxy_in_the_environment_is_not_asked(client: FaultProxyClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault proxy is reached directly, however the machine reaches the web."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert client.version() == "2.12.0"
