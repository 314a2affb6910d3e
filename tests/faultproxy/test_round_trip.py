"""What the fault proxy shows of its proxies can be sent back to it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests

from testbed.faultproxy import toxics
from testbed.faultproxy.api import IGNORED
from testbed.faultproxy.toxic_fields import MAX_ATTRIBUTE, MAX_TOXICITY
from tests.faultproxy.servers import is_refused, read_address
from tests.mutations import times

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faultproxy.servers import ApiClient

SEED = 2013
NOWHERE = "127.0.0.1:1"
NAMES = ("db", "DB", "db.1", "a b", "%2F", "größe", "\x1b[31m", "\u202e", "x" * 300, "[0]", "enabled")
NUMBERS = (0, 1, 7, 10**6, -1, MAX_ATTRIBUTE, -MAX_ATTRIBUTE)
TOXICITIES = (0, 1, 1.0, 0.5, 0.1, 1e-9, 3, -1, MAX_TOXICITY)
CLI = {"User-Agent": "toxiproxy-cli"}


def some_toxics(chance: random.Random) -> list[dict[str, Any]]:
    """Return toxics with as many of their fields as chance gives them; most names are the default's."""
    made: dict[str, dict[str, Any]] = {}
    for kind in chance.choices(toxics.names(), k=chance.randrange(4)):
        attributes = [attribute.name for attribute in fields(toxics.load(kind)) if chance.random() < 0.7]  # type: ignore[arg-type]
        toxic: dict[str, Any] = {"type": kind, "attributes": {name: chance.choice(NUMBERS) for name in attributes}}
        options = {"stream": chance.choice(["upstream", "downstream", "UpStream"]), "toxicity": chance.choice(TOXICITIES)}
        toxic |= {name: value for name, value in options.items() if chance.random() < 0.7}
        if chance.random() < 0.3:
            toxic["name"] = chance.choice(NAMES)
        made[toxic.get("name") or f"{kind}_{toxic.get('stream', 'downstream')}"] = toxic
    return list(made.values())


def some_proxies(chance: random.Random) -> list[dict[str, Any]]:
    """Return proxies with as many of their fields as chance gives them."""
    proxies = []
    for name in chance.sample(NAMES, k=chance.randrange(5)):
        proxy: dict[str, Any] = {"name": name, "upstream": chance.choice([NOWHERE, "nowhere:1"])}
        options = {
            "listen": chance.choice(["", "127.0.0.1:0", "localhost:0"]),
            "enabled": chance.random() < 0.6,
            "toxics": some_toxics(chance),
        }
        proxies.append(proxy | {name: value for name, value in options.items() if chance.random() < 0.8})
    return proxies


def change(chance: random.Random, api: ApiClient, proxy: dict[str, Any]) -> None:
    """Change a proxy as its user may: its toxics, its upstream, whether it is enabled, or whether it is there."""
    path = f"/proxies/{quote(proxy['name'], safe='')}"
    for toxic in proxy["toxics"]:
        how = chance.choice(["keep", "change", "remove"])
        if how == "change":
            api.ask("PATCH", f"{path}/toxics/{quote(toxic['name'], safe='')}", {"toxicity": chance.choice(TOXICITIES)})
        elif how == "remove":
            api.ask("DELETE", f"{path}/toxics/{quote(toxic['name'], safe='')}")
    for toxic in some_toxics(chance):
        api.ask("POST", f"{path}/toxics", toxic)
    how = chance.choice(["keep", "disable", "enable", "upstream", "delete"])
    if how in ("disable", "enable"):
        api.ask("PATCH", path, {"enabled": how == "enable"})
    elif how == "upstream":
        api.ask("PATCH", path, {"upstream": "127.0.0.1:2", "enabled": proxy["enabled"]})
    elif how == "delete":
        api.ask("DELETE", path)


def test_proxies_are_again_what_was_shown_of_them(api: ApiClient) -> None:
    """As an array and as the object that they are shown in; where they are, were changed, and are no more; nothing of it is ignored."""
    chance = random.Random(SEED)
    seen: set[str] = set()
    for _ in range(times(500, quick=20)):
        for proxy in some_proxies(chance):
            made = api.ask("POST", "/proxies", proxy)
            assert (made.status, made.headers.get(IGNORED.lower())) == (201, None), (proxy, made)
        shown = api.ask("GET", "/proxies").body
        entries = list(shown.values())
        seen |= {toxic["type"] for proxy in entries for toxic in proxy["toxics"]}

        def assert_back(ways: list[tuple[str, Any]], shown: dict[str, Any] = shown) -> None:
            for path, body in ways:
                answer = api.ask("POST", path, body)
                assert (answer.status // 100, answer.headers.get(IGNORED.lower())) == (2, None), (body, answer)
            assert api.ask("GET", "/proxies").body == shown

        populate: list[list[tuple[str, Any]]] = [[("/populate", shown)], [("/populate", entries)]]
        for way in populate:
            assert_back(way)
            for proxy in entries:
                change(chance, api, proxy)
            assert_back(way)
        assert_back([(f"/proxies/{quote(name, safe='')}", proxy) for name, proxy in shown.items()])
        for way in [*populate, [("/proxies", proxy) for proxy in entries]]:
            api.clear()
            assert_back(way)
        api.clear()
    assert seen == set(toxics.names())


def test_what_was_shown_can_be_a_file_to_start_with(api: ApiClient, tmp_path: Path) -> None:
    """Another server has the same proxies then."""
    api.ask(
        "POST", "/proxies", {"name": "off", "upstream": NOWHERE, "listen": "127.0.0.1:1", "enabled": False, "toxics": [{"type": "slicer"}]}
    )
    api.ask("POST", "/proxies", {"name": "on", "upstream": NOWHERE, "toxics": [{"type": "silence"}, {"type": "latency", "toxicity": 0.1}]})
    shown = api.ask("GET", "/proxies").body
    api.clear()
    config = tmp_path / "saved.json"
    config.write_text(json.dumps(shown))
    command = [sys.executable, "-m", "testbed.faultproxy", "--port=0", f"--config={config}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        there = requests.get(f"http://{server.stdout.readline().split()[-1]}/proxies", timeout=10).json()
        server.terminate()
        _, errors = server.communicate(timeout=20)
    assert (there, errors) == (shown, "")


@pytest.mark.parametrize("entry", [{"enabled": False, "toxics": []}, {"enabled": False}])
def test_populate_disables_a_known_proxy_only_where_the_entry_says_all_of_it(api: ApiClient, entry: dict[str, Any]) -> None:
    """With toxics it does; without, it is Toxiproxy's, which leaves a proxy alone whose addresses are the same, and then this is told."""
    known = api.create("db", NOWHERE)
    answer = api.ask("POST", "/populate", [known | {"toxics": None} | entry])
    is_whole = "toxics" in entry
    assert (answer.status, answer.headers.get(IGNORED.lower())) == (201, None if is_whole else "[0].enabled")
    assert answer.body["proxies"] == [known | {"enabled": not is_whole}]
    assert is_refused(read_address(known["listen"])) == is_whole


def test_a_name_must_be_the_one_that_its_proxy_stands_under(api: ApiClient) -> None:
    """An entry without one has that name; nothing is made where another is given."""
    answer = api.ask("POST", "/populate", {"a": {"upstream": NOWHERE}, "b": {"name": "c", "upstream": NOWHERE}})
    assert (answer.status, answer.body["error"]) == (400, "bad request body: name at proxy 2 must be the one that it stands under")
    assert api.ask("POST", "/populate", {"a": {"upstream": NOWHERE}}).body["proxies"][0]["name"] == "a"


def test_the_requests_of_the_official_command_line_are_taken(api: ApiClient) -> None:
    """It sends every field of a proxy with each change, and `null` for the toxics of a new one; nothing of that is told as ignored."""
    made = api.ask("POST", "/proxies", {"name": "db", "listen": "127.0.0.1:0", "upstream": NOWHERE, "enabled": True, "toxics": None}, **CLI)
    toxic = {"name": "", "type": "latency", "stream": "downstream", "toxicity": 1, "attributes": {"latency": 100}}
    added = api.ask("POST", "/proxies/db/toxics", toxic, **CLI)
    shown = api.ask("GET", "/proxies/db", **CLI)
    off = api.ask("POST", "/proxies/db", shown.body | {"enabled": False}, **CLI)
    changed = api.ask("PATCH", "/proxies/db/toxics/latency_downstream", {"attributes": {"latency": 5}, "toxicity": 0.5}, **CLI)
    again = api.ask("POST", "/populate", [made.body | {"toxics": None}], **CLI)
    answers = (made, added, shown, off, changed)
    assert [answer.status for answer in (*answers, again)] == [201, 200, 200, 200, 200, 201]
    assert [IGNORED.lower() in answer.headers for answer in answers] == [False] * 5
    assert again.body["proxies"] == [shown.body | {"enabled": False, "toxics": [changed.body]}]
    assert again.headers[IGNORED.lower()] == "[0].enabled"
