from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
import requests

from testbed.faultproxy import server
from testbed.faultproxy.own_user import CAN_TELL, user_of
from tests.faultproxy.servers import WITHIN_S

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not CAN_TELL, reason="only Linux tells whose socket it is")
NOBODY = 65534
REQUEST = """
import encodings.idna, http.client, os, sys
user, host, port, path = sys.argv[1:]
os.setuid(int(user))  # from here on nothing can be imported: the library may be in a home of another user
connection = http.client.HTTPConnection(host, int(port), timeout=10)
connection.request("GET", path)
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""


@pytest.fixture(params=["127.0.0.1", "::1"])
def guarded(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a server that answers only this user; yield its URL."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    try:
        listener = socket.create_server((request.param, 0), family=family)
    except OSError as error:
        pytest.skip(f"no address {request.param}: {error.strerror}")
    running = server.server(own_user=True)
    thread = threading.Thread(target=running.run, args=([listener],))
    thread.start()
    host = f"[{request.param}]" if family is socket.AF_INET6 else request.param
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(WITHIN_S)
        listener.close()


def test_its_own_user_is_answered(guarded: str) -> None:
    """Over and over, on one connection and on new ones."""
    with requests.Session() as session:
        session.trust_env = False
        assert [session.get(f"{guarded}/version", timeout=WITHIN_S).status_code for _ in range(3)] == [200] * 3
        assert session.post(f"{guarded}/proxies", json={"name": "a", "upstream": "127.0.0.1:1"}, timeout=WITHIN_S).status_code == 201


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("path", ["/version", "/proxies", "/metrics", "/nothing"])
def test_another_user_is_refused(guarded: str, path: str) -> None:
    """Whatever they ask for; root, whose proxy it is, is answered."""

    def asked_by(user: int) -> str:
        host, _, port = guarded.removeprefix("http://").rpartition(":")
        command = [sys.executable, "-c", REQUEST, str(user), host.strip("[]"), port, path]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=WITHIN_S).stdout

    assert asked_by(NOBODY) == "403 this fault proxy belongs to a run of another user\n\n"
    assert asked_by(0).startswith("404" if path == "/nothing" else "200")


def test_a_socket_that_is_not_there_is_nobody_s() -> None:
    """It was closed before anybody could look."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        ours, theirs = client.getsockname(), client.getpeername()
        assert user_of(ours, theirs) == os.getuid()
        assert user_of(ours, (theirs[0], 1)) is None
