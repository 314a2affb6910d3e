"""The night of the case, fact by fact, over the code that failed and over the code that holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scenarios.conftest import PLANS
from testbed.journal.events import Pressure, Sample, Step
from testbed.plan.clock import HOUR_S
from testbed.runtime.busyness import EVERY_S, FILE
from testbed.verdict import figures, stuck_spans, thread_dumps, who_waits
from testbed.verdict.causes.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.journal.reader import Journal
    from testbed.verdict.result import Result

SERVERS = ("cf-1", "cf-2")
CALLERS = ("kiosk", "ivr", "partner")
SEEN_WITHIN_S = 2.0  # real seconds, of a busy machine


@pytest.fixture
def original(replayed: Callable[[str, str], Result]) -> Journal:
    """Return the journal of the night over the code that failed."""
    return replayed("the_night", "original").journal


@pytest.fixture
def fixed(replayed: Callable[[str, str], Result]) -> Journal:
    """Return the journal of the night over the code that holds."""
    return replayed("the_night", "fixed").journal


@pytest.mark.fact("C4")
def test_the_switchover_is_five_steps_by_the_book(original: Journal) -> None:
    """Stop, unmount, mount, start, and the virtual IP: each begun, each ended, in their order."""
    steps = [(step.number, step.step.split()[0]) for step in original.of(Step) if step.state == "end"]
    assert steps == [(1, "stop"), (2, "unmount"), (3, "mount"), (4, "start"), (5, "give")]


@pytest.mark.fact("O1")
def test_the_hang_comes_hours_after_the_switchover(original: Journal) -> None:
    """The switchover is a success at 23:00; everything stands still only when people check in, soon after five at the latest.

    A busy machine sees it late: a second of its time is half an hour of the night.
    """
    took_s = figures.of(original).time_to_hang_night_s
    assert took_s is not None
    assert 5 * HOUR_S < took_s < 6 * HOUR_S + SEEN_WITHIN_S * PLANS["the_night"].night.speed


@pytest.mark.fact("O3", "O4")
def test_forty_errors_empty_a_pool_of_forty(original: Journal) -> None:
    """Each server fails exactly as many lookups as it has connections, and then has none."""
    assert figures.failed_operations(original, "lookup_by_city") == dict.fromkeys(SERVERS, 40)
    assert figures.of(original).leaked_connections == dict.fromkeys(SERVERS, 40)


@pytest.mark.fact("O5", "O7")
def test_all_request_threads_of_every_server_wait_at_one_line(original: Journal) -> None:
    """The dump of each application server has one group of forty, at the checkout, called from the lookup; and both have one stack."""
    stacks = set()
    for server in SERVERS:
        dump = thread_dumps.last_of(original, server)
        assert dump is not None
        assert [(group.count, group.state, group.within) for group in dump.groups] == [
            (40, "waiting for a connection from the pool", "lookup_by_city")
        ]
        stacks.add(dump.groups[0].stack)
    (stack,) = stacks
    assert any(frame.startswith("lookup/original.py:") for frame in stack)


@pytest.mark.fact("O6", "O7", "P4")
def test_all_request_threads_of_every_caller_read_a_socket_at_one_line(original: Journal) -> None:
    """Forty of forty, inside the remote lookup, whatever the passenger wanted; and from there inwards all of them have one stack."""
    paths = set()
    for caller in CALLERS:
        dump = thread_dumps.last_of(original, caller)
        assert dump is not None
        assert {(group.state, group.within) for group in dump.groups} == {("blocked reading a socket", "lookup_by_city")}
        assert sum(group.count for group in dump.groups) == 40
        paths |= {thread_dumps.path_from(group) for group in dump.groups}
    assert len(paths) == 1


@pytest.mark.fact("O6")
def test_the_kernel_shows_that_every_caller_waits_for_the_servers(original: Journal) -> None:
    """The other ends of its threads' sockets are servers, or balancers before them; py-spy has just let some go on."""
    look = who_waits.worst_of(who_waits.of_journal(original))
    assert look is not None
    seen = Seen(look.evidence)
    for caller in CALLERS:
        dump = thread_dumps.last_of(original, caller)
        assert dump is not None
        waits = [wait for group in dump.groups for wait in group.waits if wait.peer]
        assert sum(wait.count for wait in waits) > 20
        assert {part for wait in waits for part in seen.parts_at(wait.peer)} <= set(SERVERS)


@pytest.mark.fact("O8", "C6")
def test_every_health_check_is_green_from_first_to_last(original: Journal) -> None:
    """Monitoring sees nothing, in hundreds of looks."""
    samples = original.of(Sample)
    assert len(samples) > 100
    assert all(sample.health for sample in samples)


def layers_s(journal: Journal) -> list[float | None]:
    """Return when trouble was first seen in each layer (`t_s`, None: never), from the lookup's code up to the calling systems.

    An operation failed; a connection was leaked; a thread waited for one; every request thread of a server was at work and nothing came
    out; the same of a caller.
    """
    spans = stuck_spans.find(journal)
    told = sorted((sample for sample in journal.of(Sample) if sample.pool), key=lambda sample: sample.t_s)
    return [
        next((sample.t_s for sample in told if any(count.failed for count in sample.results.values())), None),
        next((sample.t_s for sample in told if sample.pool and sample.pool.leaked), None),
        next((sample.t_s for sample in told if sample.pool and sample.pool.waiting), None),
        min((span.from_s for server in SERVERS for span in spans[server]), default=None),
        min((span.from_s for caller in CALLERS for span in spans[caller]), default=None),
    ]


@pytest.mark.fact("A1")
def test_the_crack_goes_from_the_code_to_the_pool_to_the_server_to_the_callers(original: Journal, fixed: Journal) -> None:
    """Each layer is in trouble after the one that it is coupled to; where the code lets go of the pool, no other layer is in any.

    Application code holds on to a shared resource, and the calls between systems hold on to whoever waits for it.
    """
    failed_s, leaked_s, waiting_s, *stuck_s = (at_s for at_s in layers_s(original) if at_s is not None)
    assert len(stuck_s) == 2
    # Samples are a tenth of a second apart, and on a busy machine more. Neighbours may share one, and servers are full as callers are.
    assert max(failed_s, leaked_s) < waiting_s < min(stuck_s)
    failed_s, leaked_s, _, server_s, caller_s = layers_s(fixed)  # a thread may wait there, while stale connections are made anew
    assert failed_s is not None
    assert (leaked_s, server_s, caller_s) == (None, None, None)


@pytest.mark.fact("O10")
def test_transactions_that_do_not_need_the_facility_stop_too(original: Journal) -> None:
    """A boarding pass could be printed without the facility, but no request thread is left to do it."""
    kinds = {
        (transaction.request.caller, transaction.request.transaction)
        for transaction in original.transactions
        if transaction.ended == "unanswered"
    }
    assert {("kiosk", "reprint_boarding_pass"), ("ivr", "baggage_allowance"), ("partner", "fare_rules")} <= kinds


@pytest.mark.fact("S1")
def test_the_fixed_lookup_pays_one_error_for_each_stale_connection(fixed: Journal) -> None:
    """Forty errors a server, none leaked, and nobody waits at the end."""
    assert figures.failed_operations(fixed) == dict.fromkeys(SERVERS, 40)
    assert figures.of(fixed).leaked_connections == dict.fromkeys(SERVERS, 0)
    assert {transaction.ended for transaction in fixed.transactions} == {"answered", "failed"}


def test_both_variants_were_sent_the_same_night(original: Journal, fixed: Journal) -> None:
    """The same requests, due at the same times of the night."""
    assert original.header.trace == fixed.header.trace
    sent = [
        [
            (transaction.request.id, transaction.request.caller, transaction.request.transaction)
            for transaction in sorted(journal.transactions, key=lambda transaction: transaction.request.id)
        ]
        for journal in (original, fixed)
    ]
    assert sent[0] == sent[1]


@pytest.mark.skipif(not FILE.exists(), reason="this kernel has no pressure stall information")
def test_the_journal_tells_how_busy_the_machine_was(original: Journal) -> None:
    """An answer that is late for want of a processor can be told from one that the facility gave late."""
    looks = original.of(Pressure)
    assert looks[-1].t_s - looks[0].t_s > len(looks) * EVERY_S / 2
    assert looks[-1].cpu_stalled_s > looks[0].cpu_stalled_s
