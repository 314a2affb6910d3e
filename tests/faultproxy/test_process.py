from __future__ import annotations

import asyncio
import ctypes
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from testbed.faultproxy.__main__ import KEEPALIVE
from tests.faultproxy.servers import WITHIN_S, ApiClient, Wire, address_of, is_silent, read_address, rest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BY_HAND = (sys.executable, "-m", "testbed.cli.main", "faultproxy")
BY_THE_TESTBED = (sys.executable, "-m", "testbed.faultproxy")
ENDS_WITHIN_S = 3.0
MANY = 1000
HEADROOM_FILES = 200
HELD_BYTES = 100_000


@contextmanager
def running(*command: str) -> Iterator[tuple[subprocess.Popen[str], ApiClient]]:
    """Start a fault proxy at a free port and speak to it where it says that it listens."""
    with (
        subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        requests.Session() as session,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            said = re.fullmatch(r"fault proxy, open to any Toxiproxy client that can connect, listening at 127\.0\.0\.1:(\d+)\n", line)
            assert said is not None, line
            session.trust_env = False
            yield process, ApiClient("127.0.0.1", int(said[1]), session)
        finally:
            process.kill()


def test_a_taken_port_is_one_clear_line_and_exit_code_3() -> None:
    """The error names the address and the reason, and says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        host, port = taken.getsockname()
        done = subprocess.run(
            [*BY_HAND, "--host", host, "--port", str(port)], capture_output=True, text=True, timeout=WITHIN_S, check=False
        )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        f"the fault proxy cannot listen at {host}:{port}: Address already in use; "
        "end what listens there, or give another --port (0 takes a free one)\n"
    )


def asked_after_s(port: int) -> list[float]:
    """Return in how many seconds the kernel probes each established connection of a local port, from its table of sockets."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    timers = [row[5].split(":") for row in rows if int(row[1].split(":")[1], 16) == port and row[3] == "01"]
    return [int(when, 16) / os.sysconf("SC_CLK_TCK") for kind, when in timers if kind == "02"]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's table of sockets is Linux'")
@pytest.mark.parametrize(
    ("environment", "options", "seconds"), [({}, [], 15), ({KEEPALIVE: "7"}, [], 7), ({KEEPALIVE: "7"}, ["--keepalive", "9"], 9)]
)
def test_a_quiet_connection_is_asked_for_as_often_as_the_proxy_is_told(
    environment: dict[str, str], options: list[str], seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keep-alive time is that of the option, else of the environment, else Toxiproxy's; the kernel's table of sockets shows it."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as upstream, running(*BY_THE_TESTBED, *options) as (_, api):
        address = read_address(api.create("quiet", address_of(upstream))["listen"])
        with socket.create_connection(address) as client, upstream.accept()[0] as served:
            client.sendall(b"?")  # what comes through comes over a connection that is complete
            served.recv(1)
            assert [round(timer_s) for timer_s in asked_after_s(address[1])] == [seconds]


@pytest.mark.parametrize("value", ["0", "40000", "soon"])
def test_a_wrong_time_to_ask_is_one_clear_line_and_exit_code_2(value: str) -> None:
    """The error names the value and the allowed range."""
    done = subprocess.run([*BY_THE_TESTBED, "--keepalive", value], capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert done.returncode == 2
    assert f"--keepalive: found '{value}'; allowed: 1 to 32767" in done.stderr


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """ApiAnswer with what came, when it has ended."""
    writer.write(await reader.read())
    writer.close()
    await writer.wait_closed()


async def _ask_many(listen: tuple[str, int]) -> int:
    """Open all connections, ask on each, then read all answers; return how many were right."""
    streams = await asyncio.gather(*(asyncio.open_connection(*listen) for _ in range(MANY)))
    for number, (_, writer) in enumerate(streams):
        writer.write(str(number).encode())
        writer.write_eof()
    answers = await asyncio.gather(*(reader.read() for reader, _ in streams))
    for _, writer in streams:
        writer.close()
        await writer.wait_closed()
    return sum(answer == str(number).encode() for number, answer in enumerate(answers))


async def _wait_files(process: subprocess.Popen[str], count: int) -> int:
    """Wait until the process has at most `count` open files; return how many it had last."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        open_files = _open_files(process)
        if open_files <= count or time.monotonic() > deadline:
            return open_files
        await asyncio.sleep(0.01)


def _resident_bytes(process: subprocess.Popen[str]) -> int:
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * resource.getpagesize()


def _open_files(process: subprocess.Popen[str]) -> int:
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


async def test_a_thousand_connections_at_once_are_served_and_leave_nothing_behind() -> None:
    """Each gets its own answer, by the fast path and through a toxic each way, and the process has as few open files as before (W6)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * MANY + HEADROOM_FILES:
        pytest.skip(f"{MANY} connections take {2 * MANY + HEADROOM_FILES} open files, and {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * MANY + HEADROOM_FILES), hard))
    upstream = await asyncio.start_server(_echo, "127.0.0.1", 0, backlog=MANY)
    with running(*BY_THE_TESTBED) as (process, api):
        host, port = upstream.sockets[0].getsockname()
        listen = read_address(api.create("many", f"{host}:{port}")["listen"])
        before = _open_files(process)
        assert await _ask_many(listen) == MANY
        assert await _wait_files(process, before) <= before  # fewer where the API has ended an idle connection of its own
        for stream in ("upstream", "downstream"):
            api.add("many", "latency", stream, latency=5)
        assert await _ask_many(listen) == MANY
        assert await _wait_files(process, before) <= before  # fewer where the API has ended an idle connection of its own
    upstream.close()
    await upstream.wait_closed()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.alone
def test_a_signal_ends_it_although_connections_are_open() -> None:
    """An idle one, one whose receiver has stopped, one held by a toxic, and one whose upstream does not answer: all end at once."""
    with running(*BY_HAND) as (process, api), ExitStack() as opened:
        idle, stopped, held = (opened.enter_context(closing(Wire(api, name))) for name in ("idle", "stopped", "held"))
        dead = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        opened.enter_context(socket.create_connection(dead.getsockname()))
        listen = read_address(api.create("dead", address_of(dead))["listen"])
        stuck = [opened.enter_context(socket.create_connection(listen, timeout=WITHIN_S)) for _ in range(3)]
        held.add("timeout", timeout=0)
        clients = [wire.connect()[0] for wire in (idle, held)]
        _, upstream = stopped.connect()
        upstream.settimeout(0.1)
        with pytest.raises(TimeoutError):
            upstream.sendall(b"x" * 50_000_000)
        assert is_silent(stuck[-1])
        signalled_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) in (0, -signal.SIGTERM)
        assert time.monotonic() - signalled_s < ENDS_WITHIN_S
        assert [rest(client) for client in (*clients, *stuck)] == [b""] * 5
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="only glibc returns memory when it is asked to")
def test_what_a_thousand_connections_held_goes_back_to_the_system() -> None:
    """Each had 100 kB, held by a toxic: when they have ended, the process is nearly as small as before, and not larger each time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * MANY + HEADROOM_FILES) if hard != resource.RLIM_INFINITY else soft, hard))
    with running(*BY_THE_TESTBED) as (process, api), closing(Wire(api)) as wire:
        held, after = MANY * HELD_BYTES, []
        for _ in range(2):
            before = _resident_bytes(process)
            wire.add("silence", "upstream")
            ends = [wire.connect() for _ in range(MANY)]
            for client, _ in ends:
                client.sendall(b"x" * HELD_BYTES)
            assert _wait_resident(process, lambda resident: resident > 0.7 * held) > 0.7 * held
            for end in (end for pair in ends for end in pair):
                end.close()
            assert api.ask("POST", "/reset").status == 204
            after.append(_wait_resident(process, lambda resident: resident < before + 0.3 * held))  # noqa: B023 - of this round
            assert after[-1] < before + 0.3 * held
        assert _wait_resident(process, lambda resident: resident < after[0] * 1.1) < after[0] * 1.1


def _wait_resident(process: subprocess.Popen[str], is_so: Callable[[int], bool]) -> int:
    """Wait until the memory of the process is so; return how much it has in the end."""
    deadline = time.monotonic() + WITHIN_S
    while not is_so(_resident_bytes(process)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return _resident_bytes(process)
