"""Toxics that are given with a proxy, and fields that mean nothing."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests

from testbed.faultproxy.api import IGNORED, MOST_IGNORED
from testbed.faultproxy.toxics import names

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faultproxy.servers import ApiAnswer, ApiClient, Wire

NOWHERE = "127.0.0.1:1"
COMMAND = (sys.executable, "-m", "testbed.faultproxy", "-host=127.0.0.1", "-port=0")
SLOW = {"name": "slow", "type": "latency", "stream": "downstream", "toxicity": 0.5, "attributes": {"latency": 30, "jitter": 0}}
CUT = {"name": "cut", "type": "limit_data", "stream": "upstream", "toxicity": 1.0, "attributes": {"bytes": 7}}


def entry(**fields: object) -> dict[str, object]:
    """Return what is sent of a proxy."""
    return {"name": "db", "listen": "127.0.0.1:0", "upstream": NOWHERE, **fields}


def ignored(answer: ApiAnswer) -> str | None:
    """Return what an answer says that it ignored."""
    return answer.headers.get(IGNORED.lower())


@pytest.mark.parametrize("path", ["/proxies", "/populate"])
def test_toxics_given_with_a_proxy_are_on_it_at_once(api: ApiClient, path: str) -> None:
    """They are in its answer, in the list, and each has its own place below the proxy; nothing of them is ignored."""
    body: Any = entry(toxics=[CUT, SLOW])
    answer = api.ask("POST", path, body if path == "/proxies" else [body])
    made = answer.body if path == "/proxies" else answer.body["proxies"][0]
    assert (answer.status, made["toxics"], ignored(answer)) == (201, [CUT, SLOW], None)
    assert api.ask("GET", "/proxies/db/toxics").body == [CUT, SLOW]
    assert api.ask("GET", "/proxies/db/toxics/slow").body == SLOW


def test_the_first_connection_meets_the_toxics_given_with_its_proxy(wire: Wire) -> None:
    """There is no moment at which the proxy listens without them."""
    shown = wire.api.ask("GET", "/proxies/wire").body
    wire.api.ask("DELETE", "/proxies/wire")
    refusing = {"type": "refuse_first", "attributes": {"connections": 1}}
    body = {"name": "wire", "listen": shown["listen"], "upstream": shown["upstream"], "toxics": [refusing]}
    assert wire.api.ask("POST", "/proxies", body).status == 201
    host, _, port = shown["listen"].rpartition(":")
    with pytest.raises(ConnectionResetError), socket.create_connection((host, int(port)), 10) as refused:  # it may be reset at once
        refused.recv(1)


def test_what_is_shown_can_be_sent_back(api: ApiClient) -> None:
    """All proxies, as they are listed, make the same proxies elsewhere, and change nothing where they are."""
    for name, toxics in (("a", []), ("b", [CUT, SLOW])):
        api.ask("POST", "/proxies", entry(name=name, toxics=toxics))
    shown = list(api.ask("GET", "/proxies").body.values())
    same = api.ask("POST", "/populate", shown)
    assert (same.body["proxies"], ignored(same)) == (shown, None)
    assert ignored(api.ask("POST", "/proxies/b", shown[1])) is None
    api.clear()
    assert api.ask("POST", "/populate", shown).body["proxies"] == shown


def test_populate_gives_a_known_proxy_the_toxics_of_the_entry(api: ApiClient) -> None:
    """An entry with toxics says all of them; one without leaves them as they are."""
    listen = api.ask("POST", "/proxies", entry(toxics=[SLOW])).body["listen"]
    for given, then in (({}, [SLOW]), ({"toxics": None}, [SLOW]), ({"toxics": [CUT]}, [CUT]), ({"toxics": []}, [])):
        assert api.ask("POST", "/populate", [entry(listen=listen, **given)]).body["proxies"][0]["toxics"] == then


ALLOWED = "; allowed: " + ", ".join(names())


@pytest.mark.parametrize(
    ("toxics", "status", "error"),
    [
        ({}, 400, "bad request body: toxics must be a list"),
        ([SLOW, SLOW], 409, 'toxics[1].name (toxic "slow" of proxy "db"): toxic already exists; found "slow"'),
        (
            [SLOW, {"type": "no_such"}],
            400,
            f'toxics[1].type (toxic "no_such_downstream" of proxy "db"): invalid toxic type; found "no_such"{ALLOWED}',
        ),
        ([1], 400, 'toxics[0] (proxy "db"): bad request body: an object is wanted; found 1'),
        (
            [{**SLOW, "attributes": {"latency": "x"}}],
            400,
            (
                'toxics[0].attributes.latency (toxic "slow" of proxy "db"): '
                'bad request body: attribute latency must be a whole number of 64 bits; found "x"'
            ),
        ),
        (
            [{**SLOW, "attributes": [1]}],
            400,
            'toxics[0].attributes (toxic "slow" of proxy "db"): bad request body: an object is wanted; found a list',
        ),
        (
            [{**SLOW, "stream": "side\x1bways\u202e"}],
            400,
            (
                'toxics[0].stream (toxic "slow" of proxy "db"): stream was invalid, can be either upstream or downstream; '
                r'found "side\u001bways\u202e"'
            ),
        ),
        (
            [{**SLOW, "toxicity": "all"}],
            400,
            'toxics[0].toxicity (toxic "slow" of proxy "db"): bad request body: toxicity must be a number; found "all"',
        ),
    ],
)
def test_a_proxy_with_a_wrong_toxic_is_not_made(api: ApiClient, toxics: object, status: int, error: str) -> None:
    """The answer names field, toxic and proxy, what was found and what is allowed; of many proxies nothing is made."""
    answer = api.ask("POST", "/proxies", entry(toxics=toxics))
    assert (answer.status, answer.body["error"]) == (status, error)
    answer = api.ask("POST", "/populate", [entry(name="a"), entry(toxics=toxics)])
    assert (answer.status, answer.body["error"]) == (status, error.replace("toxics[", "[1].toxics["))
    assert answer.body["proxies"] is None
    assert api.ask("GET", "/proxies").body == {}


def test_a_wrong_toxic_is_told_in_bounds(api: ApiClient) -> None:
    """However long the names are, and what was found."""
    toxics = [{"name": "t" * 4_000, "type": "latency", "attributes": {"latency": "x" * 100_000}}]
    answer = api.ask("POST", "/populate", {"p" * 3_000: entry(name="p" * 3_000, toxics=toxics)})
    assert (answer.status, len(answer.body["error"]) < 400) == (400, True)


@pytest.mark.parametrize(
    ("method_and_path", "body", "told"),
    [
        ("POST /proxies", entry(upsteam="x", Enabled=True), "upsteam"),
        (
            "POST /proxies",
            entry(toxics=[{**SLOW, "attributes": {"latancy": 1}, "toxity": 1}]),
            "toxics[0].toxity, toxics[0].attributes.latancy",
        ),
        ("POST /populate", [entry(), entry(name="b", port=1)], "[1].port"),
        ("POST /proxies/wire", {"name": "other", "toxics": [SLOW]}, "name, toxics"),
        ("POST /proxies/wire/toxics", {"type": "latency", "latency": 100}, "latency"),
        ("POST /proxies/wire/toxics/cut", {"type": "latency", "name": "x", "stream": "downstream"}, "name, type, stream"),
        ("POST /proxies/wire/toxics/cut", {"attributes": {"latency": 1}}, "attributes.latency"),
        ("POST /proxies", entry(**{"é\r\nX-Other: 1": 1}), "%C3%A9%0D%0AX-Other%3A 1"),
        ("POST /proxies", {"Listen": "127.0.0.1:1", **entry()}, "Listen"),
        (
            "POST /populate",
            {"db": entry(port=1, toxics=[{**SLOW, "attributes": {"latancy": 1}}])},
            "db.port, db.toxics[0].attributes.latancy",
        ),
        ("POST /proxies/wire", {"toxics": [{"type": "no_such"}]}, "toxics"),
        ("POST /proxies/wire", {"toxics": {}}, "toxics"),
        ("POST /proxies/wire", {"toxics": [CUT, 1]}, "toxics"),
        ("POST /proxies/wire", {"toxics": [{**CUT, "colour": 1}]}, "toxics[0].colour"),
    ],
)
def test_a_field_that_means_nothing_is_told_of(
    wire: Wire, caplog: pytest.LogCaptureFixture, method_and_path: str, body: object, told: str
) -> None:
    """In a header of the answer, which is otherwise as if it had not been there, and in the log."""
    wire.api.ask("POST", "/proxies/wire/toxics", CUT)
    method, path = method_and_path.split()
    with caplog.at_level(logging.WARNING):
        answer = wire.api.ask(method, path, body)
    assert (answer.status // 100, ignored(answer)) == (2, told)
    assert f"{method} {path}: ignored: {told}" in caplog.text


def test_many_fields_that_mean_nothing_are_told_in_bounds(api: ApiClient) -> None:
    """A header has its length whatever is sent."""
    told = ignored(api.ask("POST", "/proxies", entry(**{f"field_{number}": 1 for number in range(10_000)})))
    assert told is not None
    assert told.startswith("field_0, field_1, ")
    assert len(told) <= MOST_IGNORED + 2


def test_the_proxies_of_a_file_have_its_toxics(tmp_path: Path) -> None:
    """What means nothing in the file is told on standard error, with the file's name."""
    config = tmp_path / "toxiproxy.json"
    config.write_text(json.dumps([entry(toxics=[SLOW], colour="red")]))
    with subprocess.Popen([*COMMAND, f"-config={config}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        shown = requests.get(f"http://{address}/proxies/db", timeout=10).json()
        server.terminate()
        _, errors = server.communicate(timeout=20)
    assert shown["toxics"] == [SLOW]
    assert f"{config}: ignored: [0].colour" in errors
