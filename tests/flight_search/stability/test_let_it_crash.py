from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest

from flight_search.stability.let_it_crash import REMEMBERED, WINDOW_S, Governor, LetItCrash, Replacements
from tests.flight_search.services import WITHIN_S, application_server, call, leak_all, service, wait_pool

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

# A process between the test and the server, so that the server's parent can be killed.
PARENT = """
import subprocess, sys
from testbed.runtime.child import launched
command = launched([sys.executable, "-m", "flight_search"], owner=None)
subprocess.Popen(command, pass_fds=[int(sys.argv[1])]).wait()
"""


class Stuck:
    """A server of 40 request threads, for as long as it is told."""

    limit = 40

    def __init__(self) -> None:
        self.stands_s = 0.0

    def look(self) -> float:
        """Give for how long it has been stuck."""
        return self.stands_s


class Watched:
    """A watchdog over such a server, under a clock of its own; every replacement is a new watchdog, which remembers."""

    def __init__(self, per_minute: int | None) -> None:
        self.server = Stuck()
        self.governor = Governor(per_minute)
        self.replaced(Replacements())

    def replaced(self, replacements: Replacements) -> None:
        """Be the new process."""
        remembered = Replacements.remembered({REMEMBERED: str(replacements)})
        self.dog = LetItCrash("cf-1", self.server, 0.5, self.governor, remembered, self.replaced)  # type: ignore[arg-type]

    def at(self, now_s: float, stands_s: float) -> int:
        """Look; gives how often the server was replaced by now."""
        self.server.stands_s = stands_s
        self.dog.look(now_s)
        return self.dog.replacements.total


def test_a_server_is_replaced_when_it_has_been_stuck_for_so_long_and_not_before() -> None:
    """Half a second is the limit; without a governor it is replaced as often as that."""
    watched = Watched(per_minute=None)
    assert [watched.at(100.0 + second, stands_s) for second, stands_s in enumerate((0.0, 0.4, 0.5, 0.1, 0.6, 0.7))] == [0, 0, 1, 1, 2, 3]


def test_a_governor_lets_so_many_replacements_happen_in_any_minute(capfd: pytest.CaptureFixture[str]) -> None:
    """Two at once, the third when the first is a minute ago; who is held back says so once, with when the next may be."""
    watched = Watched(per_minute=2)
    assert [watched.at(now_s, 1.0) for now_s in (100.0, 110.0, 120.0, 130.0, 159.0, 160.0, 161.0)] == [1, 2, 2, 2, 2, 3, 3]
    held = [line for line in capfd.readouterr().err.splitlines() if "not replaced" in line]
    told = "cf-1: all 40 request threads stuck, no request ended for 1.00 s; not replaced: the governor allows 2 replacements in 60 s"
    assert held == [f"{told}, the next in 40.0 s", f"{told}, the next in 9.0 s"]


def test_what_is_remembered_does_not_grow_without_bound() -> None:
    """All are counted, and only those of the last minute are kept, or the environment would one day be too large to execute with."""
    replacements = Replacements()
    for number in range(1000):
        replacements = Replacements.remembered({REMEMBERED: str(replacements.and_one(100.0 + number))})
    assert (replacements.total, len(replacements.recent_s)) == (1000, WINDOW_S)


@pytest.mark.variant("let_it_crash")
def test_a_server_that_is_stuck_replaces_itself_and_serves_again(
    conninfo: str, hanging: ThreadPoolExecutor, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its calls under way are cut, one that comes meanwhile waits and is answered, and its stacks are in its log."""
    with application_server(conninfo, LET_IT_CRASH_S="0.2") as server:
        leak_all(server, conninfo)
        stuck = [hanging.submit(call, server) for _ in range(2)]
        assert [one.result(WITHIN_S) for one in stuck] == [None, None]
        assert call(server) == 200
        seen = server.get("/admin/pool").json()
        assert (seen["replacements"], seen["leaked"]) == (1, 0)
        assert "replacements 1.0" in server.get("/metrics").text
    assert capfd.readouterr().err.count("in lookup_by_city") == 2


@pytest.mark.variant("governor")
def test_the_governor_s_memory_outlives_the_process(conninfo: str, hanging: ThreadPoolExecutor, capfd: pytest.CaptureFixture[str]) -> None:
    """One in a minute: the second time that it is stuck, its new process knows of the first, and leaves it as it is."""
    with application_server(conninfo, LET_IT_CRASH_S="0.2", GOVERNOR_PER_MINUTE="1") as server:
        for time in range(2):
            leak_all(server, conninfo)
            stuck = [hanging.submit(call, server) for _ in range(2)]
            if time == 0:
                assert [one.result(WITHIN_S) for one in stuck] == [None, None]
        wait_pool(server, waiting=2)
        told = ""
        for _ in range(2000):
            told += capfd.readouterr().err
            if "not replaced" in told:
                break
            server.get("/health")
        assert "the governor allows 1 replacements in 60 s" in told
        assert server.get("/admin/pool").json()["replacements"] == 1
        assert not any(one.done() for one in stuck)


@pytest.fixture
def port() -> int:
    """Give a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_a_server_that_binds_its_own_port_binds_it_anew(conninfo: str, hanging: ThreadPoolExecutor, port: int) -> None:
    """As in a container, where nobody hands it a socket: it is back at the same address."""
    given = {"DATABASE": conninfo, "PORT": str(port), "REQUEST_THREADS": "2", "POOL_SIZE": "2", "LET_IT_CRASH_S": "0.2"}
    with service("flight_search", **{f"FLIGHT_SEARCH_{name}": value for name, value in given.items()}) as unused:
        unused.close()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=WITHIN_S, trust_env=False) as server:
            _wait_listening(port)
            leak_all(server, conninfo)
            stuck = [hanging.submit(call, server) for _ in range(2)]
            assert [one.result(WITHIN_S) for one in stuck] == [None, None]
            _wait_listening(port)
        assert httpx.get(f"http://127.0.0.1:{port}/admin/pool", trust_env=False).json()["replacements"] == 1


def _wait_listening(port: int) -> None:
    """Wait until somebody listens at a port, for as long as ten seconds."""
    for _ in range(1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.01)
    raise AssertionError(f"nobody listens at {port}")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_a_server_that_replaced_itself_still_ends_with_who_started_it(conninfo: str, hanging: ThreadPoolExecutor) -> None:
    """The kernel's parent-death signal outlives the exec, so that not even a kill of the testbed leaves a server behind."""
    given = {"DATABASE": conninfo, "REQUEST_THREADS": "2", "POOL_SIZE": "2", "LET_IT_CRASH_S": "0.2"}
    environment = {f"FLIGHT_SEARCH_{name}": value for name, value in given.items()}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd, port = listener.fileno(), listener.getsockname()[1]
        environment["FLIGHT_SEARCH_LISTEN_FD"] = str(fd)
        parent = subprocess.Popen([sys.executable, "-c", PARENT, str(fd)], env={**os.environ, **environment}, pass_fds=(fd,))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=WITHIN_S, trust_env=False) as server:
            leak_all(server, conninfo)
            stuck = [hanging.submit(call, server) for _ in range(2)]
            assert [one.result(WITHIN_S) for one in stuck] == [None, None]
            assert server.get("/admin/pool").json()["replacements"] == 1
            with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S) as seen:
                parent.kill()
                with suppress(ConnectionResetError):  # the other way in which the kernel closes what the server had open
                    assert seen.recv(1) == b""
    finally:
        parent.kill()
        parent.wait()
