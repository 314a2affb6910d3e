"""What dumps tell of programs that run: started here, given work, and dumped from outside (P3, P4)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from testbed.errors import DumpError
from testbed.observe.py_spy import dump_with_py_spy
from testbed.postmortem import dump, stack_reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from testbed.postmortem.stack_reading import StackReading

pytestmark = pytest.mark.skipif(sys.platform == "darwin" and os.geteuid() != 0, reason="macOS lets only root look into another process")
WITHIN_S = 30.0  # on a busy machine, a Python that imports a web framework takes some seconds
# Where Yama lets no process look into another but its own children, this one permits it, as the testbed's services do.
OPEN_TO_OTHERS = """
import ctypes, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(-1), 0, 0, 0)
"""
EXECUTOR = """
from concurrent.futures import ThreadPoolExecutor, wait
import threading
gate, crew = threading.Event(), ThreadPoolExecutor(5, thread_name_prefix="crew")
all_there = threading.Barrier(5)
wait([crew.submit(all_there.wait) for _ in range(5)])
for _ in range(2):
    crew.submit(lambda: gate.wait())
gate.wait()
"""
POOL = """
import multiprocessing, time
def nap(seconds): time.sleep(seconds)
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(nap, [600, 600])
"""
SERVICE = """
import sys, time, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
def nap(): time.sleep(600)
uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
"""


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@contextmanager
def running(directory: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python with these arguments, and end it with all of its children; any process of its user may look into it."""
    (directory / "sitecustomize.py").write_text(OPEN_TO_OTHERS)
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(directory)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(WITHIN_S)


@contextmanager
def asking(port: int, count: int, request: bytes) -> Iterator[None]:
    """Send the same to a port from so many connections, as soon as it listens, and keep them open."""
    connections: list[socket.socket] = []
    ends_s = time.monotonic() + WITHIN_S
    try:
        while len(connections) < count:
            try:
                connections.append(socket.create_connection(("127.0.0.1", port), WITHIN_S))
            except ConnectionRefusedError:
                assert time.monotonic() < ends_s, f"nothing listens on port {port} after {WITHIN_S:.0f} s"
                time.sleep(0.05)
            else:
                connections[-1].sendall(request)
        yield
    finally:
        for connection in connections:
            connection.close()


async def wait_for_reading(process: subprocess.Popen[bytes], file: Path, seen: Callable[[StackReading], bool]) -> StackReading:
    """Dump a process until what its stacks tell is as it should become, or some seconds have gone by; return what they told last."""
    ends_s = time.monotonic() + WITHIN_S
    while True:
        try:
            await dump_with_py_spy("a program", process.pid, file)
        except DumpError:  # while it starts, it is no Python yet
            if time.monotonic() > ends_s:
                raise
            continue
        found = stack_reading.of(dump.read(file))
        if seen(found) or time.monotonic() > ends_s:
            return found


def told(found: StackReading) -> tuple[list[tuple[str, int, int]], set[tuple[str, str]], dict[str, int]]:
    """Return pools (kind, threads, idle), protocols (name, side) and what works in the background."""
    pools = [(pool.kind, pool.threads, pool.idle) for pool in found.kinds.pools]
    protocols = {(protocol.name, protocol.side) for protocol in found.protocols}
    return pools, protocols, {work.what: work.threads for work in found.kinds.background}


@pytest.mark.fact("P3", "P4")
async def test_a_web_server_of_python_under_load(tmp_path: Path) -> None:
    """It has a thread for each of three requests that never end, speaks HTTP as a server, and as nothing else."""
    port = free_port()
    expected = (
        [("socketserver ThreadingMixIn, a thread a request", 3, 0)],
        {("HTTP", "server")},
        {"socketserver: accepts connections": 1},
    )
    server = ("-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path))
    with running(tmp_path, *server) as process, asking(port, 3, b"GET / HTTP/1.1\r\nHost: "):
        found = await wait_for_reading(process, tmp_path / "dump.json", lambda found: told(found) == expected)
    assert told(found) == expected
    assert found.libraries == ()


@pytest.mark.fact("P3", "P4")
async def test_an_executor_with_work_for_some_of_its_threads(tmp_path: Path) -> None:
    """Two of five are at work, three wait for it; no protocol is spoken."""
    (tmp_path / "program.py").write_text(EXECUTOR)
    with running(tmp_path, str(tmp_path / "program.py")) as process:
        expected = ([("ThreadPoolExecutor", 5, 3)], set(), {})
        found = await wait_for_reading(process, tmp_path / "dump.json", lambda found: told(found) == expected)
    assert told(found) == expected
    assert found.kinds.pools[0].name == "crew"


@pytest.mark.fact("P3", "P4")
async def test_a_pool_of_processes(tmp_path: Path) -> None:
    """Its three handlers work in the background; the pipes to its processes are no protocol."""
    (tmp_path / "program.py").write_text(POOL)
    with running(tmp_path, str(tmp_path / "program.py")) as process:
        expected = ([], set(), {"handlers of a multiprocessing pool": 3})
        found = await wait_for_reading(process, tmp_path / "dump.json", lambda found: told(found) == expected)
    assert told(found) == expected


@pytest.mark.fact("P3", "P4")
async def test_a_service_of_fastapi_on_uvicorn(tmp_path: Path) -> None:
    """Each request that sleeps has a worker thread of anyio; the versions are those that are installed."""
    (tmp_path / "program.py").write_text(SERVICE)
    port = free_port()
    expected = ([("anyio worker threads", 3, 0)], {("HTTP", "server")}, {"event loop (uvicorn)": 1})
    program = (str(tmp_path / "program.py"), str(port))
    with running(tmp_path, *program) as process, asking(port, 3, b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"):
        found = await wait_for_reading(process, tmp_path / "dump.json", lambda found: told(found) == expected)
    assert told(found) == expected
    versions = {library.package: library.version for library in found.libraries}
    assert versions.keys() == {"anyio", "fastapi", "uvicorn"}
    assert None not in versions.values()
