from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from flight_search.stability.let_it_crash import VARIABLE, WINDOW_S, Governor, LetItCrash, Replacements
from flight_search.stability.stuck import StuckDetector
from tests.flight_search.services import WITHIN_S, application_server, call, client_of, leak_all, service, wait_pool

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

# A process between the test and the server, so that the server's parent can be killed.
PARENT = """
import subprocess, sys
from testbed.runtime.child import launched
command = launched([sys.executable, "-m", "flight_search"], owner=None)
subprocess.Popen(command, pass_fds=[int(sys.argv[1])]).wait()
"""


class FakeDetector:
    """A detector of a server with 40 request threads, stuck for as long as a test says."""

    limit = 40
    reason = StuckDetector.reason

    def __init__(self) -> None:
        self.stuck_s = 0.0

    def sample(self) -> float:
        """Return for how long the server has been stuck."""
        return self.stuck_s


class WatchedServer:
    """A server and its watchdog; each replacement is a new watchdog, which reads what the one before left."""

    def __init__(self, per_minute: int | None) -> None:
        self.detector = FakeDetector()
        self.governor = Governor(per_minute)
        self.replaced(Replacements())

    def replaced(self, replacements: Replacements) -> None:
        """Stand in for the new process."""
        replacements = Replacements.from_environment({VARIABLE: str(replacements)})
        self.watchdog = LetItCrash("cf-1", self.detector, 0.5, self.governor, replacements, self.replaced)  # type: ignore[arg-type]

    def at(self, now_s: float, stuck_s: float) -> int:
        """Check the server; return how often it has been replaced."""
        self.detector.stuck_s = stuck_s
        self.watchdog.check(now_s)
        return self.watchdog.replacements.total


def test_a_server_is_replaced_once_it_has_been_stuck_for_its_limit() -> None:
    """With a limit of half a second and no governor, each check that finds it stuck for as long replaces it."""
    watched = WatchedServer(per_minute=None)
    assert [watched.at(100.0 + second, stuck_s) for second, stuck_s in enumerate((0.0, 0.4, 0.5, 0.1, 0.6, 0.7))] == [0, 0, 1, 1, 2, 3]


def test_a_governor_limits_replacements_in_any_minute(capfd: pytest.CaptureFixture[str]) -> None:
    """With two per minute, the third comes a minute after the first; a replacement held back is reported once, with the delay."""
    watched = WatchedServer(per_minute=2)
    assert [watched.at(now_s, 1.0) for now_s in (100.0, 110.0, 120.0, 130.0, 159.0, 160.0, 161.0)] == [1, 2, 2, 2, 2, 3, 3]
    reported = [line for line in capfd.readouterr().err.splitlines() if "not replaced" in line]
    reason = "cf-1: all 40 request threads stuck, no request ended for 1.00 s; not replaced: the governor allows 2 replacements in 60 s"
    assert reported == [f"{reason}, the next in 40.0 s", f"{reason}, the next in 9.0 s"]


def test_the_times_of_replacements_do_not_grow_without_bound() -> None:
    """All replacements are counted, but only times of the last minute are stored, so the environment stays small enough for exec."""
    replacements = Replacements()
    for number in range(1000):
        replacements = Replacements.from_environment({VARIABLE: str(replacements.plus_one(100.0 + number))})
    assert (replacements.total, len(replacements.recent_s)) == (1000, WINDOW_S)


@pytest.mark.variant("let_it_crash")
def test_a_server_that_is_stuck_replaces_itself_and_serves_again(
    conninfo: str, hanging: ThreadPoolExecutor, capfd: pytest.CaptureFixture[str]
) -> None:
    """Calls under way are cut, the next call is answered, and the stacks of all threads are on standard error."""
    with application_server(conninfo, service, LET_IT_CRASH_S="0.2") as server:
        leak_all(server, conninfo)
        stuck = [hanging.submit(call, server) for _ in range(2)]
        assert [future.result(WITHIN_S) for future in stuck] == [None, None]
        assert call(server) == 200
        pool = server.get("/admin/pool").json()
        assert (pool["replacements"], pool["leaked"]) == (1, 0)
        assert "replacements 1.0" in server.get("/metrics").text
    assert capfd.readouterr().err.count("in lookup_by_city") == 2


@pytest.mark.variant("governor")
def test_the_governor_s_memory_outlives_the_process(conninfo: str, hanging: ThreadPoolExecutor, capfd: pytest.CaptureFixture[str]) -> None:
    """With one per minute, the replacing process knows of its own replacement, and does not replace itself when it is stuck."""
    with application_server(conninfo, service, LET_IT_CRASH_S="0.2", GOVERNOR_PER_MINUTE="1") as server:
        for attempt in range(2):
            leak_all(server, conninfo)
            stuck = [hanging.submit(call, server) for _ in range(2)]
            if attempt == 0:
                assert [future.result(WITHIN_S) for future in stuck] == [None, None]
        wait_pool(server, waiting=2)
        errors = ""
        for _ in range(2000):
            errors += capfd.readouterr().err
            if "not replaced" in errors:
                break
            server.get("/health")
        assert "the governor allows 1 replacements in 60 s" in errors
        assert server.get("/admin/pool").json()["replacements"] == 1
        assert not any(future.done() for future in stuck)


@pytest.fixture
def port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_a_server_that_binds_its_own_port_binds_it_again(conninfo: str, hanging: ThreadPoolExecutor, port: int) -> None:
    """Without an inherited socket, as in a container, a replaced server is back at the same address."""
    values = {"DATABASE": conninfo, "PORT": str(port), "REQUEST_THREADS": "2", "POOL_SIZE": "2", "LET_IT_CRASH_S": "0.2"}
    with service("flight_search", **{f"FLIGHT_SEARCH_{name}": value for name, value in values.items()}) as unused:
        unused.close()
        with client_of(f"http://127.0.0.1:{port}") as server:
            _wait_listening(port)
            leak_all(server, conninfo)
            stuck = [hanging.submit(call, server) for _ in range(2)]
            assert [future.result(WITHIN_S) for future in stuck] == [None, None]
            _wait_listening(port)
        with client_of(f"http://127.0.0.1:{port}") as again:
            assert again.get("/admin/pool").json()["replacements"] == 1


def _wait_listening(port: int) -> None:
    """Wait until a process listens at a port, for ten seconds."""
    for _ in range(1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.01)
    raise AssertionError(f"nothing listened at port {port} within 10 s")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a process when its parent dies")
def test_a_server_that_replaced_itself_still_ends_with_its_parent(conninfo: str, hanging: ThreadPoolExecutor) -> None:
    """The parent-death signal survives the exec, so a killed testbed leaves no server behind."""
    values = {"DATABASE": conninfo, "REQUEST_THREADS": "2", "POOL_SIZE": "2", "LET_IT_CRASH_S": "0.2"}
    environment = {f"FLIGHT_SEARCH_{name}": value for name, value in values.items()}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd, port = listener.fileno(), listener.getsockname()[1]
        environment["FLIGHT_SEARCH_LISTEN_FD"] = str(fd)
        parent = subprocess.Popen([sys.executable, "-c", PARENT, str(fd)], env={**os.environ, **environment}, pass_fds=(fd,))
    try:
        with client_of(f"http://127.0.0.1:{port}") as server:
            leak_all(server, conninfo)
            stuck = [hanging.submit(call, server) for _ in range(2)]
            assert [future.result(WITHIN_S) for future in stuck] == [None, None]
            assert server.get("/admin/pool").json()["replacements"] == 1
            with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S) as connection:
                parent.kill()
                with suppress(ConnectionResetError):  # the kernel may also reset the connections of a killed process
                    assert connection.recv(1) == b""
    finally:
        parent.kill()
        parent.wait()
