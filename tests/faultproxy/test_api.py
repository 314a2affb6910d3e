from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from toxiproxy import Toxiproxy
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

from testbed.faultproxy import api as faultproxy
from tests.faultproxy.servers import (
    NO_LINGER,
    ApiAnswer,
    ApiClient,
    AsyncioWarnings,
    Wire,
    address_of,
    is_refused,
    is_silent,
    read_address,
    receive,
    rest,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NOWHERE = "127.0.0.1:1"
NO_NUMBERS: tuple[object, ...] = ("1", 1.5, True, 2**63, [], {})


def refused(answer: ApiAnswer) -> tuple[int, str]:
    """Return status and message of an error answer, after checking that its body has both."""
    assert set(answer.body) == {"error", "status"}
    assert answer.body["status"] == answer.status
    return answer.status, answer.body["error"]


@pytest.fixture
def taken() -> Iterator[str]:
    """Yield an address at which another socket listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield address_of(other)


@pytest.fixture
def db(api: ApiClient) -> dict[str, Any]:
    """Create a proxy named `db`."""
    return api.create("db", NOWHERE)


@pytest.fixture
def late(api: ApiClient, db: dict[str, Any]) -> dict[str, Any]:
    """Add a latency to the proxy `db`, with as few fields as possible."""
    made: dict[str, Any] = api.ask("POST", "/proxies/db/toxics", {"type": "latency", "attributes": {"latency": 5}}).body
    return made


def test_the_version_is_that_of_the_api_spoken(api: ApiClient) -> None:
    """The version is 2.12.0, sent with Toxiproxy's content type."""
    answer = api.ask("GET", "/version")
    assert (answer.status, answer.body) == (200, {"version": "2.12.0"})
    assert answer.headers["content-type"] == "application/json;charset=utf-8"


def test_every_answer_has_a_request_id_of_its_own(api: ApiClient) -> None:
    """Each answer, also an error, has a request id of 20 characters that no other has."""
    ids = [api.ask("GET", path).headers["x-toxiproxy-request-id"] for path in ("/version", "/proxies", "/proxies/db", "/metrics")]
    assert [len(request_id) for request_id in ids] == [20] * 4
    assert len(set(ids)) == 4


@pytest.mark.parametrize("name", ["db.internal", "db 1", "db:5432", "db%2F1", "größe", "virtual-ip_2"])
def test_a_name_may_have_any_character_but_a_slash(api: ApiClient, name: str) -> None:
    """A proxy and a toxic are found by the quoted form of any name without a slash."""
    made = api.create(name, NOWHERE)
    assert api.ask("GET", f"/proxies/{quote(name, safe='')}").body == made
    toxic = api.ask("POST", f"/proxies/{quote(name, safe='')}/toxics", {"type": "noop", "name": name}).body
    assert api.ask("GET", f"/proxies/{quote(name, safe='')}/toxics/{quote(name, safe='')}").body == toxic
    assert api.ask("DELETE", f"/proxies/{quote(name, safe='')}").status == 204


def test_a_proxy_is_made_with_a_name_and_an_upstream(api: ApiClient) -> None:
    """It is enabled at once, at a free port of the loopback address, and has no toxics."""
    answer = api.ask("POST", "/proxies", {"name": "db", "upstream": NOWHERE})
    host, port = read_address(answer.body["listen"])
    assert (answer.status, host, port > 0) == (201, "127.0.0.1", True)
    assert answer.body == {"name": "db", "listen": answer.body["listen"], "upstream": NOWHERE, "enabled": True, "toxics": []}
    assert not is_refused((host, port))


def test_proxies_are_listed_by_name(api: ApiClient) -> None:
    """The list is an object whose keys are the names, in their order, and whose values are what each proxy shows by itself."""
    for name in ("b", "a"):
        api.create(name, NOWHERE)
    listed = api.ask("GET", "/proxies").body
    assert list(listed) == ["a", "b"]
    assert listed["a"] == api.ask("GET", "/proxies/a").body


def test_a_disabled_proxy_does_not_listen_until_it_is_enabled(api: ApiClient, taken: str) -> None:
    """It is shown as it was asked for, at an address that need not be free yet."""
    made = api.create("db", NOWHERE, listen=taken, enabled=False)
    assert (made["listen"], made["enabled"]) == (taken, False)
    assert refused(api.ask("POST", "/proxies/db", {"enabled": True})) == (500, f"listen tcp {taken}: bind: address already in use")
    assert api.ask("POST", "/proxies/db", {"listen": "127.0.0.1:0", "enabled": True}).body["enabled"]


def test_a_name_to_listen_at_is_shown_as_the_address_that_it_means(api: ApiClient) -> None:
    """`localhost:0` becomes a numeric address with a port, so that every client uses the same one."""
    assert read_address(api.create("db", NOWHERE, listen="localhost:0")["listen"])[0] in ("127.0.0.1", "[::1]")


def test_without_a_host_a_proxy_listens_at_every_address(api: ApiClient) -> None:
    """`:0` is reached by the loopback address, too."""
    _, port = read_address(api.create("db", NOWHERE, listen=":0")["listen"])
    assert not is_refused(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "missing required field: name"),
        ({"name": "", "upstream": NOWHERE}, "missing required field: name"),
        ({"name": None, "upstream": NOWHERE}, "missing required field: name"),
        ({"name": "db"}, "missing required field: upstream"),
        ({"name": "db", "upstream": ""}, "missing required field: upstream"),
    ],
)
def test_a_proxy_needs_a_name_and_an_upstream(api: ApiClient, body: object, error: str) -> None:
    """The error names the first missing field, and nothing is created."""
    assert refused(api.ask("POST", "/proxies", body)) == (400, error)
    assert api.ask("GET", "/proxies").body == {}


def test_a_name_is_taken_once(api: ApiClient, db: dict[str, Any]) -> None:
    """A second proxy of the same name is refused, and the first stays as it was."""
    assert refused(api.ask("POST", "/proxies", {"name": "db", "upstream": "127.0.0.1:2"})) == (409, "proxy already exists")
    assert api.ask("GET", "/proxies/db").body == db


async def test_of_many_who_take_a_name_at_once_one_gets_it() -> None:
    """Of eight requests at once for a name, one creates the proxy and seven get 409."""
    app = faultproxy.Api()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app.app()), base_url="http://testbed") as client:
        body = {"name": "db", "upstream": NOWHERE, "listen": "127.0.0.1:0"}
        answers = await asyncio.gather(*(client.post("/proxies", json=body) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
        assert (await client.delete("/proxies/db")).status_code == 204


@pytest.mark.parametrize(
    ("listen", "error"),
    [
        ("127.0.0.1", "listen tcp: address 127.0.0.1: missing port in address"),
        ("127.0.0.1:http", "listen tcp: address 127.0.0.1:http: missing port in address"),
        ("127.0.0.1:٨٨", "listen tcp: address 127.0.0.1:٨٨: missing port in address"),
        ("127.0.0.1:70000", "listen tcp: address 70000: invalid port"),
        ("127.0.0.1:" + "9" * 5000, "listen tcp: address 99999999999999999999: invalid port"),
        ("x" * 64 + ".invalid:1", f"listen tcp: lookup {'x' * 64}.invalid: no such host"),
    ],
)
def test_an_address_that_is_none_cannot_be_listened_at(api: ApiClient, listen: str, error: str) -> None:
    """The error gives the reason, and no proxy is created."""
    assert refused(api.ask("POST", "/proxies", {"name": "db", "upstream": NOWHERE, "listen": listen})) == (500, error)
    assert api.ask("GET", "/proxies").body == {}


def test_a_taken_address_cannot_be_listened_at(api: ApiClient, taken: str) -> None:
    """The error names the address and the reason, and no proxy is created."""
    answer = api.ask("POST", "/proxies", {"name": "db", "upstream": NOWHERE, "listen": taken})
    assert refused(answer) == (500, f"listen tcp {taken}: bind: address already in use")
    assert api.ask("GET", "/proxies").body == {}


@pytest.mark.parametrize(
    "data",
    [
        "",
        "  ",
        "{",
        "[]",
        "1",
        '"db"',
        "\udcff",
        '{"name": 1}',
        '{"name": "db", "upstream": ["127.0.0.1:1"]}',
        '{"name": "db", "enabled": "yes"}',
        '{"name": "db", "enabled": NaN}',
        "[" * 100_000,
        '{"name": ' + "9" * 5000 + "}",
    ],
)
def test_a_body_that_cannot_be_read_is_refused(api: ApiClient, data: str) -> None:
    """Every unreadable body is answered by 400 and the same beginning, and the server continues."""
    status, error = refused(api.ask("POST", "/proxies", data=data.encode(errors="surrogateescape")))
    assert status == 400
    assert error.startswith("bad request body: ")
    assert api.ask("GET", "/proxies").body == {}


@pytest.mark.parametrize(
    "data",
    [
        '{"Name": "db", "UPSTREAM": "127.0.0.1:1"}',
        '{"name": "db", "upstream": "127.0.0.1:1", "colour": "red"}',
        '{"name": "db", "upstream": "127.0.0.1:1", "listen": null, "enabled": null}',
        ' {"name": "db", "upstream": "127.0.0.1:1"} and so on',
    ],
)
def test_a_body_is_read_as_toxiproxy_reads_it(api: ApiClient, data: str) -> None:
    """Fields may be in any case or unknown, `null` means not given, and what follows the first value is ignored."""
    answer = api.ask("POST", "/proxies", data=data)
    assert (answer.status, answer.body["name"], answer.body["upstream"], answer.body["enabled"]) == (201, "db", NOWHERE, True)


def test_errors_are_json_sent_as_text(api: ApiClient) -> None:
    """As Toxiproxy sends them: a line of JSON that calls itself text, while other answers call themselves JSON."""
    answer = api.ask("GET", "/proxies/db")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.endswith("}\n")
    assert api.ask("GET", "/proxies").headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("POST", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/toxics"),
        ("POST", "/toxics"),
        ("GET", "/toxics/t"),
        ("POST", "/toxics/t"),
        ("PATCH", "/toxics/t"),
        ("DELETE", "/toxics/t"),
    ],
)
def test_a_proxy_that_is_not_there_is_not_found(api: ApiClient, method: str, path: str) -> None:
    """Every request for an unknown proxy is answered by 404, whatever its body."""
    assert refused(api.ask(method, f"/proxies/db{path}", data="{")) == (404, "proxy not found")


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_toxic_that_is_not_there_is_not_found(api: ApiClient, db: dict[str, Any], method: str) -> None:
    """Every request for an unknown toxic of a known proxy is answered by 404."""
    assert refused(api.ask(method, "/proxies/db/toxics/t", data="{")) == (404, "toxic not found")


@pytest.mark.parametrize("path", ["/", "/toxics", "/proxies/", "/proxies/db/", "/proxies/db/links"])
def test_an_address_that_the_api_does_not_have_is_not_found(api: ApiClient, db: dict[str, Any], path: str) -> None:
    """An unknown path is answered by a 404 in plain text, not by an error of the API."""
    answer = api.ask("GET", path)
    assert (answer.status, answer.text) == (404, "404 page not found\n")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/proxies"),
        ("DELETE", "/proxies"),
        ("GET", "/reset"),
        ("GET", "/populate"),
        ("HEAD", "/version"),
        ("HEAD", "/proxies"),
        ("HEAD", "/proxies/db"),
        ("HEAD", "/proxies/db/toxics"),
        ("HEAD", "/proxies/db/toxics/t"),
        ("HEAD", "/reset"),
    ],
)
def test_a_method_that_the_api_does_not_have_is_not_allowed(api: ApiClient, method: str, path: str) -> None:
    """The answer is 405 and empty, also to HEAD where GET is allowed."""
    answer = api.ask(method, path)
    assert (answer.status, answer.text, answer.headers["content-length"]) == (405, "", "0")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_metrics_are_answered_by_any_method(api: ApiClient, method: str) -> None:
    """The metrics are answered by any method, because Toxiproxy registers their path without one."""
    assert api.ask(method, "/metrics").status == 200


def test_browsers_are_kept_out(api: ApiClient) -> None:
    """A request from a browser is answered by 403, so that no web page can drive the API."""
    answer = api.ask("POST", "/reset", **{"User-Agent": "Mozilla/5.0"})
    assert (answer.status, answer.text) == (403, "User agent not allowed\n")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_update_changes_what_it_names_and_nothing_else(api: ApiClient, db: dict[str, Any], method: str) -> None:
    """An update to another upstream keeps the port, and ignores a name."""
    answer = api.ask(method, "/proxies/db", {"name": "other", "upstream": "127.0.0.1:2"})
    assert (answer.status, answer.body) == (200, db | {"upstream": "127.0.0.1:2"})
    assert list(api.ask("GET", "/proxies").body) == ["db"]


def test_an_update_that_changes_nothing_drops_no_connection(wire: Wire) -> None:
    """The same addresses, also by another name of the same host, leave every connection alone."""
    client, upstream = wire.connect()
    host, port = wire.listen
    for fields in ({}, {"enabled": True}, {"listen": f"{host}:{port}"}, {"listen": f"localhost:{port}"}):
        assert wire.api.ask("POST", "/proxies/wire", fields).status == 200
    client.sendall(b"still here")
    assert receive(upstream, 10) == b"still here"


def test_another_upstream_drops_every_connection_and_serves_the_next(wire: Wire) -> None:
    """Both ends of an old connection see it end, and a new one at the same port goes to the new upstream (C4, C5)."""
    client, upstream = wire.connect()
    with socket.create_server(("127.0.0.1", 0)) as other:
        wire.api.ask("POST", "/proxies/wire", {"upstream": address_of(other)})
        assert (rest(client), rest(upstream)) == (b"", b"")
        wire.dial().sendall(b"hello")
        accepted, _ = other.accept()
        with accepted:
            assert receive(accepted, 5) == b"hello"


def test_an_update_to_a_taken_address_leaves_the_proxy_disabled(api: ApiClient, db: dict[str, Any], taken: str) -> None:
    """After the error the proxy has the requested address and is disabled."""
    assert refused(api.ask("POST", "/proxies/db", {"listen": taken})) == (500, f"listen tcp {taken}: bind: address already in use")
    shown = api.ask("GET", "/proxies/db").body
    assert (shown["listen"], shown["enabled"]) == (taken, False)


def test_a_disabled_proxy_drops_connections_and_frees_its_port(wire: Wire) -> None:
    """Both ends see the end, the port is free for others, and the proxy takes it again when it is enabled."""
    client, upstream = wire.connect()
    assert wire.api.ask("POST", "/proxies/wire", {"enabled": False}).body["enabled"] is False
    assert (rest(client), rest(upstream)) == (b"", b"")
    assert is_refused(wire.listen)
    socket.create_server(wire.listen).close()
    assert wire.api.ask("POST", "/proxies/wire", {"enabled": True}).body["enabled"] is True
    client, upstream = wire.connect()
    client.sendall(b"back")
    assert receive(upstream, 4) == b"back"


def test_a_deleted_proxy_is_gone_with_its_connections_and_its_port(wire: Wire) -> None:
    """The answer is empty, both ends see the end, and a second delete finds nothing."""
    client, upstream = wire.connect()
    answer = wire.api.ask("DELETE", "/proxies/wire")
    assert (answer.status, answer.text) == (204, "")
    assert (rest(client), rest(upstream)) == (b"", b"")
    assert is_refused(wire.listen)
    assert refused(wire.api.ask("DELETE", "/proxies/wire")) == (404, "proxy not found")


def test_populate_makes_every_proxy(api: ApiClient) -> None:
    """Every proxy of the array is created, and the answer has them in its order."""
    proxies = [{"name": "b", "upstream": NOWHERE}, {"name": "a", "upstream": NOWHERE, "enabled": False}]
    answer = api.ask("POST", "/populate", proxies)
    assert answer.status == 201
    assert [(proxy["name"], proxy["enabled"]) for proxy in answer.body["proxies"]] == [("b", True), ("a", False)]
    assert set(api.ask("GET", "/proxies").body) == {"a", "b"}


def test_populate_leaves_a_proxy_alone_whose_addresses_are_the_same(wire: Wire) -> None:
    """A proxy with the same addresses keeps its connections and toxics."""
    wire.add("noop")
    client, upstream = wire.connect()
    shown = wire.api.ask("GET", "/proxies/wire").body
    for listen in (shown["listen"], shown["listen"].replace("127.0.0.1", "localhost")):
        answer = wire.api.ask("POST", "/populate", [{"name": "wire", "listen": listen, "upstream": shown["upstream"]}])
        assert (answer.status, answer.body["proxies"]) == (201, [shown])
    client.sendall(b"still here")
    assert receive(upstream, 10) == b"still here"


def test_populate_leaves_a_disabled_proxy_disabled_whose_addresses_are_the_same(api: ApiClient, db: dict[str, Any]) -> None:
    """Populate compares addresses only, so that a disabled proxy stays disabled."""
    api.ask("POST", "/proxies/db", {"enabled": False})
    answer = api.ask("POST", "/populate", [{"name": "db", "listen": db["listen"], "upstream": NOWHERE, "enabled": True}])
    assert answer.body["proxies"] == [db | {"enabled": False}]


def test_populate_replaces_a_proxy_whose_upstream_is_another(wire: Wire) -> None:
    """A replaced proxy loses its connections and toxics, and its port may be taken again."""
    wire.add("noop")
    client, _ = wire.connect()
    shown = wire.api.ask("GET", "/proxies/wire").body
    answer = wire.api.ask("POST", "/populate", [{"name": "wire", "listen": shown["listen"], "upstream": NOWHERE}])
    assert answer.body["proxies"] == [shown | {"upstream": NOWHERE, "toxics": []}]
    assert rest(client) == b""


@pytest.mark.parametrize(
    ("entry", "error"),
    [
        ({"upstream": NOWHERE}, "missing required field: name at proxy 2"),
        (None, "missing required field: name at proxy 2"),
        ({"name": "b"}, "missing required field: upstream at proxy 2"),
        ({"name": 1}, "bad request body: name must be a str"),
        (7, "bad request body: an object is wanted"),
    ],
)
def test_populate_makes_nothing_when_an_entry_is_wrong(api: ApiClient, entry: object, error: str) -> None:
    """One wrong entry refuses the whole array."""
    answer = api.ask("POST", "/populate", [{"name": "a", "upstream": NOWHERE}, entry])
    assert answer.body == {"error": error, "status": 400, "proxies": None}
    assert (answer.status, api.ask("GET", "/proxies").body) == (400, {})


def test_populate_keeps_what_it_made_before_an_address_that_is_taken(api: ApiClient, taken: str) -> None:
    """The answer has the error and the proxies created before it."""
    proxies = [{"name": name, "upstream": NOWHERE} | ({"listen": taken} if name == "b" else {}) for name in ("a", "b", "c")]
    answer = api.ask("POST", "/populate", proxies)
    assert (answer.status, answer.body["error"]) == (500, f"listen tcp {taken}: bind: address already in use")
    assert [proxy["name"] for proxy in answer.body["proxies"]] == list(api.ask("GET", "/proxies").body) == ["a"]


@pytest.mark.parametrize("body", [{"name": "db", "upstream": NOWHERE}, "db", 1])
def test_populate_wants_an_array(api: ApiClient, body: object) -> None:
    """A body that is no array is refused as unreadable."""
    assert api.ask("POST", "/populate", body).body["error"] == "bad request body: an array of proxies is wanted"


def test_reset_enables_every_proxy_and_removes_every_toxic(api: ApiClient, late: dict[str, Any]) -> None:
    """After a reset every proxy listens at its port and has no toxic."""
    before = api.ask("POST", "/proxies/db", {"enabled": False}).body
    answer = api.ask("POST", "/reset")
    assert (answer.status, answer.text) == (204, "")
    assert api.ask("GET", "/proxies").body == {"db": before | {"enabled": True, "toxics": []}}


def test_reset_tells_when_a_proxy_cannot_be_enabled(api: ApiClient, taken: str) -> None:
    """A reset whose proxy's address is taken answers with the reason."""
    api.create("db", NOWHERE, listen=taken, enabled=False)
    assert refused(api.ask("POST", "/reset")) == (500, f"listen tcp {taken}: bind: address already in use")


def test_reset_goes_through_all_proxies_whichever_cannot_be_enabled(api: ApiClient, taken: str) -> None:
    """No proxy keeps its toxics because another one's address is taken."""
    api.create("a", NOWHERE, listen=taken, enabled=False)
    for name in ("a", "b"):
        if name == "b":
            api.create("b", NOWHERE)
        api.add(name, "latency")
    assert api.ask("POST", "/reset").status == 500
    assert [proxy["toxics"] for proxy in api.ask("GET", "/proxies").body.values()] == [[], []]


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400, "1e39", "NaN", "Infinity"])
def test_a_toxicity_that_no_answer_could_show_is_refused(api: ApiClient, db: dict[str, Any], number: str) -> None:
    """It would be infinite, or no number: whoever lists the proxies could not be answered."""
    data = f'{{"type": "noop", "name": "much", "toxicity": {number}}}'
    assert refused(api.ask("POST", "/proxies/db/toxics", data=data))[0] == 400
    api.add("db", "noop")
    assert refused(api.ask("POST", "/proxies/db/toxics/noop_downstream", data=f'{{"toxicity": {number}}}'))[0] == 400
    assert [toxic["toxicity"] for toxic in api.ask("GET", "/proxies/db/toxics").body] == [1.0]


def test_half_of_a_character_is_replaced_wherever_it_stands(api: ApiClient) -> None:
    """As in Toxiproxy: what was made can be listed, counted and deleted."""
    data = r'{"name": "a\ud800", "upstream": "\udfff:9", "\ud800": ["\ud800"]}'
    made = api.ask("POST", "/proxies", data=data)
    assert (made.status, made.body["name"], made.body["upstream"]) == (201, "a\ufffd", "\ufffd:9")
    path = "/proxies/a%EF%BF%BD"
    toxic = api.ask("POST", f"{path}/toxics", data=r'{"type": "noop", "name": "\udc00"}')
    assert (toxic.status, toxic.body["name"]) == (200, "\ufffd")
    assert api.ask("GET", "/proxies").status == api.ask("GET", "/metrics").status == 200
    assert api.ask("DELETE", f"{path}/toxics/%EF%BF%BD").status == 204
    assert api.ask("DELETE", path).status == 204
    assert api.ask("POST", "/proxies", data=r'{"name": "\ud83d\ude00", "upstream": "127.0.0.1:1"}').body["name"] == "\U0001f600"


@pytest.mark.parametrize("name", ["a/b", "/", ".", "..", "a" * 4_001, "\U0001f600" * 334], ids=lambda name: name[:3])
def test_what_no_path_can_name_is_not_made(api: ApiClient, db: dict[str, Any], name: str) -> None:
    """It could never be deleted."""
    body = {"name": name, "upstream": NOWHERE}
    assert refused(api.ask("POST", "/proxies", body))[0] == 400
    assert api.ask("POST", "/populate", [body]).status == 400
    assert refused(api.ask("POST", "/proxies/db/toxics", {"name": name, "type": "noop"}))[0] == 400
    assert api.ask("GET", "/proxies").body == {"db": db}


@pytest.mark.parametrize("character", ["a", "%", "\n", "\x00", "ü", "日", "\U0001f600"])
@pytest.mark.parametrize("longest", [True, False])
def test_whatever_name_is_taken_can_be_shown_changed_and_deleted(api: ApiClient, character: str, *, longest: bool) -> None:
    """A toxic of the longest name on a proxy of the longest, too, whatever a path makes of its characters; a longer one is not made."""
    name = character * (4_000 // len(quote(character)) if longest else 4_000)
    made = api.ask("POST", "/proxies", {"name": name, "upstream": NOWHERE})
    if made.status == 400 and not longest:
        return
    path = f"/proxies/{quote(name)}"
    assert made.status == 201
    assert api.ask("POST", f"{path}/toxics", {"name": name, "type": "noop"}).status == 200
    path_of_toxic = f"{path}/toxics/{quote(name)}"
    assert api.ask("GET", path_of_toxic).body["name"] == name
    assert api.ask("PATCH", path_of_toxic, {"toxicity": 0.5}).body["toxicity"] == 0.5
    assert [api.ask("DELETE", each).status for each in (path_of_toxic, path)] == [204, 204]


def test_a_client_that_leaves_within_its_body_is_no_error(api: ApiClient) -> None:
    """Nobody logs a traceback, and the next request is answered."""
    logged = AsyncioWarnings()
    logging.getLogger("uvicorn.error").addHandler(logged)
    try:
        for _ in range(5):
            with socket.create_connection((api.host, api.port)) as client:
                client.sendall(b"POST /proxies HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            assert api.ask("GET", "/version").status == 200
    finally:
        logging.getLogger("uvicorn.error").removeHandler(logged)
    assert logged.lines == []


def test_a_toxic_is_made_with_a_type(api: ApiClient, late: dict[str, Any]) -> None:
    """The rest is as documented: downstream, on every connection, named after type and stream, attributes 0 that are not given."""
    assert late == {
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 1.0,
        "attributes": {"latency": 5, "jitter": 0},
    }
    assert api.ask("GET", "/proxies/db/toxics").body == [late]
    assert api.ask("GET", "/proxies/db/toxics/latency_downstream").body == late
    assert api.ask("GET", "/proxies/db").body["toxics"] == [late]


def test_a_toxic_is_made_as_it_is_asked_for(api: ApiClient, db: dict[str, Any]) -> None:
    """Every field is used, and attributes that the type does not have are ignored."""
    asked = {"name": "slow", "type": "bandwidth", "stream": "upstream", "toxicity": 0.25, "attributes": {"rate": 7}}
    answer = api.ask("POST", "/proxies/db/toxics", asked | {"attributes": {"rate": 7, "colour": 3}})
    assert (answer.status, answer.body) == (200, asked)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("bandwidth", {"rate"}),
        ("latency", {"latency", "jitter"}),
        ("limit_data", {"bytes"}),
        ("noop", set()),
        ("reset_peer", {"timeout"}),
        ("slicer", {"average_size", "size_variation", "delay"}),
        ("slow_close", {"delay"}),
        ("timeout", {"timeout"}),
    ],
)
def test_every_documented_type_is_known(api: ApiClient, db: dict[str, Any], kind: str, attributes: set[str]) -> None:
    """Each has the documented attributes, all 0 when not given."""
    answer = api.ask("POST", "/proxies/db/toxics", {"type": kind})
    assert (answer.status, answer.body["attributes"]) == (200, dict.fromkeys(attributes, 0))


def test_a_stream_may_be_spelt_in_any_case(api: ApiClient, db: dict[str, Any]) -> None:
    """A stream is shown as it was spelt, also in the name of the toxic."""
    made = api.ask("POST", "/proxies/db/toxics", {"type": "noop", "stream": "UpStream"}).body
    assert (made["stream"], made["name"]) == ("UpStream", "noop_UpStream")


def test_toxics_are_listed_upstream_first(api: ApiClient, db: dict[str, Any]) -> None:
    """Within a stream toxics are listed in the order in which they were added, which is that in which bytes meet them."""
    for name, stream in (("1", "downstream"), ("2", "upstream"), ("3", "downstream"), ("4", "upstream")):
        api.ask("POST", "/proxies/db/toxics", {"name": name, "type": "noop", "stream": stream})
    assert [toxic["name"] for toxic in api.ask("GET", "/proxies/db/toxics").body] == ["2", "4", "1", "3"]


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ({}, 400, "invalid toxic type"),
        ({"type": ""}, 400, "invalid toxic type"),
        ({"type": "Latency"}, 400, "invalid toxic type"),
        ({"type": "lag"}, 400, "invalid toxic type"),
        ({"type": "__init__"}, 400, "invalid toxic type"),
        ({"type": "lag", "stream": "sideways"}, 400, "stream was invalid, can be either upstream or downstream"),
        ({"type": "noop", "stream": ""}, 400, "stream was invalid, can be either upstream or downstream"),
        ({"type": "latency"}, 409, "toxic already exists"),
        ({"type": "noop", "stream": "upstream", "name": "latency_downstream"}, 409, "toxic already exists"),
        ({"type": 1}, 400, "bad request body: type must be a str"),
        ({"type": "noop", "toxicity": "all"}, 400, "bad request body: toxicity must be a number"),
        ({"type": "noop", "toxicity": True}, 400, "bad request body: toxicity must be a number"),
        ({"type": "noop", "attributes": []}, 400, "bad request body: an object is wanted"),
        *(
            (
                {"type": "latency", "name": "t", "attributes": {"latency": value}},
                400,
                f"bad request body: attribute latency must be {words}",
            )
            for value in NO_NUMBERS
            for words in ["a whole number of 64 bits"]
        ),
    ],
)
def test_a_toxic_that_is_wrong_is_refused(api: ApiClient, late: dict[str, Any], body: object, status: int, error: str) -> None:
    """The answer says what is wrong, and the toxics stay as they were."""
    assert refused(api.ask("POST", "/proxies/db/toxics", body)) == (status, error)
    assert api.ask("GET", "/proxies/db/toxics").body == [late]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_update_of_a_toxic_changes_attributes_and_toxicity_only(api: ApiClient, late: dict[str, Any], method: str) -> None:
    """An update changes the attributes and the toxicity that it gives, and never name, type or stream."""
    changes = {"name": "other", "type": "noop", "stream": "upstream", "attributes": {"jitter": 1}}
    answer = api.ask(method, "/proxies/db/toxics/latency_downstream", changes)
    assert (answer.status, answer.body) == (200, late | {"attributes": {"latency": 5, "jitter": 1}})
    answer = api.ask(method, "/proxies/db/toxics/latency_downstream", {"toxicity": 0})
    assert answer.body == late | {"attributes": {"latency": 5, "jitter": 1}, "toxicity": 0.0}
    assert api.ask("GET", "/proxies/db/toxics").body == [answer.body]


def test_an_update_of_a_toxic_that_is_wrong_changes_nothing(api: ApiClient, late: dict[str, Any]) -> None:
    """A wrong update also leaves the fields alone that were right in it."""
    changes = {"toxicity": 0.5, "attributes": {"latency": "long"}}
    assert refused(api.ask("PATCH", "/proxies/db/toxics/latency_downstream", changes))[0] == 400
    assert api.ask("GET", "/proxies/db/toxics").body == [late]


def test_a_removed_toxic_is_gone(api: ApiClient, late: dict[str, Any]) -> None:
    """Removing a toxic answers with nothing, and its name can be used again."""
    answer = api.ask("DELETE", "/proxies/db/toxics/latency_downstream")
    assert (answer.status, answer.text, api.ask("GET", "/proxies/db/toxics").body) == (204, "", [])
    assert api.ask("POST", "/proxies/db/toxics", {"type": "latency"}).status == 200


def test_a_slow_sender_delays_no_other_request(api: ApiClient) -> None:
    """While the body of one request is missing, another is answered."""
    with socket.create_connection((api.host, api.port)) as raw:
        raw.sendall(b"POST /proxies HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{")
        assert is_silent(raw)
        api.create("db", NOWHERE)


class TestToxiproxyPython:
    """The client package that drives the fault proxy works on the bundled server as it does on the official one."""

    @pytest.fixture
    def client(self, api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Point the package at the server; it keeps the address in a class."""
        monkeypatch.setattr(APIConsumer, "host", api.host)
        monkeypatch.setattr(APIConsumer, "port", api.port)
        return Toxiproxy()

    def test_a_proxy_lives_and_dies(self, client: Any) -> None:
        """Create, look up, disable, enable and destroy do what they say."""
        assert client.running()
        proxy = client.create(name="db", upstream=NOWHERE)
        address = read_address(proxy.listen)
        assert client.get_proxy("db").enabled
        with proxy.down():
            assert is_refused(address)
        assert not is_refused(address)
        assert client.destroy(proxy)
        assert client.proxies() == {}

    def test_a_proxy_can_be_made_disabled_and_all_can_be_destroyed(self, client: Any) -> None:
        """A proxy is created disabled, the version is answered, and all proxies are destroyed."""
        assert not client.create(name="db", upstream=NOWHERE, listen="127.0.0.1:0", enabled=False).enabled
        client.create(name="cache", upstream=NOWHERE)
        assert set(client.proxies()) == {"db", "cache"}
        client.destroy_all()
        assert client.proxies() == {}
        assert b"2.12.0" in client.version()

    def test_a_toxic_lives_and_dies(self, client: Any) -> None:
        """Add, look up, and destroy do what they say."""
        proxy = client.create(name="db", upstream=NOWHERE)
        proxy.add_toxic(type="latency", attributes={"latency": 5})
        toxic = proxy.get_toxic("latency_downstream")
        assert (toxic.type, toxic.stream, toxic.toxicity, toxic.attributes) == ("latency", "downstream", 1.0, {"latency": 5, "jitter": 0})
        assert proxy.destroy_toxic("latency_downstream")
        assert proxy.toxics() == {}

    def test_its_exceptions_are_raised(self, client: Any) -> None:
        """Each status is the exception that the package has for it."""
        proxy = client.create(name="db", upstream=NOWHERE)
        with pytest.raises(ProxyExists):
            APIConsumer.post("/proxies", json={"name": "db", "upstream": NOWHERE})
        with pytest.raises(InvalidToxic, match="invalid toxic type"):
            proxy.add_toxic(type="lag")
        with pytest.raises(NotFound, match="toxic not found"):
            proxy.destroy_toxic("lag_downstream")

    def test_populate_and_reset_work(self, client: Any) -> None:
        """A list of proxies is made, and a reset removes what was done to them."""
        (proxy,) = client.populate([{"name": "db", "upstream": NOWHERE, "listen": "127.0.0.1:0"}])
        proxy.add_toxic(type="timeout", attributes={"timeout": 0})
        assert client.reset()
        assert proxy.toxics() == {}
