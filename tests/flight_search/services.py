"""Services as processes of their own, for tests that call them over real sockets."""

from __future__ import annotations

import atexit
import functools
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import psycopg

from testbed.facility.runtime import ServiceSpec
from testbed.runtime import run_directory
from testbed.runtime.processes.fork_client import ForkServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from testbed.runtime.processes.fork_client import ForkedProcess
    from testbed.runtime.run_directory import RunDirectory

# For what is sure to come: a service that starts on a busy machine, and all that it answers. A wait, and no bound that is judged.
WITHIN_S = 30.0
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # nothing here speaks TLS, and httpx reads the system's for every client


def client_of(url: str) -> httpx.Client:
    """Return a client of an address, with as many connections as are asked for."""
    limits = httpx.Limits(max_connections=None)
    return httpx.Client(base_url=url, timeout=WITHIN_S, limits=limits, trust_env=False, verify=NO_CERTIFICATES)


@contextmanager
def service(module: str, **environment: str) -> Iterator[httpx.Client]:
    """Run a service as a process of its own, on a socket that listens already; yield a client. Its lines go to standard error."""
    listener = socket.create_server(("127.0.0.1", 0))
    fd = listener.fileno()
    values = {name: value.replace("{fd}", str(fd)) for name, value in environment.items()}
    process = subprocess.Popen([sys.executable, "-m", module], env={**os.environ, **values}, pass_fds=(fd,))
    port = listener.getsockname()[1]
    listener.close()
    try:
        with client_of(f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        process.kill()
        process.wait()


@contextmanager
def forked_service(module: str, **environment: str) -> Iterator[httpx.Client]:
    """Run a service as the processes runtime does, forked with its imports made; yield a client. Its lines go to a log."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        spec = ServiceSpec(module, module, environment=tuple(environment.items()))
        process = _fork_server().fork(spec, listener, _home().path / "services.log")
        port = listener.getsockname()[1]
    try:
        with client_of(f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        process.send_signal(signal.SIGKILL)
        _wait_ended(process)


@functools.cache
def _home() -> RunDirectory:
    directory = run_directory.create_run_directory()
    atexit.register(directory.remove)
    return directory


@functools.cache
def _fork_server() -> ForkServer:
    """Start the fork server of this process's tests, which ends with it."""
    return ForkServer(_home(), ("flight_search.__main__", "flight_search.callers.__main__"))


def _wait_ended(process: ForkedProcess) -> None:
    """Wait until a killed process is gone, for WITHIN_S."""
    deadline_s = time.monotonic() + WITHIN_S
    while process.poll() is None:
        assert time.monotonic() < deadline_s, f"pid {process.pid} still runs {WITHIN_S:.0f} s after SIGKILL"
        time.sleep(0.002)


@contextmanager
def application_server(
    conninfo: str, run: Callable[..., AbstractContextManager[httpx.Client]] = forked_service, **settings: str
) -> Iterator[httpx.Client]:
    """Run an application server, by default with two request threads and two connections; yield a client."""
    values = {"LISTEN_FD": "{fd}", "DATABASE": conninfo, "REQUEST_THREADS": "2", "POOL_SIZE": "2", "LOOKUP": "original", **settings}
    with run("flight_search", **{f"FLIGHT_SEARCH_{name}": value for name, value in values.items()}) as client:
        yield client


def kill_connections(conninfo: str) -> None:
    """End every other session in the database server, as its stop does in a switchover."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


LOOKUP = "/flights?from=NYC&to=BOS&date=2013-10-08"
MAX_LOOKS = 2000


def leak_all(server: httpx.Client, conninfo: str) -> None:
    """Leak both connections of a server: each stale connection fails one lookup."""
    assert server.get(LOOKUP).status_code == 200
    kill_connections(conninfo)
    assert [server.get(LOOKUP).status_code for _ in range(2)] == [503, 503]


def wait_pool(server: httpx.Client, **wanted: int) -> dict[str, Any]:
    """Wait until the pool has the wanted numbers, for MAX_LOOKS looks; return its state."""
    state: dict[str, Any] = {}
    for _ in range(MAX_LOOKS):
        state = server.get("/admin/pool").json()
        if all(state[name] == value for name, value in wanted.items()):
            return state
    raise AssertionError(f"never {wanted}, last seen: {state}")


def call(server: httpx.Client) -> int | None:
    """Make a lookup on a new connection; return its status, None if the connection was cut."""
    try:
        with client_of(str(server.base_url)) as client:
            return client.get(LOOKUP).status_code
    except httpx.TransportError:
        return None
