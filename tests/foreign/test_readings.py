"""What is read of a service's own metrics, and what stays unknown."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from typing import Any

import pytest

from testbed.facility.address import Address
from testbed.foreign import readings
from testbed.foreign.readings import NAMES, NOT_GIVEN, Numbers
from testbed.journal.events import REFUSED
from testbed.plan.service import Readings

NOW_S = 1_700_000_000.0
HIKARI = """
# HELP hikaricp_connections_active Active connections
# TYPE hikaricp_connections_active gauge
hikaricp_connections_active{pool="HikariPool-1",} 7.0
hikaricp_connections_active{pool="HikariPool-2",} 2.0
# TYPE hikaricp_connections_max gauge
hikaricp_connections_max{pool="HikariPool-1",} 40.0
hikaricp_connections_max{pool="HikariPool-2",} 10.0
# TYPE tomcat_threads_busy_threads gauge
tomcat_threads_busy_threads{name="http-nio-8080",} 12.0
tomcat_threads_config_max_threads{name="http-nio-8080",} 40.0
"""


def of(text: str, **names: str) -> Numbers:
    """Read a text in Prometheus' format."""
    return readings.parse(Readings.model_validate({"path": "/metrics", **names}), text, NOW_S)


def of_json(value: Any, **names: str) -> Numbers:
    """Read an answer in JSON."""
    return readings.parse(Readings.model_validate({"path": "/pool", "format": "json", **names}), json.dumps(value), NOW_S)


def test_what_has_the_name_and_the_labels_is_added_up() -> None:
    """A service may have several pools, and a table may mean one of them."""
    names = {"pool_out": "hikaricp_connections_active", "pool_size": 'hikaricp_connections_max{pool="HikariPool-1"}'}
    told = of(HIKARI, **names, busy="tomcat_threads_busy_threads", request_threads="tomcat_threads_config_max_threads")
    assert told.numbers == {"pool_out": 9, "pool_size": 40, "busy": 12, "request_threads": 40}
    assert told.error == ""


def test_a_name_that_is_not_given_is_unknown_and_not_zero() -> None:
    """With the reason."""
    told = of(HIKARI, pool_out="hikaricp_connections_active")
    assert told.of("pool_out") == 9
    assert told.of("busy") is None
    assert told.unknown == dict.fromkeys(sorted(set(NAMES) - {"pool_out"}), NOT_GIVEN)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "pool: the metrics do not have it"),
        ("pool NaN", "pool: not a number (NaN)"),
        ("pool -1", "pool: -1 is negative"),
        ("pool +Inf", "pool: inf is more than there can be"),
        ("pool 1e300", "pool: 1e+300 is more than there can be"),
        ("pool 1.5", "pool: 1.5 is no whole number"),
        ('pool{a="1"} 3\npool{a="2"} -2', "pool: -2 is negative"),
        ('pool{a="1"} 3\npool{a="2"} NaN', "pool: not a number (NaN)"),
        (f"pool 3 {(NOW_S - 60) * 1000:.0f}", "pool: 60 s old"),
    ],
)
def test_a_number_that_cannot_be_or_is_too_old_is_unknown(line: str, reason: str) -> None:
    """Also one among several that would be added up."""
    told = of(f"{line}\nother 1\n", pool_out="pool", pool_in="other")
    assert (told.of("pool_out"), told.unknown["pool_out"]) == (None, reason)
    assert told.of("pool_in") == 1


def test_a_number_of_this_moment_with_a_time_of_its_own_counts() -> None:
    """Exporters write it in milliseconds."""
    assert of(f"pool 3 {(NOW_S - 1) * 1000:.0f}\n", pool_out="pool").of("pool_out") == 3


def test_more_threads_at_work_than_there_are_is_unknown() -> None:
    """Then at least one of the two is not what the table takes it for."""
    told = of("busy 50\nall 40\n", busy="busy", request_threads="all")
    assert (told.of("busy"), told.of("request_threads")) == (None, None)
    assert told.unknown["busy"] == "50 busy of 40 threads cannot be"


def test_a_name_that_is_none_is_told_in_the_reading() -> None:
    """And takes no other number with it."""
    told = of("pool 3\n", pool_out="pool", pool_in="pool{")
    assert told.of("pool_out") == 3
    assert "is no metric; allowed" in told.unknown["pool_in"]


def test_a_path_leads_through_tables_and_lists_of_json() -> None:
    """To a number, and to nothing else."""
    value = {"pools": [{"checked_out": 3, "size": 40.0, "name": "main", "open": True, "0": None}]}
    names = {"pool_out": "pools.0.checked_out", "pool_size": "pools.0.size", "pool_in": "pools.0.name", "busy": "pools.0.open"}
    told = of_json(value, **names, waiting="pools.1.size", pool_waiting="pools.0.0", request_threads="pools.-1.size")
    assert told.numbers == {"pool_out": 3, "pool_size": 40}
    assert told.unknown == {
        "pool_in": 'pools.0.name: "main" is no number',
        "busy": "pools.0.open: true is no number",
        "waiting": "pools.1.size: the answer has no '1'",
        "pool_waiting": "pools.0.0: null is no number",
        "request_threads": "pools.-1.size: the answer has no '-1'",
    }


@pytest.mark.parametrize("text", ["<html>", "{", "[" * 100_000, 'a{b="c" 1', ""])
def test_an_answer_in_another_format_tells_nothing(text: str) -> None:
    """And the reason is of every number."""
    for format_ in ("prometheus", "json"):
        told = readings.parse(Readings.model_validate({"path": "/x", "format": format_, "pool_out": "a"}), text, NOW_S)
        assert told.of("pool_out") is None
        assert told.unknown["pool_out"]


def served(answer: bytes, within_s: float = 30.0, *, again: bytes = b"") -> Numbers:
    """Read from a server that answers so, and then closes, or sends `again` again and again until the other end closes."""

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 " + answer)
            while again:
                connection.sendall(again)
                time.sleep(0.01)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        asked = Readings(path="/metrics", pool_out="pool")
        told = asyncio.run(readings.read(asked, Address("127.0.0.1", listener.getsockname()[1]), NOW_S, within_s))
        server.join()
    return told


def test_a_service_is_asked_over_a_connection_of_its_own() -> None:
    """And what it answers is read."""
    assert served(b"200 OK\r\nConnection: close\r\n\r\npool 4\n").of("pool_out") == 4


@pytest.mark.parametrize(
    ("head", "body", "reason"),
    [
        (b"503 Unavailable", b"pool 4\n", "/metrics: status 503"),
        (b"200 OK", b"x" * (readings.MOST_BYTES + 1), "/metrics: more than 4194304 bytes"),
        (b"nonsense", b"", "/metrics: "),
        (b"200 OK\r\nContent-Length: 10", b"pool", "/metrics: "),
        (b"200 OK", b"\xff\xfe\x00", "/metrics: the answer is not in the format prometheus"),
    ],
)
def test_an_answer_that_is_none_is_told_with_its_reason(head: bytes, body: bytes, reason: str) -> None:
    """Nothing is raised, and nothing is zero."""
    told = served(head + b"\r\nConnection: close\r\n\r\n" + body)
    assert told.numbers == {}
    assert (told.error or told.unknown["pool_out"]).startswith(reason)


def test_a_service_that_never_ends_its_answer_is_given_up_in_time() -> None:
    """The time bounds all of it, and not only the first byte."""
    told = served(b"200 OK\r\nConnection: close\r\n\r\n", within_s=0.3, again=b"pool 4\n")
    assert (told.numbers, told.error) == ({}, "/metrics: no answer within 0.3 s")


def test_a_service_that_is_down_is_told_as_refused() -> None:
    """In the journal's own word for that."""
    told = asyncio.run(readings.read(Readings(path="/metrics", pool_out="pool"), Address("127.0.0.1", 1), NOW_S))
    assert told == readings.nothing(REFUSED)
