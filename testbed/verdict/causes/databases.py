"""What threads wait for in the end that wait for an answer of a database server: from what the server told of its sessions and locks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.verdict.causes import slowness
from testbed.verdict.causes.cause import Cause, unseen
from testbed.verdict.causes.seen import in_use

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.journal.events import ThreadGroup
    from testbed.journal.evidence import ConnectionOut, DatabaseSide, PoolTable, Session
    from testbed.verdict.causes.seen import Seen

LOCK, HELD_BY = "a lock", "held by"  # in the graph
LOCK_OF = f"{LOCK} of "  # and the database, where there are several
CLIENT_WAIT, STANDBY_WAIT = "Client: ", "IPC: SyncRep"  # what a session waits for, as `pg_stat_activity` names it
PREPARED = 0  # what `pg_blocking_pids` gives for a prepared transaction, which no process has
MOST_RELATIONS = 3


@dataclass(frozen=True, slots=True)
class DatabaseCauses:
    """Follows those who wait for a database server; `edges` takes who waits for whom."""

    seen: Seen
    edges: Counter[tuple[str, str, str]]
    _known: dict[tuple[str, ThreadGroup], Cause] = field(default_factory=dict)

    def of_group(self, service: str, group: ThreadGroup) -> Cause:
        """Return what the threads of a group wait for in the end; a group is counted once, however many ways lead to it."""
        if (service, group) not in self._known:
            self._known[service, group] = self._followed(service, group)
        return self._known[service, group]

    def _followed(self, service: str, group: ThreadGroup) -> Cause:
        name, address, side = self.seen.database_of(service)
        self.edges[service, name, group.state] += group.count
        if side is None:
            return self._not_told(name, address)
        sessions = {session.pid: session for session in side.sessions}
        used = [sessions.get(row.backend_pid) for row in self._rows_of(service, group)]
        if not used:
            return unseen(name, f"which of its sessions {service} waits for")
        seen = [session for session in used if session is not None]
        blocked = [session for session in seen if session.blocked_by]
        active = [session for session in seen if session.state == "active" and not session.blocked_by]
        # Who has a connection and works elsewhere has a session without work: only what is left after these may be the link.
        if (busy := len(blocked) + len(active)) and 2 * busy >= min(group.count, len(used)):
            return self._locked(side, sessions, blocked) if len(blocked) >= len(active) else self._active(name, address, active)
        if 2 * (missing := len(used) - len(seen)) > missing + len(seen) - busy:
            return Cause("no_session", name, f"the link to {name}{address}: connections over it have no session at the other end any more")
        return self._unanswered(name, address, side, sessions)

    def _rows_of(self, service: str, group: ThreadGroup) -> list[ConnectionOut]:
        """Return the connections that the threads of a group may have: those of their operation, or all where these are too few."""
        rows = [row for row in in_use(self.seen.pool(service)) if row.backend_pid]
        own = [row for row in rows if row.operation == group.within]
        return own if len(own) >= group.count else rows

    def _active(self, name: str, address: str, active: Sequence[Session]) -> Cause:
        """Return the cause of threads whose sessions are at a statement, by what most of these wait for."""
        waits = Counter(session.wait for session in active)
        wait = min(waits, key=lambda wait: (-waits[wait], wait))
        such_as = f"such as: {next(session.query for session in active if session.wait == wait)}"
        if wait.startswith(CLIENT_WAIT):
            text = f"the link to {name}{address}, or whoever uses it: sessions at the other end wait for their client"
            return Cause("no_answer", f"link to {name}", f"{text} ({wait}), {such_as}")
        if wait == STANDBY_WAIT:
            standby = f"standby of {name}"
            self.edges[name, standby, "wait"] = waits[wait]
            text = f"the {standby}, or the link to it: sessions wait for it to confirm their commits"
            return Cause("no_answer", standby, f"{text} ({wait}), {such_as}")
        waiting = f", which waits for {wait}" if wait else ""
        return Cause("statement", name, f"statements at work in {name}, {such_as}{waiting}")

    def _not_told(self, name: str, address: str) -> Cause:
        """Return the cause of threads that wait for a database whose server told nothing."""
        what = f"database server of {name}"
        reason = self.seen.why_missing(what)
        if self.seen.may_only_be_late(what):
            return unseen(name, f"{reason}, but {self.seen.machine_busy}")
        return Cause("no_answer", name, f"{name}{address} does not answer: {reason}")

    def _unanswered(self, name: str, address: str, side: DatabaseSide, sessions: Mapping[int, Session]) -> Cause:
        """Return the cause of threads that wait for sessions which have nothing to do: the link between them."""
        link = f"the link to {name}{address}"
        if (late_s := slowness.answers_late_s(self._rows_over(side), sessions)) is not None:
            text = f"{link} answers late: sessions at the other end have given answers that are still not here"
            return Cause("late_answer", f"link to {name}", f"{text} after up to {late_s:.1f} s, and earlier ones of the same calls came")
        text = f"{link}: threads wait for answers, and their sessions at the other end have nothing to do: nothing gets through"
        return Cause("no_answer", f"link to {name}", text)

    def _rows_over(self, side: DatabaseSide) -> list[ConnectionOut]:
        """Return the connections of all servers to a database whose requests run."""
        return [row for table in self._tables_of(side) for row in in_use(table)]

    def _locked(self, side: DatabaseSide, sessions: Mapping[int, Session], blocked: Sequence[Session]) -> Cause:
        """Return the session at the end of those that wait for one another's locks: of several, the one that most of them wait for."""
        ends = {session.pid: _end_of(session, sessions) for session in side.sessions if session.blocked_by}
        lock = LOCK if len(self.seen.databases) == 1 else LOCK_OF + side.database
        self.edges[side.database, lock, "wait"] = len(ends)
        for place, waiting in Counter(_place(side, sessions, pids) for pids in ends.values()).items():
            self.edges[lock, place, HELD_BY] = waiting
        counted = Counter(ends[session.pid] for session in blocked)
        pids = min(counted, key=lambda pids: (-counted[pids], pids))
        return self._held(side, sessions, pids)

    def _tables_of(self, side: DatabaseSide) -> list[PoolTable]:
        """Return the pools whose connections lead to a database: another's sessions may have the same process ids."""
        return [table for table in self.seen.pools if self.seen.database_of(table.service)[2] is side]

    def _held(self, side: DatabaseSide, sessions: Mapping[int, Session], pids: Sequence[int]) -> Cause:
        """Return the cause of those that wait for a lock: who holds it, or the sessions that wait for one another's."""
        where = _place(side, sessions, pids)
        if len(pids) > 1:
            listed = ", ".join(map(str, pids))
            return Cause("deadlock", where, f"a deadlock: the sessions {listed} of {side.database} wait for one another's locks")
        (pid,) = pids
        lock = f"a lock on {_relation(side, pid)} of {side.database} that"
        if pid == PREPARED:
            return Cause("lock", where, f"{lock} a prepared transaction holds: no session has it, until it is committed or rolled back")
        if (holder := sessions.get(pid)) is None:
            return Cause("lock", where, f"{lock} process {pid} of its server holds")
        open_s = "" if holder.transaction_s is None else f" for {holder.transaction_s:.1f} s"
        text = f"{lock} {self._owner(side, holder)} holds{open_s}: session {pid}, {holder.state}, last statement: {holder.query}"
        return Cause("lock", where, text)

    def _owner(self, side: DatabaseSide, session: Session) -> str:
        """Return which request has a session; where none of the facility's has it, its role in the database."""
        tables = self._tables_of(side)
        rows = ((table.service, row) for table in tables for row in table.connections_out if row.backend_pid == session.pid)
        service, row = next(rows, ("", None))
        return f"the role {session.role}" if row is None else f"{row.operation or 'a thread'} of {service}"


def _end_of(blocked: Session, sessions: Mapping[int, Session]) -> tuple[int, ...]:
    """Return the process at the end of those that wait for one another's locks, or all of them, in order, that do so in a circle."""
    passed = [blocked.pid]
    while (session := sessions.get(passed[-1])) is not None and session.blocked_by:
        pid = session.blocked_by[0]
        if pid in passed:
            return tuple(sorted(passed[passed.index(pid) :]))
        passed.append(pid)
    return (passed[-1],)


def _place(side: DatabaseSide, sessions: Mapping[int, Session], pids: Sequence[int]) -> str:
    """Return the name in the graph of who holds a lock; sessions that wait for one another's are in the database."""
    if len(pids) > 1:
        return side.database
    (pid,) = pids
    who = "prepared transaction" if pid == PREPARED else f"session {pid}" if pid in sessions else f"process {pid}"
    return f"{who} of {side.database}"


def _relation(side: DatabaseSide, holder: int) -> str:
    """Return the relation that is waited for; where no session that waits for the holder tells, those that the holder locks."""
    waiting = {session.pid for session in side.sessions if holder in session.blocked_by}
    wanted = Counter(lock.relation for lock in side.locks if lock.pid in waiting and not lock.granted)
    if wanted:
        return min(wanted, key=lambda relation: (-wanted[relation], relation))
    held = {lock.relation for lock in side.locks if lock.pid == holder and lock.granted and "Exclusive" in lock.mode}
    return " or ".join(sorted(held)) if 0 < len(held) <= MOST_RELATIONS else "a table"
