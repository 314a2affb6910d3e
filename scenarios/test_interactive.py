"""The night played by hand, with the commands as a class types them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import requests

from scenarios.terminals import WITHIN_S, terminals
from testbed.journal import reader

if TYPE_CHECKING:
    import pytest

ANSWERS_WITHIN_S = 5.0


def opened(status: str) -> dict[str, int]:
    """Open `/health` and `/metrics` of every address in a status, and `/admin/pool` of application servers; gives HTTP statuses."""
    addresses = dict(re.findall(r"^(\S+) +(http://\S+) ", status, re.MULTILINE))
    paths = [(name, path) for name in addresses for path in ("health", "metrics", *(["admin/pool"] if name.startswith("cf-") else []))]
    return {f"{name}/{path}": requests.get(f"{addresses[name]}/{path}", timeout=ANSWERS_WITHIN_S).status_code for name, path in paths}


def test_a_class_grounds_the_airline_and_brings_it_back_by_hand(runtime: str, request: pytest.FixtureRequest) -> None:
    """Up, switchover, load until it hangs, forty threads at the checkout, restart, and service is back; then nothing is left."""
    if runtime == "containers":
        request.getfixturevalue("engine")
    with terminals() as class_:
        assert class_.testbed("status") == (3, "testbed: no facility is up; start one with `testbed up`\n")
        with class_.up("--runtime", runtime) as held:
            assert class_.testbed("up")[0] == 3
            steps = class_.testbed("switchover")[1]
            assert re.findall(r"^(\d)\. .* \d+\.\d\d s$", steps, re.MULTILINE) == list("12345")
            assert "80 failed" in class_.testbed("load", "--rate", "100", "--seconds", "4")[1]
            code, dump = class_.testbed("threads", "cf-1")
            assert (code, dump.splitlines()[0]) == (
                0,
                "40 of 40 request threads: waiting for a connection from the pool, within lookup_by_city",
            )
            assert class_.testbed("threads", "cf-9") == (2, "testbed: no service 'cf-9'; there are cf-1, cf-2, kiosk, ivr, partner\n")
            status = class_.testbed("status")[1]
            assert "40/40 blocked" in status
            assert len(found := opened(status)) == 12
            assert set(found.values()) == {200}, found  # grounded as it is, monitoring is green
            assert [class_.testbed("restart", name)[0] for name in ("cf-1", "cf-2")] == [0, 0]
            assert set(opened(class_.testbed("status")[1]).values()) == {200}  # also where the new ones have other addresses
            last = class_.testbed("load", "--rate", "50", "--seconds", "1", "--seed", "7")[1].splitlines()[-1]
            assert last == "50 sent: 50 answered, 0 failed, 0 still waiting (unanswered)"
            assert class_.testbed("down") == (0, "everything was taken down\n")
            assert held.wait(WITHIN_S) == 0
        assert list(class_.home.glob("testbed-*/*")) == []
        kept = reader.read(next(class_.home.glob("runs/*/original.jsonl")))
        assert kept.end is not None
        assert kept.end.reason == "complete"
        assert kept.header.runtime == runtime
