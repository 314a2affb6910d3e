"""A caller whose repetitions keep the servers busy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.journal.evidence import Calls, ConnectionOut, Evidence, PoolTable, RunningCall, SentCalls, Session
from testbed.journal.thread_states import CHECKOUT, DATABASE, RUNNING
from tests.verdict.test_who_waits import CALLERS, about, database, dump, evidence, found, group, root, table

SENT = (SentCalls("partner", 956, 24), SentCalls("kiosk", 12, 12))
SERVERS = tuple(dump(server, group(3, CHECKOUT), group(1, RUNNING)) for server in ("cf-1", "cf-2"))
ASKED = database(Session(100, "flights", "", "idle", "", "SELECT", 0.2))
SAID = (
    "retries: partner sent 1,912 calls, and 48 of them were no repetition: {} of 8 request threads of cf-1 and cf-2 that are at work are "
    "at its repetitions; 16 threads wait for it, of 4 services (kiosk, ivr, cf-1, cf-2)"
)


def busy(server: str, *attempts: int, held_s: float = 0.2) -> PoolTable:
    """Return the table of a server that works on calls of the partner, each at this attempt; one has the only connection for so long."""
    running = tuple(RunningCall(n, "lookup_by_city", 2.0, "partner", attempt) for n, attempt in enumerate(attempts))
    held = ConnectionOut(1, "w", held_s, request_running=True, operation="lookup_by_city", backend_pid=100)
    return replace(table(server, held, size=1), calls=Calls(running, SENT))


def seen(*pools: PoolTable, timeout_s: float | None = 0.5) -> Evidence:
    """Return the evidence of servers, and of a partner that waits so long for an answer."""
    found = evidence(*pools)
    return replace(found, services=(*found.services, about("partner", call_read_timeout_s=timeout_s)))


@pytest.mark.fact("P1")
def test_a_caller_whose_repetitions_keep_the_servers_busy_is_named_with_its_calls() -> None:
    """Whoever waits for those servers waits for it; a thread that was just asking the database changes nothing."""
    evidence_ = seen(busy("cf-1", 7, 8, 1, 3), busy("cf-2", 9, 2, 2, 1))
    assert root(evidence_, *CALLERS, *SERVERS) == SAID.format(6)
    asking = [dump(server, group(3, CHECKOUT), group(1, DATABASE)) for server in ("cf-1", "cf-2")]
    with_sessions = replace(evidence_, databases=(ASKED,))
    assert root(with_sessions, *CALLERS, *asking) == SAID.format(6)


@pytest.mark.parametrize(
    "pools",
    [
        (busy("cf-1", 1, 1, 1, 2), busy("cf-2", 1, 1, 1, 1)),  # most of them are no repetition
        (busy("cf-1", 2, 2, 2, 2, held_s=4.0), busy("cf-2", 2, 2, 2, 2, held_s=3.0)),  # no attempt could ever succeed
        (replace(busy("cf-1", 2, 2), calls=None), replace(busy("cf-2", 2, 2), calls=None)),  # an older file
    ],
)
def test_what_is_slow_by_itself_or_asked_once_is_no_storm(pools: tuple[PoolTable, ...]) -> None:
    """The line that is at work is to blame."""
    assert root(seen(*pools), *CALLERS, *SERVERS).startswith("work: work of cf-1 and cf-2 themselves")


def test_without_a_time_out_only_what_waits_for_nobody_is_a_storm() -> None:
    """Nothing tells that a call is quick, so what it waits for is to blame."""
    pools = (busy("cf-1", 2, 2, 2, 2), busy("cf-2", 2, 2, 2, 2))
    assert root(seen(*pools, timeout_s=None), *CALLERS, *SERVERS) == SAID.format(8)
    asking = [dump(server, group(3, CHECKOUT), group(1, DATABASE)) for server in ("cf-1", "cf-2")]
    assert root(replace(seen(*pools, timeout_s=None), databases=(ASKED,)), *CALLERS, *asking).startswith("no_answer")


def test_a_storm_is_that_of_the_service_group() -> None:
    """Each group has callers of its own: whoever repeats more elsewhere, or waits longer there, has no part in it."""
    kiosk = replace(busy("cf-2"), calls=Calls(tuple(RunningCall(n, "w", 2.0, "kiosk", 3) for n in range(3)), (SentCalls("kiosk", 9, 3),)))
    repeated = tuple(RunningCall(n, "w", 2.0, "partner", 9) for n in range(4))
    slow = replace(busy("cf-1", held_s=9.0), calls=Calls(repeated, SENT[:1]))  # no attempt could ever succeed
    evidence_ = seen(slow, kiosk)
    callers = (*(each for each in evidence_.services if each.service != "kiosk"), about("kiosk", call_read_timeout_s=0.5))
    evidence_ = replace(evidence_, services=callers)
    told = {blamed.services: blamed.cause for blamed in found(evidence_, *SERVERS).blamed}
    assert (told["cf-1",].code, told["cf-2",].code) == ("work", "retries")
    assert told["cf-2",].where == "kiosk"
    assert told["cf-2",].text.endswith("3 of 3 request threads of cf-2 that are at work are at its repetitions")


@pytest.mark.parametrize(("deadline_s", "code"), [(0.5, "retries"), (0.1, "work")])
def test_a_deadline_is_waited_for_as_a_time_out_is(deadline_s: float, code: str) -> None:
    """Repetitions of calls that are quicker are a storm; of those that could never be answered in time, what they wait for is to blame."""
    found = evidence(busy("cf-1", 7, 8, 1, 3), busy("cf-2", 9, 2, 2, 1))
    partner = about("partner", call_read_timeout_s=None, call_deadline_s=deadline_s)
    assert root(replace(found, services=(*found.services, partner)), *CALLERS, *SERVERS).startswith(f"{code}: ")
