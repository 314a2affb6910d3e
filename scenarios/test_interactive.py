"""The night played by hand, with the interactive commands as they are typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import requests

from scenarios.terminals import WITHIN_S, open_terminals
from testbed.journal import reader

if TYPE_CHECKING:
    import pytest

ANSWERS_WITHIN_S = 5.0


def opened(status: str) -> dict[str, int]:
    """Open `/health` and `/metrics` of every address in a status, and `/admin/pool` of application servers; return HTTP statuses."""
    addresses = dict(re.findall(r"^(\S+) +(http://\S+) ", status, re.MULTILINE))
    paths = [(name, path) for name in addresses for path in ("health", "metrics", *(["admin/pool"] if name.startswith("cf-") else []))]
    return {f"{name}/{path}": requests.get(f"{addresses[name]}/{path}", timeout=ANSWERS_WITHIN_S).status_code for name, path in paths}


def test_the_night_by_hand_grounds_the_airline_and_two_restarts_bring_it_back(runtime: str, request: pytest.FixtureRequest) -> None:
    """Up, switchover, load until it hangs, forty threads at the checkout, restart, and service is back; then nothing is left."""
    if runtime == "containers":
        request.getfixturevalue("engine")
    with open_terminals() as terminals:
        assert terminals.testbed("status") == (3, "testbed: no facility is running; start one with `testbed up`\n")
        with terminals.up("--runtime", runtime) as process:
            assert terminals.testbed("up")[0] == 3
            steps = terminals.testbed("switchover")[1]
            assert re.findall(r"^(\d)\. .* \d+\.\d\d s$", steps, re.MULTILINE) == list("12345")
            assert "80 failed" in terminals.testbed("load", "--rate", "100", "--seconds", "4")[1]
            code, dump = terminals.testbed("threads", "cf-1")
            assert (code, dump.splitlines()[0]) == (
                0,
                "40 of 40 request threads: waiting for a connection from the pool, within lookup_by_city",
            )
            assert terminals.testbed("threads", "cf-9") == (
                2,
                "testbed: no service 'cf-9', did you mean cf-2?; there are cf-1, cf-2, kiosk, ivr, partner\n",
            )
            status = terminals.testbed("status")[1]
            assert "40/40 blocked" in status
            assert len(found := opened(status)) == 12
            assert set(found.values()) == {200}, found  # grounded as it is, monitoring is green
            assert [terminals.testbed("restart", name)[0] for name in ("cf-1", "cf-2")] == [0, 0]
            assert set(opened(terminals.testbed("status")[1]).values()) == {200}  # also where the new ones have other addresses
            last = terminals.testbed("load", "--rate", "50", "--seconds", "1", "--seed", "7")[1].splitlines()[-1]
            assert last == "50 sent: 50 answered, 0 failed, 0 still waiting (unanswered)"
            assert terminals.testbed("down") == (0, "everything was taken down\n")
            assert process.wait(WITHIN_S) == 0
        assert list(terminals.home.glob("testbed-*/*")) == []
        journal = reader.read(next(terminals.home.glob("runs/*/original.jsonl")))
        assert journal.end is not None
        assert journal.end.reason == "complete"
        assert journal.header.runtime == runtime
