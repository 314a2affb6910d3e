"""A caller that repeats its calls until nobody else is served: what servers work on, by who sent it and at which attempt.

Where calls fail although each takes less time than its caller waits for it, the calls are too many, and not too slow.
"""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from testbed.journal.evidence import Evidence, PoolTable, RunningCall

DOES_AS_ASKED = ("work", "statement")  # a server that waits for nobody
OF_LOAD = (*DOES_AS_ASKED, "no_answer", "late_answer")  # also one whose threads were just asking the database, which is never far away


def is_mostly_repetitions(pools: Iterable[PoolTable]) -> bool:
    """Whether at least half of the calls that threads of these servers are at repeat another."""
    running = list(_running(pools))
    return bool(running) and 2 * sum(call.attempt > 1 for call in running) >= len(running)


def group_of(server: PoolTable, pools: Sequence[PoolTable]) -> list[PoolTable]:
    """Return the pools of the servers of a service group: those that callers call which call this one, in their order.

    What a caller does to the servers of one group is nothing to those of another (S4).
    """
    group = [server]
    for table in group:
        group += [each for each in pools if each not in group and not _callers(each).isdisjoint(_callers(table))]
    return [table for table in pools if table in group]


def is_storm(evidence: Evidence, pools: Sequence[PoolTable], code: str) -> bool:
    """Whether the caller with the most repetitions makes them although its calls take less time than it waits for one.

    `pools`: of the servers of a service group. A call takes as long as it has its connection. Where that alone is longer than the caller's
    time-out or deadline, no attempt could succeed, however few they were: what the call does or waits for is to blame. `code`: of what the
    servers' threads are at. Without a limit, or with no connection out, nothing tells that a call is quick, and what it waits for is to
    blame if it waits for anything.
    """
    caller = _most_repeating(pools)
    about = next((about for about in evidence.services if about.service == caller), None)
    limits_s = () if about is None else (about.settings.get("call_read_timeout_s"), about.settings.get("call_deadline_s"))
    timeout_s = min((limit_s for limit_s in limits_s if limit_s is not None), default=None)
    held_s = [row.out_s for table in pools for row in table.connections_out if row.request_running]
    return code in DOES_AS_ASKED if timeout_s is None or not held_s else median(held_s) < timeout_s


def blamed(pools: Sequence[PoolTable]) -> tuple[str, str]:
    """Return the caller with the most repetitions, and what it does: its calls, and the threads of the servers that are at them."""
    caller = _most_repeating(pools)
    sent = [each for table in pools if table.calls is not None for each in table.calls.sent if each.caller == caller]
    running = list(_running(pools))
    repeated = sum(call.caller == caller and call.attempt > 1 for call in running)
    servers = " and ".join(table.service for table in pools if table.calls is not None)
    who = caller or "somebody who does not say who it is"
    text = (
        f"{who} sent {sum(each.calls for each in sent):,} calls, and {sum(each.first for each in sent):,} of them were no repetition: "
        f"{repeated} of {len(running)} request threads of {servers} that are at work are at its repetitions"
    )
    return who, text


def _most_repeating(pools: Iterable[PoolTable]) -> str:
    """Return the caller that sent most of the repetitions that are worked on; of several, the first by name."""
    repeated = Counter(call.caller for call in _running(pools) if call.attempt > 1)
    return min(repeated, key=lambda caller: (-repeated[caller], caller), default="")


def _callers(table: PoolTable) -> set[str]:
    """Return who has sent calls to a server, as far as it told."""
    calls = table.calls
    return set() if calls is None else {*(each.caller for each in calls.sent), *(each.caller for each in calls.running)}


def _running(pools: Iterable[PoolTable]) -> Iterable[RunningCall]:
    return (call for table in pools if table.calls is not None for call in table.calls.running)
