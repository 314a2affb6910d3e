"""What is at work and slow: a line of a service's own code, and a link that answers late rather than never.

Both from the evidence of one moment: a pool's table has for how long each request has had its connection, and the database server since
when each of its sessions has been in its state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.verdict.causes import callers_load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.journal.evidence import ConnectionOut, PoolTable, Session

LONGER = 1.5
LEAST_SHARE = 0.25
# A healthy call takes milliseconds, on a machine without a free processor tenths of a second. What is stuck has waited for a second at
# least before anybody looks, and what is slow on purpose takes seconds.
LEAST_S = 0.5
TAKES_TIME = ("work", "statement", "monitor", "lock", "no_answer", "late_answer")  # what every call is at; it is a cause only if it lasts


def gets_on(table: PoolTable | None, at_work: int) -> bool:
    """Whether every call that a server is at has come within the last `LEAST_S`, so that its threads are busy, and do not wait.

    `at_work`: how many of its threads are. Without a list of its calls, those tell that have a connection, if that is all of them. Calls
    that mostly repeat others do not tell: where there are too many, each may be short.
    """
    if table is None or callers_load.is_mostly_repetitions([table]):
        return False
    if table.calls is not None and table.calls.running:
        return all(call.running_s < LEAST_S for call in table.calls.running)
    held_s = [row.out_s for row in table.connections_out if row.request_running]
    return len(held_s) >= at_work > 0 and max(held_s) < LEAST_S


def work(at: str, within: str, at_work: Mapping[str, int], pools: Sequence[PoolTable], *, asleep: bool = False) -> tuple[str, str]:
    """Return where work of services themselves is done, and what it is, with the longest time for which a call has been at it.

    `at_work`: how many request threads of each service are at the line `at`, within an operation. Without a table of their connections
    nothing tells for how long. `asleep`: whether most of them were seen to sleep.
    """
    services = " and ".join(sorted(at_work))
    selves = "themselves" if len(at_work) > 1 else "itself"
    tables = (table for table in pools if table.service in at_work)
    held = [row.out_s for table in tables for row in table.connections_out if row.request_running and row.operation == within]
    longest = f", where the longest of {len(held)} calls has had its connection for {max(held):.1f} s" if held else ""
    return f"{services}, {at}", f"{'a sleep' if asleep else 'work'} of {services} {selves} at {at}{longest}"


def answers_late_s(rows: Sequence[ConnectionOut], sessions: Mapping[int, Session]) -> float | None:
    """Return for how long answers of a database server have been under way over a link that carries them, and late; None if it is not late.

    `rows`: the connections to it whose requests run; `sessions` by their process. Over a silent link a session stands still for as long as
    its request has had it: it was never asked, or its one answer did not come. Over a late one a request that makes several round trips
    has had some of its answers, and its session stands still for the last alone. So a link is late where a quarter of the requests (those
    in their first round trip do not tell, and the pools are asked a moment before the database is) have had their connections for half as
    long again as their sessions have stood still, and for `LEAST_S` at least.
    """
    pairs = [(row.out_s, session.state_s) for row in rows if (session := sessions.get(row.backend_pid)) and session.state_s is not None]
    late = [still_s for out_s, still_s in pairs if out_s > LONGER * still_s and out_s >= LEAST_S]
    return max(late) if late and len(late) >= LEAST_SHARE * len(rows) else None
