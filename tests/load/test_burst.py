from __future__ import annotations

import asyncio
import json
import resource
import select
import socket
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from testbed.errors import FacilityError
from testbed.facility.burst import BurstResult, BurstSpec
from testbed.load import burst, burst_client
from testbed.load.burst import Sockets
from testbed.runtime.processes.fork_client import ForkServer
from testbed.runtime.processes.runtime import Processes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from testbed.runtime.run_directory import RunDirectory

REQUEST = "GET / HTTP/1.1\r\nHost: door\r\n\r\n"
OK, BUSY = (f"HTTP/1.1 {status} x\r\nContent-Length: 2\r\n\r\nno".encode() for status in (200, 503))
WITHIN_S = 10.0


class Door:
    """A server that accepts every connection, and answers once `requests` have come: the nth by `answers`: bytes, a reset or a close."""

    def __init__(self, requests: int, answers: Callable[[int], bytes | str | None]) -> None:
        self._awaited = requests
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._stopping = threading.Event()
        self.address = self._listener.getsockname()
        self.ended = Counter[str]()  # of the connections that were left to us
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        taken: list[socket.socket] = []
        self._listener.settimeout(0.05)
        while not self._stopping.is_set():
            try:
                taken.append(self._listener.accept()[0])
            except TimeoutError:
                if self._have_asked(taken) >= self._awaited:
                    self._awaited = 0  # from now on whoever asks is answered
                    self._answer_all(taken)
        for connection in taken:
            connection.close()

    def _have_asked(self, taken: list[socket.socket]) -> int:
        """Count those whose request has come; nothing is read."""
        if not self._awaited:
            return 0
        return len(select.select(taken, [], [], 0)[0])

    def _answer_all(self, taken: list[socket.socket]) -> None:
        for number, connection in enumerate(taken):
            if connection.fileno() < 0:
                continue
            connection.setblocking(False)
            try:
                answer = self._answers(number) if connection.recv(1000) else "close"
            except BlockingIOError:
                continue
            except OSError:
                self.ended["reset"] += 1
                answer = "close"
            if answer == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, burst.RESET)
            if isinstance(answer, bytes):
                connection.sendall(answer)
            elif answer is not None:
                connection.close()

    @contextmanager
    def open(self) -> Iterator[Door]:
        """Serve."""
        self._thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            self._thread.join()
            self._listener.close()


def spec_to(door: tuple[str, int], requests: int, within_s: float = WITHIN_S) -> BurstSpec:
    """Return the spec of a burst to a door."""
    return BurstSpec(door[0], door[1], requests, REQUEST, within_s)


@pytest.mark.fact("W6")
def test_everybody_is_there_before_anybody_asks() -> None:
    """All connections are open at one time, and all requests wait at one time: as long as nobody is answered."""
    with Door(400, lambda _: None).open() as door:
        sockets = Sockets(spec_to(door.address, 400, within_s=0.5))
        opened, result = sockets.open(), sockets.ask()
        sockets.close()
    assert (opened.ended["open"], opened.at_once) == (400, 400)
    assert (result.ended, result.at_once) == ({"silent": 400}, 400)


@pytest.mark.fact("W6")
def test_how_each_request_ended_is_counted() -> None:
    """Answered, an error, cut by RST or FIN, with half an answer, or none in time."""
    answers: list[bytes | str | None] = [OK, BUSY, "reset", "close", None, OK[:-1]]
    with Door(60, lambda number: answers[number % 6]).open() as door:
        sockets = Sockets(spec_to(door.address, 60, within_s=1.0))
        sockets.open()
        result = sockets.ask()
        sockets.close()
    assert result.ended == {"answered": 10, "failed": 10, "reset": 10, "closed": 10, "silent": 20}
    assert str(result).startswith("10 ")
    assert sum(result.ended.values()) == 60


def test_nobody_at_the_door_refuses_all() -> None:
    """And asking nobody is over at once."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        sockets = Sockets(spec_to(nobody.getsockname(), 50))
        assert sockets.open().ended == {"refused": 50, "open": 0, "unconnected": 0}
        assert sockets.ask().ended == {"silent": 0}


def test_too_few_open_files_are_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first socket, with both numbers."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1024))
    with pytest.raises(OSError, match=r"the limit is 1024 open files in a process, and 10020 are needed; raise it: ulimit -n 10020"):
        burst._require_files(10_000)  # noqa: SLF001


@pytest.fixture
async def runtime(run_directory: RunDirectory, tmp_path: Path) -> AsyncIterator[Processes]:
    """Return a runtime that can start the burst's process."""
    fork_server = ForkServer(run_directory, (burst_client.MODULE,))
    processes = Processes(run_directory, tmp_path, fork_server)
    yield processes
    await processes.stop_all()
    await fork_server.end()


@pytest.mark.fact("W6")
async def test_a_burst_is_a_process_of_its_own_and_leaves_nothing(runtime: Processes) -> None:
    """It asks when it is told to; when it leaves, its process has ended and its connections are reset."""
    with Door(100, lambda _: OK).open() as door:
        connections = await burst_client.open_burst(runtime, spec_to(door.address, 100))
        assert connections.opened.ended["open"] == 100
        assert await runtime.pid(burst_client.NAME) is not None
        result = await connections.ask()
        assert result.ended["answered"] == 100
        await connections.leave()
        assert await runtime.pid(burst_client.NAME) is None
        async with asyncio.timeout(WITHIN_S):
            while door.ended["reset"] < 100:
                await asyncio.sleep(0.02)


async def test_a_burst_whose_process_is_gone_says_so(runtime: Processes) -> None:
    """With its last lines, and not by waiting for ever."""
    with Door(1, lambda _: OK).open() as door:
        connections = await burst_client.open_burst(runtime, spec_to(door.address, 1))
        await runtime.kill(burst_client.NAME)
        with pytest.raises(FacilityError, match="the process of the burst"):
            await connections.ask()
        await connections.leave()


async def test_a_burst_whose_token_cannot_be_read_starts_nothing(runtime: Processes, tmp_path: Path) -> None:
    """A process that lets in nobody else would wait for ever."""
    with pytest.raises(FileNotFoundError):
        await burst_client.open_burst(runtime, spec_to(("127.0.0.1", 1), 1), token_file=tmp_path / "none")
    assert runtime.find(burst_client.NAME) is None


async def test_a_burst_without_enough_sockets_is_an_error_and_ends(runtime: Processes) -> None:
    """More than any process may have open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY:
        pytest.skip("there is no limit of open files here")
    with pytest.raises(FacilityError, match=rf"cannot open {most} sockets to 127.0.0.1:1: the limit is {most} open files"):
        await burst_client.open_burst(runtime, spec_to(("127.0.0.1", 1), most))
    assert await runtime.pid(burst_client.NAME) is None


def test_what_is_told_survives_its_way() -> None:
    """As JSON, in a line."""
    result = BurstResult({"answered": 3}, 1.25, 3)
    assert (
        BurstResult(**json.loads(json.dumps({"ended": result.ended, "took_s": result.took_s, "at_once": result.at_once, "error": ""})))
        == result
    )
    assert str(result) == "3 answered in 1.2 s"
