"""What threads wait for in the end that wait for an answer of a database server: from what the server told of its sessions and locks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.verdict.causes import slowness
from testbed.verdict.causes.cause import Cause, unseen
from testbed.verdict.causes.seen import in_use

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from testbed.journal.events import ThreadGroup
    from testbed.journal.evidence import ConnectionOut, DatabaseSide, Session
    from testbed.verdict.causes.seen import Seen


@dataclass(frozen=True, slots=True)
class DatabaseCauses:
    """Follows those who wait for a database server; `edges` takes who waits for whom."""

    seen: Seen
    edges: Counter[tuple[str, str, str]]

    def of_group(self, service: str, group: ThreadGroup) -> Cause:
        """Return what the threads of a group wait for in the end."""
        name, address, side = self.seen.database_of(service)
        self.edges[service, name, group.state] += group.count
        if side is None:
            return self._not_told(name, address)
        sessions = {session.pid: session for session in side.sessions}
        table = self.seen.pool(service)
        used = [sessions.get(row.backend_pid) for row in in_use(table) if row.backend_pid]
        if not used:
            return unseen(name, f"which of its sessions {service} waits for")
        seen = [session for session in used if session is not None]
        if 2 * len(blocked := [session for session in seen if session.blocked_by]) >= len(used):
            self.edges[name, "a lock", "wait"] = sum(bool(session.blocked_by) for session in side.sessions)
            return self._locked(side, sessions, blocked[0])
        if 2 * len(active := [session for session in seen if session.state == "active"]) >= len(used):
            return Cause("statement", name, f"statements at work in {name}, such as: {active[0].query}")
        if 2 * len(seen) < len(used):
            return Cause("no_session", name, f"the link to {name}{address}: connections over it have no session at the other end any more")
        return self._unanswered(name, address, side, sessions)

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
        text = f"{link}: threads wait for answers that the sessions at the other end have given, or were never asked for"
        return Cause("no_answer", f"link to {name}", text)

    def _rows_over(self, side: DatabaseSide) -> list[ConnectionOut]:
        """Return the connections of all servers to a database whose requests run."""
        return [row for table in self.seen.pools if self.seen.database_of(table.service)[2] is side for row in in_use(table)]

    def _locked(self, side: DatabaseSide, sessions: Mapping[int, Session], blocked: Session) -> Cause:
        """Return the session at the end of those that wait for one another's locks."""
        holder, passed = blocked, [blocked.pid]
        while holder.blocked_by:
            pid = holder.blocked_by[0]
            if pid in passed:
                pids = ", ".join(map(str, sorted(passed[passed.index(pid) :])))
                return Cause("deadlock", side.database, f"a deadlock: the sessions {pids} of {side.database} wait for one another's locks")
            if pid not in sessions:
                return Cause("lock", side.database, f"a lock in {side.database} that process {pid} of its server holds")
            holder = sessions[pid]
            passed.append(pid)
        held = next((lock for lock in side.locks if lock.pid == holder.pid and lock.granted and "Exclusive" in lock.mode), None)
        open_s = "" if holder.transaction_s is None else f" for {holder.transaction_s:.1f} s"
        text = (
            f"a lock on {held.relation if held else 'a table'} of {side.database} that {self._owner(holder)} holds{open_s}: "
            f"session {holder.pid}, {holder.state}, last statement: {holder.query}"
        )
        return Cause("lock", f"session {holder.pid} of {side.database}", text)

    def _owner(self, session: Session) -> str:
        """Return which request has a session; where none of the facility's has it, its role in the database."""
        rows = ((table.service, row) for table in self.seen.pools for row in table.connections_out if row.backend_pid == session.pid)
        service, row = next(rows, ("", None))
        return f"the role {session.role}" if row is None else f"{row.operation or 'a thread'} of {service}"
