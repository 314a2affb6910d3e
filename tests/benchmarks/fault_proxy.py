"""Measures what the fault proxy costs, and how exact it is: `python -m tests.benchmarks.fault_proxy [--toxiproxy HOST:PORT]`.

Client, proxy and far end are a process each, as in real use, and the client goes to the far end by each way in turn: directly, through the
bundled proxy, and through an official Toxiproxy where the address of one's API is given. Each figure is the median of the rounds.

- *echo*: the median time of a message of 64 bytes to the far end and back, in microseconds, and what of it the way adds to the direct one.
- *bulk*: what the client receives from a far end that sends as fast as it can, in MB (1,000,000 bytes) a second.
- *delay*: what an answer through the toxic `latency` comes too late or too early, on either stream, in milliseconds; the worst median.
- *bandwidth*: by how much the rate through the toxic `bandwidth` is another than was asked for, in per cent; the worst median.
- *connections*: of 1,000 that are open at once, how many get each of their own answers.

The aims are an official Toxiproxy's figures, once measured beside a direct connection on two cores: 125 µs where the direct echo took 66,
and 1,001 MB/s where the direct bulk had 5,278. So it added 59 µs, which is 0.89 of the direct echo, and had 0.19 of the direct bulk. Which
of the two forms of a figure can be compared depends on the machine: on a slower one the ratio, on a faster one what was measured. The aim
is the easier of the two; both are printed. Where an official Toxiproxy is measured in the same run, it has to be beaten, too.

Exit code 0: every aim was reached; 1: one was missed, and is named.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.runtime.toxiproxy import FaultProxyClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Address = tuple[str, int]

LOOPBACK = "127.0.0.1"
MESSAGE = b"x" * 64
ECHOES = 2_000
BULK_BYTES = 512 * 1024 * 1024
BUFFER_BYTES = 1024 * 1024
COUNT_BYTES = 8
DELAYS_MS = (20, 100)
DELAYED = 15  # messages for each delay
RATES_KB_S = (1_000, 20_000)  # kilobytes (1,000 bytes) a second
RATE_FOR_S = 1.0
CONNECTIONS = 1_000
QUESTIONS = 5  # on each of them
SPARE_FILES = 200
WITHIN_S = 60.0

DIRECT_US, OFFICIAL_US = 66.0, 125.0
DIRECT_MB_S, OFFICIAL_MB_S = 5_278.0, 1_001.0
ADDED_US = OFFICIAL_US - DIRECT_US
ADDED_RATIO = ADDED_US / DIRECT_US
BULK_RATIO = OFFICIAL_MB_S / DIRECT_MB_S
MOST_DELAY_ERROR_MS = 5.0
MOST_BANDWIDTH_ERROR_PERCENT = 5.0


@dataclass(frozen=True, slots=True)
class Way:
    """A way to the far end: where it echoes, and where it sends in bulk."""

    name: str
    echo: Address
    bulk: Address
    client: FaultProxyClient | None = None  # of the proxy on the way


@dataclass(slots=True)
class Figures:
    """What was measured of a way, a figure for each round."""

    echo_us: list[float] = field(default_factory=list)
    bulk_mb_s: list[float] = field(default_factory=list)
    delay_errors_ms: dict[str, list[float]] = field(default_factory=dict)
    bandwidth_errors_percent: dict[str, list[float]] = field(default_factory=dict)
    answered: int = 0
    answered_s: float = 0.0

    @property
    def delay_error_ms(self) -> float:
        """Return the worst median, early or late."""
        return max(abs(statistics.median(errors)) for errors in self.delay_errors_ms.values())

    @property
    def bandwidth_error_percent(self) -> float:
        """Return the worst median, too fast or too slow."""
        return max(abs(statistics.median(errors)) for errors in self.bandwidth_errors_percent.values())


@dataclass(frozen=True, slots=True)
class Compared:
    """A way's echo and bulk beside those of the direct one in the same run."""

    added_us: float
    added_ratio: float
    bulk_mb_s: float
    bulk_ratio: float

    @classmethod
    def of(cls, figures: Figures, direct: Figures) -> Compared:
        """Compare the medians."""
        echo_us, bulk_mb_s = statistics.median(direct.echo_us), statistics.median(direct.bulk_mb_s)
        added_us, passed_mb_s = statistics.median(figures.echo_us) - echo_us, statistics.median(figures.bulk_mb_s)
        return cls(added_us, added_us / echo_us, passed_mb_s, passed_mb_s / bulk_mb_s)


def serve_far_end() -> None:
    """Echo at one port, send in bulk at another, until the standard input ends; prints both."""
    listeners = [socket.create_server((LOOPBACK, 0), backlog=CONNECTIONS) for _ in range(2)]
    for listener, serve in zip(listeners, (_echo, _send_bulk), strict=True):
        threading.Thread(target=_accept, args=(listener, serve), daemon=True).start()
    sys.stdout.write(" ".join(str(listener.getsockname()[1]) for listener in listeners) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


def _accept(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def _echo(end: socket.socket) -> None:
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with end:
        while data := end.recv(BUFFER_BYTES):
            end.sendall(data)


def _send_bulk(end: socket.socket) -> None:
    data = memoryview(bytes(BUFFER_BYTES))
    with end:
        left = int.from_bytes(end.recv(COUNT_BYTES, socket.MSG_WAITALL))
        while left > 0:
            left -= end.send(data[:left])
        end.recv(1)  # the receiver goes first


@contextmanager
def started(*command: str) -> Iterator[str]:
    """Run a process of this Python's until the block ends; gives the first line that it prints."""
    with subprocess.Popen([sys.executable, "-m", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline()
        finally:
            process.kill()


@contextmanager
def proxied(name: str, client: FaultProxyClient, direct: Way) -> Iterator[Way]:
    """Make the two proxies of a way, and delete them at the end."""
    made = {}
    try:
        for kind, (host, port) in (("echo", direct.echo), ("bulk", direct.bulk)):
            record = client.create(f"benchmark-{kind}", f"{host}:{port}", f"{LOOPBACK}:0")
            made[kind] = address(record.listen)
        yield Way(name, made["echo"], made["bulk"], client)
    finally:
        for kind in made:
            client.delete(f"benchmark-{kind}")


def address(text: str) -> Address:
    """Read `host:port`."""
    host, _, port = text.rpartition(":")
    return host, int(port)


@contextmanager
def connected(to: Address) -> Iterator[socket.socket]:
    """Open a connection that sends small messages at once."""
    with socket.create_connection(to, timeout=WITHIN_S) as end:
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield end


def asked_s(end: socket.socket) -> float:
    """Send a message and wait for its echo; gives the seconds that it took."""
    began_s = time.perf_counter()
    end.sendall(MESSAGE)
    end.recv(len(MESSAGE), socket.MSG_WAITALL)
    return time.perf_counter() - began_s


def echo_us(way: Way) -> float:
    """Return the median time of an echo; the first tenth only warms up."""
    with connected(way.echo) as end:
        end.settimeout(None)  # a blocking socket asks the kernel once, one with a time-out twice
        return statistics.median([asked_s(end) for _ in range(ECHOES)][ECHOES // 10 :]) * 1e6


def received_s(way: Way, count: int) -> float:
    """Have the far end send so many bytes; return the seconds from the question to the last one."""
    buffer = memoryview(bytearray(BUFFER_BYTES))
    with connected(way.bulk) as end:
        end.settimeout(None)
        began_s = time.perf_counter()
        end.sendall(count.to_bytes(COUNT_BYTES))
        left = count
        while left > 0:
            received = end.recv_into(buffer)
            if not received:
                raise ConnectionError(f"{way.name}: the connection ended {left} bytes early")
            left -= received
        return time.perf_counter() - began_s


def measure_delays(way: Way, figures: Figures) -> None:
    """Put a latency on either stream in turn."""
    assert way.client is not None
    for stream in ("upstream", "downstream"):
        for delay_ms in DELAYS_MS:
            way.client.add_toxic("benchmark-echo", "latency", {"latency": delay_ms}, stream=stream)
            with connected(way.echo) as end:
                took_ms = statistics.median(asked_s(end) for _ in range(DELAYED)) * 1000
            way.client.remove_toxic("benchmark-echo", f"latency_{stream}")
            figures.delay_errors_ms.setdefault(f"{stream} {delay_ms} ms", []).append(took_ms - delay_ms)


def measure_bandwidths(way: Way, figures: Figures) -> None:
    """Limit the rate, and receive for about so long."""
    assert way.client is not None
    for rate_kb_s in RATES_KB_S:
        way.client.add_toxic("benchmark-bulk", "bandwidth", {"rate": rate_kb_s})
        count = int(rate_kb_s * 1000 * RATE_FOR_S)
        seen_kb_s = count / 1000 / received_s(way, count)
        way.client.remove_toxic("benchmark-bulk", "bandwidth_downstream")
        figures.bandwidth_errors_percent.setdefault(f"{rate_kb_s} kB/s", []).append((seen_kb_s / rate_kb_s - 1) * 100)


async def ask_many(to: Address) -> int:
    """Open all connections, then ask on all of them at once; gives how many got each of their own answers."""
    streams = [await asyncio.open_connection(*to) for _ in range(CONNECTIONS)]
    right = [True] * CONNECTIONS
    for question in range(QUESTIONS):
        asked = [f"{number}/{question}".encode().ljust(len(MESSAGE)) for number in range(CONNECTIONS)]
        for data, (_, writer) in zip(asked, streams, strict=True):
            writer.write(data)
        async with asyncio.timeout(WITHIN_S):
            answers = await asyncio.gather(*(reader.readexactly(len(MESSAGE)) for reader, _ in streams))
        right = [so_far and answer == data for so_far, answer, data in zip(right, answers, asked, strict=True)]
    for _, writer in streams:
        writer.close()
    return sum(right)


def measure(ways: list[Way], rounds: int) -> dict[str, Figures]:
    """Measure every way in every round, one after the other, so that a busy moment of the machine meets all of them."""
    measured = {way.name: Figures() for way in ways}
    for _ in range(rounds):
        for way in ways:
            figures = measured[way.name]
            figures.echo_us.append(echo_us(way))
            figures.bulk_mb_s.append(BULK_BYTES / 1e6 / received_s(way, BULK_BYTES))
            if way.client is not None:
                measure_delays(way, figures)
                measure_bandwidths(way, figures)
    for way in ways:
        began_s = time.perf_counter()
        measured[way.name].answered = asyncio.run(ask_many(way.echo))
        measured[way.name].answered_s = time.perf_counter() - began_s
    return measured


def missed(bundled: Figures, direct: Figures, official: Figures | None) -> list[str]:
    """Name every aim that the bundled proxy has missed, with what was wanted and what was seen."""
    seen = Compared.of(bundled, direct)
    echo = f"adds less than {ADDED_US:.0f} µs or {ADDED_RATIO:.2f} of the direct echo: {seen.added_us:.1f} µs, {seen.added_ratio:.2f}"
    bulk = f"passes more than {OFFICIAL_MB_S:.0f} MB/s or {BULK_RATIO:.2f} of direct: {seen.bulk_mb_s:.0f} MB/s, {seen.bulk_ratio:.2f}"
    aims = [
        (seen.added_us < ADDED_US or seen.added_ratio < ADDED_RATIO, echo),
        (seen.bulk_mb_s > OFFICIAL_MB_S or seen.bulk_ratio > BULK_RATIO, bulk),
        (
            bundled.delay_error_ms < MOST_DELAY_ERROR_MS,
            f"delays to within {MOST_DELAY_ERROR_MS:.0f} ms: off by {bundled.delay_error_ms:.2f} ms",
        ),
        (
            bundled.bandwidth_error_percent < MOST_BANDWIDTH_ERROR_PERCENT,
            f"limits the bandwidth to within {MOST_BANDWIDTH_ERROR_PERCENT:.0f} %: off by {bundled.bandwidth_error_percent:.2f} %",
        ),
        (bundled.answered == CONNECTIONS, f"answers {CONNECTIONS} connections at once: {bundled.answered}"),
    ]
    if official is not None:
        other = Compared.of(official, direct)
        aims += [
            (seen.added_us < other.added_us, f"adds less than the official Toxiproxy: {seen.added_us:.1f} to {other.added_us:.1f} µs"),
            (seen.bulk_mb_s > other.bulk_mb_s, f"passes more than the official: {seen.bulk_mb_s:.0f} to {other.bulk_mb_s:.0f} MB/s"),
        ]
    return [words for reached, words in aims if not reached]


def row(name: str, figures: Figures, direct: Figures) -> str:
    """Write a way's figures as a row of a Markdown table."""
    echo = f"{statistics.median(figures.echo_us):.1f} µs ({min(figures.echo_us):.1f} to {max(figures.echo_us):.1f})"
    bulk = f"{statistics.median(figures.bulk_mb_s):,.0f} MB/s ({min(figures.bulk_mb_s):,.0f} to {max(figures.bulk_mb_s):,.0f})"
    answered = f"{figures.answered:,} in {figures.answered_s:.2f} s"
    if figures is direct:
        return f"| {name} | {echo} | | {bulk} | | | {answered} |\n"
    seen = Compared.of(figures, direct)
    added = f"{seen.added_us:.1f} µs, {seen.added_ratio:.2f} of direct"
    errors = f"{figures.delay_error_ms:.2f} ms, {figures.bandwidth_error_percent:.2f} %"
    return f"| {name} | {echo} | {added} | {bulk} | {seen.bulk_ratio:.2f} of direct | {errors} | {answered} |\n"


def main() -> int:
    """Measure and print; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.fault_proxy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--toxiproxy", type=address, metavar="HOST:PORT", help="the API of an official Toxiproxy to measure, too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--far-end", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most if most != resource.RLIM_INFINITY else CONNECTIONS + SPARE_FILES, most))
    if given.far_end:
        serve_far_end()
        return 0
    with (
        started("tests.benchmarks.fault_proxy", "--far-end") as ports,
        started("testbed.faultproxy", "--port", "0") as listening,
    ):
        echo, bulk = ((LOOPBACK, int(port)) for port in ports.split())
        direct = Way("direct", echo, bulk)
        servers = {"bundled": address(listening.split()[-1])} | ({"official": given.toxiproxy} if given.toxiproxy else {})
        measured = measured_through(servers, direct, given.rounds)
    sys.stdout.write(
        f"| medians of {given.rounds} | echo of 64 bytes | added | bulk | | delay, bandwidth off by | {CONNECTIONS:,} connections |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    for name, figures in measured.items():
        sys.stdout.write(row(name, figures, measured["direct"]))
    misses = missed(measured["bundled"], measured["direct"], measured.get("official"))
    for words in misses:
        sys.stdout.write(f"missed: {words}\n")
    return 1 if misses else 0


def measured_through(servers: dict[str, Address], direct: Way, rounds: int) -> dict[str, Figures]:
    """Measure the direct way and the one through each server, whose API is at these addresses."""
    ways = [direct]
    with ExitStack() as stack:
        for name, (host, port) in servers.items():
            ways.append(stack.enter_context(proxied(name, FaultProxyClient(host, port), direct)))
        return measure(ways, rounds)


if __name__ == "__main__":
    sys.exit(main())
