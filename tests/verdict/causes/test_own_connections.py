"""A caller that has used up its own HTTP connections."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.journal.events import ThreadGroup
from testbed.journal.evidence import ConnectionOut, Evidence, HttpPool
from testbed.journal.thread_states import HTTP_CONNECTION, IDLE, SOCKET
from testbed.verdict import who_waits
from testbed.verdict.causes import own_connections
from tests.verdict.test_who_waits import about, dump, evidence, group, root, table

STACK = ("callers/kiosk.py:18 check_in", "callers/remote.py:9 _respond", "requests/sessions.py:1 request", "lib/queue.py:3 get")
WAITING = ThreadGroup(3, HTTP_CONNECTION, "lookup_by_city", STACK, ())
LOST = ConnectionOut(1, "w", 9.0, request_running=False, checked_out_at=("callers/seeded_leaks.py:31 after_lookup",))
USED = replace(LOST, request_running=True)
IDLE_SERVERS = (dump("cf-1", group(4, IDLE)), dump("cf-2", group(4, IDLE)))
AT = "kiosk's 3 request threads wait for one of its own HTTP connections, at callers/remote.py:9 _respond"
FREE = "cf-1 and cf-2 have 8 of 8 request threads free; 4 threads wait for it, of kiosk"


def seen(pool: HttpPool | None) -> Evidence:
    """Return the evidence of a facility whose kiosk has these connections."""
    kiosk = replace(about("kiosk", flight_search_urls=["http://a:1"]), connections=pool)
    return replace(evidence(table("cf-1"), table("cf-2")), services=(kiosk,))


@pytest.mark.fact("P1")
def test_connections_that_a_caller_lost_are_named_by_line_with_the_servers_that_are_free() -> None:
    """Those of its threads that still have one are few, and are not to blame."""
    callers = dump("kiosk", WAITING, ThreadGroup(1, HTTP_CONNECTION, "check_in", STACK, ()))
    said = root(seen(HttpPool(5, (LOST, LOST, LOST, USED))), callers, *IDLE_SERVERS)
    at = AT.replace("3", "4", 1).replace("HTTP", "5 HTTP")
    assert said == (
        f"exhausted: {at}; 3 of them were lost in callers/seeded_leaks.py:31, in after_lookup: its "
        f"connection was never checked in, and the request ended without an error; {FREE}"
    )


def test_who_waits_for_those_that_wait_for_a_server_waits_for_that_server() -> None:
    """Connections that requests use are not lost: the link over which nothing comes is to blame."""
    kiosk = dump("kiosk", WAITING, group(1, SOCKET, ("a:1", 1)))
    said = root(seen(HttpPool(1, (USED,))), kiosk, *IDLE_SERVERS)
    assert said.startswith("no_answer: the link to cf-1: it has 4 of 4 request threads free")
    assert said.endswith("4 threads wait for it, of kiosk")


def test_without_a_table_nobody_tells_who_lost_them() -> None:
    """Of an older file, or of a caller that counts none: the line and the caller are told all the same."""
    kiosk = dump("kiosk", WAITING, threads=3)
    said = root(seen(None), kiosk, *IDLE_SERVERS)
    assert said == f"exhausted: {AT}; {FREE.replace('4 threads wait', '3 threads wait')}"


def test_threads_that_ask_at_two_lines_wait_for_the_same() -> None:
    """It is one cause, with how many ask at which line."""
    other = ThreadGroup(1, HTTP_CONNECTION, "check_in", (STACK[0], *STACK[2:]), ())
    seen_there = who_waits.of({each.service: each for each in (dump("kiosk", WAITING, other), *IDLE_SERVERS)}, seen(HttpPool(1, (LOST,))))
    assert [blamed.threads for blamed in seen_there.blamed] == [4]
    assert "kiosk's 4 request threads wait for one of its own 1 HTTP connections, at callers/remote.py:9 _respond (3) and " in str(
        seen_there.root
    )


def test_the_line_is_the_last_one_before_the_library() -> None:
    """A stack without it, or an empty one, has its innermost, or none."""
    assert own_connections.called_at(STACK) == STACK[1]
    assert own_connections.called_at(STACK[:1]) == STACK[0]
    assert own_connections.called_at(()) == "a line that is not known"
