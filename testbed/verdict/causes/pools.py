"""What threads wait for in the end that wait for a connection of a pool: the line that lost them, or those who have them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from testbed.verdict.causes import loss
from testbed.verdict.causes.cause import Cause, Waiting, share_out, unseen
from testbed.verdict.causes.seen import in_use

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testbed.journal.events import ThreadGroup
    from testbed.journal.evidence import ConnectionOut, PoolTable
    from testbed.verdict.causes.seen import Seen


@dataclass(frozen=True, slots=True)
class PoolCauses:
    """Follows those who wait for a pool; `users` returns what groups of a service's threads wait for. `edges` takes who waits for whom."""

    seen: Seen
    edges: Counter[tuple[str, str, str]]
    users: Callable[[str, Sequence[ThreadGroup]], Waiting]

    def of_service(self, service: str, using: Sequence[ThreadGroup]) -> Waiting:
        """Return what holds the connections of a pool for which threads of a service wait, and how many of them.

        `using`: the groups of its threads that are at something else, among whom must be who has them.
        """
        pool, table = f"pool of {service}", self.seen.pool(service)
        if table is None:
            return Waiting.of({unseen(pool, self.seen.why_missing(pool)): 1})
        if (free := max(table.in_pool, capacity(table) - table.out)) > 0 and free >= table.waiting:
            return Waiting.of({unseen(pool, f"{free} of its {capacity(table)} connections are not out, and nobody need wait for one"): 1})
        lost, running = loss.losses(table.connections_out, table.sources), in_use(table)
        if lost and lost.total() >= len(running):
            found = Waiting()
            for where, count in lost.items():
                self.edges[pool, where.at, "lost"] = sum(each for other, each in lost.items() if other.at == where.at)
                found[self._lost(where)] += count
            return found
        if not running:
            out = f"{table.out} of its {capacity(table)} connections are out, and nobody recorded who has them"
            return Waiting.of({unseen(pool, out): 1})
        if not using:
            return Waiting.of({self._by_none_seen(service, table): 1})
        self.edges[pool, service, "held by requests that run"] = len(running)
        return self._held(service, table, using)

    def given_up(self) -> dict[Cause, list[str]]:
        """Return what lost all connections of pools for which nobody waits long, as checkouts give up, and the servers of these pools."""
        empty = [table for table in self.seen.pools if _is_given_up(table)]
        found: dict[Cause, list[str]] = {}
        for table in empty:
            for where, count in loss.losses(table.connections_out, table.sources).items():
                self.edges[f"pool of {table.service}", where.at, "lost"] += count
                found.setdefault(self._given_up(where, empty), []).append(table.service)
        return found

    def _given_up(self, where: loss.Loss, empty: Sequence[PoolTable]) -> Cause:
        lost = self._lost(where)
        after = " or ".join(dict.fromkeys(f"{table.checkout_timeout_s:g} s" for table in empty))
        is_every = len(empty) == len(self.seen.pools) and self.seen.all_pools_told
        of = "" if is_every else f" of {' and '.join(table.service for table in empty)}"
        gone = f"no thread hangs for it, as checkouts give up after {after}: every checkout{of} fails"
        return replace(lost, text=f"{lost.text}; {gone}")

    def _by_none_seen(self, service: str, table: PoolTable) -> Cause:
        """Return the cause where requests have the connections of a pool, and every thread that was seen waits for one of it."""
        pool, running, about = f"pool of {service}", in_use(table), self.seen.about(service)
        if _wait_for_one_another(table):
            requests = len({row.thread_id for row in running})
            text = f"a deadlock: {requests} requests have the {len(running)} connections of the {pool}, and wait for one more"
            return Cause("deadlock", pool, f"{text}{_taken(running)}")
        threads = None if about is None else about.settings.get("request_threads")
        tasks = [row for row in table.connections_out if row.request_running and row.operation and not row.thread_id]
        if isinstance(threads, int) and table.waiting >= threads and len(tasks) == table.out:
            text = (
                f"a deadlock (likely): requests without a thread have the {len(tasks)} connections of the {pool}, and all {threads} threads"
            )
            return Cause("deadlock", pool, f"{text} wait for one{_taken(running)}", only_likely=True)
        return unseen(pool, f"{len(running)} requests have its connections, and none of them was seen")

    def _held(self, service: str, table: PoolTable, using: Sequence[ThreadGroup]) -> Waiting:
        """Return what those wait for that have the connections of a pool, and of how many connections it was not seen who has them."""
        running = in_use(table)
        elsewhere = [row for row in running if not _is_held_by(row, table, using)]
        operations = {row.operation for row in running}
        holding = [group for group in using if not group.within or group.within in operations or "" in operations or table.calls]
        found = self.users(service, holding) if len(elsewhere) < len(running) else Waiting()
        unaccounted = max(len(elsewhere), len(running) - int(found.total()) if 2 * found.total() < len(running) else 0)
        held = share_out(len(running) - unaccounted, found)
        if unaccounted:
            what = f"{unaccounted} of {len(running)} requests that have its connections are none of the request threads that were seen"
            held[unseen(f"pool of {service}", what)] += unaccounted
        return held

    def _lost(self, worst: loss.Loss) -> Cause:
        """Return the cause of connections that were lost at one line in one way, in all servers."""
        text, tables = str(worst), self.seen.pools
        lost = {
            table.service: sum(count for each, count in loss.losses(table.connections_out, table.sources).items() if str(each) == text)
            for table in tables
        }
        of = [table for table in tables if lost[table.service]]
        servers, connections = " and ".join(table.service for table in of), sum(map(capacity, of))
        return Cause("lost", worst.at, f"{sum(lost.values())} of {connections} connections of {servers} were lost in {text}")


def _wait_for_one_another(table: PoolTable) -> bool:
    """Whether whoever has a connection of a pool waits for one more: all calls of its server wait, and they have all that are out."""
    running = () if table.calls is None else table.calls.running
    at_calls = {call.thread_id for call in running if call.thread_id}
    return len(running) <= table.waiting and all(row.request_running and row.thread_id in at_calls for row in table.connections_out)


def _taken(rows: Sequence[ConnectionOut]) -> str:
    """Return the lines that took connections, the most frequent first, as the end of a sentence; empty where none is known."""
    lines = Counter(row.checked_out_at[0] for row in rows if row.checked_out_at)
    return f": they took theirs at {', '.join(line for line, _ in lines.most_common())}" if lines else ""


def capacity(table: PoolTable) -> int:
    """Return how many connections a pool may have out at once."""
    return table.size + max(0, table.max_overflow)


def _is_given_up(table: PoolTable) -> bool:
    """Whether a pool has lost every connection that it may open, and nobody waits for one for ever: each checkout fails."""
    lost = loss.losses(table.connections_out, table.sources).total()
    return table.checkout_timeout_s is not None and table.max_overflow >= 0 and lost >= capacity(table) > 0


def _is_held_by(row: ConnectionOut, table: PoolTable, using: Sequence[ThreadGroup]) -> bool:
    """Whether a request thread has a connection: its thread is at a call, or where that is not known, a group is within its operation."""
    if table.calls is not None and table.calls.running and row.thread_id:
        return any(call.thread_id == row.thread_id for call in table.calls.running)
    return not row.operation or any(group.within in ("", row.operation) for group in using)
