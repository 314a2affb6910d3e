from __future__ import annotations

import json
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from testbed.errors import ServiceError
from testbed.facility.runtime import ServiceSpec
from testbed.runtime.processes import fork_client
from testbed.runtime.processes.fork_client import ForkServer
from testbed.runtime.run_directory import RunDirectory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SPEC = ServiceSpec("cf-1", "flight_search")


class Told:
    """A client of a fork server that says what a test wants it to say."""

    def __init__(self, client: ForkServer, server: socket.socket, directory: Path) -> None:
        self.client = client
        self.server = server
        self.directory = directory

    def says(self, *messages: dict[str, Any]) -> None:
        """Write messages, in this order."""
        self.server.sendall(b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    def fork(self) -> fork_client.ForkedProcess:
        """Order a process; its answer was said before."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return self.client.fork(SPEC, listener, self.directory / "log")


@pytest_asyncio.fixture
async def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Told]:
    """Yield a client whose fork server only sleeps, with the server's end of the control socket."""
    kept: list[socket.socket] = []

    def sleeping(_: str, fd: str, *__: str) -> list[str]:
        kept.append(socket.socket(fileno=socket.dup(int(fd))))
        return [sys.executable, "-c", "import time; time.sleep(60)"]

    monkeypatch.setattr(fork_client, "python", sleeping)
    client = ForkServer(RunDirectory(tmp_path, -1), ())
    with kept[0]:
        yield Told(client, kept[0], tmp_path)
        await client.end()


async def test_a_process_id_that_comes_again_is_a_new_process(told: Told) -> None:
    """The one that ended stays ended, the new one lives, and each has the exit code of its own."""
    told.says({"forked": 4711})
    first = told.fork()
    told.says({"ended": 4711, "code": -9}, {"forked": 4711})
    second = told.fork()
    assert (first.poll(), second.poll()) == (-9, None)
    told.says({"ended": 4711, "code": 3})
    assert (first.poll(), second.poll()) == (-9, 3)


async def test_one_that_has_ended_gets_no_signal(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process id may be another's by now."""
    sent: list[tuple[int, int]] = []
    told.says({"forked": 4711})
    first = told.fork()
    told.says({"ended": 4711, "code": 0}, {"forked": 4711})
    second = told.fork()
    with monkeypatch.context() as patched:
        patched.setattr(fork_client.os, "kill", lambda pid, sig: sent.append((pid, sig)))
        first.send_signal(15)
        second.send_signal(16)
    assert sent == [(4711, 16)]


async def test_without_their_fork_server_all_have_ended(told: Told) -> None:
    """Whether it could still report them or not."""
    told.says({"forked": 4711})
    process = told.fork()
    assert process.poll() is None
    await told.client.end()
    assert process.poll() is not None


async def test_an_answer_that_comes_too_late_is_not_taken_for_that_of_the_next_order(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next order has the process that was forked for it, and the one that nobody waits for any more is killed."""
    sent: list[tuple[int, int]] = []
    with monkeypatch.context() as patched:
        patched.setattr(fork_client, "ANSWER_WITHIN_S", 0.01)
        with pytest.raises(ServiceError, match="does not answer within"):
            told.fork()
        patched.setattr(fork_client.os, "kill", lambda pid, sig: sent.append((pid, sig)))
        told.says({"forked": 4711}, {"forked": 4712})
        patched.setattr(fork_client, "ANSWER_WITHIN_S", 20.0)
        assert (told.fork().pid, sent) == (4712, [(4711, signal.SIGKILL)])


async def test_a_late_answer_is_taken_down_also_while_nobody_orders(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at how services ended reads it, and the answer of the next order comes through."""
    sent: list[tuple[int, int]] = []
    told.says({"forked": 4710})
    first = told.fork()
    with monkeypatch.context() as patched:
        patched.setattr(fork_client, "ANSWER_WITHIN_S", 0.01)
        with pytest.raises(ServiceError, match="does not answer within"):
            told.fork()
        patched.setattr(fork_client.os, "kill", lambda pid, sig: sent.append((pid, sig)))
        told.says({"forked": 4711})
        assert (first.poll(), sent) == (None, [(4711, signal.SIGKILL)])
        told.says({"refused": "no more processes"})
        with pytest.raises(ServiceError, match="no more processes"):
            told.fork()
