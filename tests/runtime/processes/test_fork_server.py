from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN_S = 15.0


@dataclass
class ForkServer:
    """A fork server that has imported nothing, and our end of its control socket."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    directory: Path
    received: bytes = b""

    def order(self, text: str, *arguments: str, environment: dict[str, str] | None = None) -> dict[str, Any]:
        """Order a service that runs this program, and return the answer."""
        (self.directory / "ordered.py").write_text(text)
        order = {"module": "ordered", "arguments": arguments, "environment": environment or {}, "log": str(self.log)}
        with socket.create_server(("127.0.0.1", 0)) as listener:
            socket.send_fds(self.control, [json.dumps(order).encode() + b"\n"], [listener.fileno()])
        return self.read()

    def read(self) -> dict[str, Any]:
        """Return its next message."""
        while b"\n" not in self.received:
            received = self.control.recv(1000)
            assert received, "the fork server has ended"
            self.received += received
        line, _, self.received = self.received.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    @property
    def log(self) -> Path:
        """The file that takes a service's lines."""
        return self.directory / "service.log"


@pytest.fixture
def fork_server(tmp_path: Path) -> Iterator[ForkServer]:
    """Yield a fork server."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(WITHIN_S)
        fd = theirs.fileno()
        command = [sys.executable, "-m", "testbed.runtime.processes.fork_server", str(fd)]
        paths = os.pathsep.join([str(tmp_path), *sys.path])
        with subprocess.Popen(command, pass_fds=(fd,), env={**os.environ, "PYTHONPATH": paths}) as process:
            theirs.close()
            yield ForkServer(process, ours, tmp_path)
            process.kill()


def wait_gone(pid: int) -> bool:
    """Wait until a process has ended; a zombie has. Return False when it still runs after `WITHIN_S`."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        state = subprocess.run(["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
        if not state or state.startswith("Z"):
            return True
        time.sleep(0.01)
    return False


def test_a_service_becomes_its_module_with_what_was_ordered(fork_server: ForkServer) -> None:
    """Arguments, environment, lines in its log, and the socket's number wherever `{fd}` stands."""
    text = """
import os, socket, sys
fd = int(sys.argv[1])
print(os.environ["PLACE"] == f"at {fd}", socket.socket(fileno=fd).getsockname()[0])
"""
    forked = fork_server.order(text, "{fd}", environment={"PLACE": "at {fd}"})
    assert fork_server.read() == {"ended": forked["forked"], "code": 0}
    assert fork_server.log.read_text() == "True 127.0.0.1\n"
    assert fork_server.log.stat().st_mode & 0o777 == 0o600


def test_a_service_with_packages_of_its_own_is_an_interpreter_of_its_own(fork_server: ForkServer) -> None:
    """What is imported in the fork server is imported anew, its own first; the socket is inherited, and how it ended is reported."""
    own = fork_server.directory / "own"
    own.mkdir()
    (own / "json.py").write_text("dumps = 'another json'\n")  # the fork server has imported the library's
    text = """
import json, socket, sys
print(json.dumps, socket.socket(fileno=int(sys.argv[1])).getsockname()[0])
sys.exit(3)
"""
    forked = fork_server.order(text, "{fd}", environment={"PYTHONPATH": str(own)})
    assert fork_server.read() == {"ended": forked["forked"], "code": 3}
    assert fork_server.log.read_text() == "another json 127.0.0.1\n"


@pytest.mark.parametrize(
    ("text", "code", "lines"),
    [("import sys; sys.exit(3)", 3, ""), ("import sys; sys.exit('no')", 1, "no\n"), ("import os; os.kill(os.getpid(), 9)", -9, "")],
)
def test_how_a_service_ended_is_reported(fork_server: ForkServer, text: str, code: int, lines: str) -> None:
    """By its exit code, or by the signal; its last lines are in the log."""
    forked = fork_server.order(text)
    assert fork_server.read() == {"ended": forked["forked"], "code": code}
    assert fork_server.log.read_text() == lines


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux shows the descriptors of a process")
def test_a_service_has_no_descriptor_that_it_has_no_use_for(fork_server: ForkServer) -> None:
    """Its log and its listening socket; not the control socket, over which it could tell that others had ended."""
    text = """
import os, sys
own = {int(name): os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}
print(sorted(set(own) - {0, 1, 2}) == [int(sys.argv[1])], own[int(sys.argv[1])].startswith("socket:"))
"""
    forked = fork_server.order(text, "{fd}")
    assert fork_server.read() == {"ended": forked["forked"], "code": 0}
    assert fork_server.log.read_text() == "True True\n"


def test_services_end_with_the_fork_server_and_that_with_its_socket(fork_server: ForkServer) -> None:
    """Also on systems where the kernel does not end them."""
    pid = fork_server.order("import time; time.sleep(60)")["forked"]
    os.kill(pid, 0)
    fork_server.control.close()
    assert fork_server.process.wait(WITHIN_S) == 0
    assert wait_gone(pid)
