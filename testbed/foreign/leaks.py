"""Which connections a service has lost, without its word being enough: what is out, or held in the database, while nothing is asked of it.

Pure functions over looks at one process of a service. Two witnesses, and each may see what the other cannot:

- its own count of connections that are out of its pool, while nothing is in flight to it by the testbed's own count: whatever is out then,
  nobody uses, but for one on which a statement still runs that somebody has given up;
- its sessions in the database (`pg_stat_activity`): one that is idle in a transaction then, nobody will end. A connection that is lost
  after it has died has no session, and one that is lost between transactions looks like every other one in the pool.

What was not seen is unknown, and never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

QUIET_S = 1.0  # nothing in flight for so long: what an answered request has still to give back is given back by then
IN_TRANSACTION = ("idle in transaction", "idle in transaction (aborted)")
ACTIVE = "active"
NOT_QUIET = "there was no second without a request in flight to it"


@dataclass(frozen=True, slots=True)
class ServiceSession:
    """A session of a service in the database: its state as PostgreSQL has it, and for how long; and the client's port and statement.

    `transaction_s`: for how long it is in a transaction; None: it is in none.
    """

    pid: int
    application: str
    role: str
    client: str
    state: str
    state_s: float
    transaction_s: float | None = None
    statement: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a service at one moment; None: it was not seen.

    `in_flight`: requests that the testbed has sent to it and that have not come back, whoever sent them. `out`: connections out of its
    pool, as it says itself. `sessions`: its own in the database.
    """

    t_s: float
    in_flight: int | None = None
    out: int | None = None
    sessions: tuple[ServiceSession, ...] | None = None


@dataclass(frozen=True, slots=True)
class Leak:
    """What a service has lost: `by_pool` and `by_database` are counts, None where a witness saw nothing, with the reason in `unknown`.

    `quiet_s`: how long nothing was in flight to it at last. `sessions`: those it had then, None where nobody saw. `sentence`: what both
    tell together; `disagree`: they contradict each other, which is a finding by itself.
    """

    service: str
    quiet_s: float
    by_pool: int | None
    by_database: int | None
    sessions: int | None
    unknown: tuple[str, ...]
    disagree: bool
    sentence: str

    @property
    def lost(self) -> int | None:
        """How many connections are lost, as far as either saw; None where neither did."""
        seen = [count for count in (self.by_pool, self.by_database) if count is not None]
        return max(seen, default=None)


def find_leak(service: str, looks: Sequence[Look]) -> Leak:
    """Return what a service has lost, by the last looks at which nothing was in flight to it, in a row and over `QUIET_S`."""
    quiet = quiet_looks(looks)
    if not quiet:
        return Leak(service, 0.0, None, None, None, (NOT_QUIET,), disagree=False, sentence=f"{service}: unknown; {NOT_QUIET}")
    quiet_s = quiet[-1].t_s - quiet[0].t_s
    settled = [look for look in quiet if look.t_s - quiet[0].t_s >= QUIET_S]
    out = _least(look.out for look in settled)
    seen = [look for look in settled if look.sessions is not None]
    held = _held(seen[-1], quiet[0].t_s) if seen else None
    sessions = len(seen[-1].sessions or ()) if seen else None
    idle = None if held is None else sum(session.state in IN_TRANSACTION for session in held)
    lost = out if out is None or held is None or idle is None else max(0, out - (len(held) - idle))
    unknown = []
    if out is None:
        unknown.append("it does not tell how many connections are out of its pool")
    if held is None:
        unknown.append("nobody saw its sessions in the database")
    disagree, meaning = _meaning(out, held, sessions)
    sentence = f"{service}, with nothing in flight to it for {quiet_s:.1f} s: {_told(out, held, sessions)}{meaning}"
    return Leak(service, quiet_s, lost, idle, sessions, tuple(unknown), disagree, sentence)


def quiet_looks(looks: Sequence[Look]) -> Sequence[Look]:
    """Return the last looks in a row, over at least `QUIET_S`, at which nothing was in flight; one that does not know ends a row."""
    found: list[Look] = []
    row: list[Look] = []
    for look in looks:
        row = [*row, look] if look.in_flight == 0 else []
        if row and row[-1].t_s - row[0].t_s >= QUIET_S:
            found = row
    return found


def _least(counts: Iterable[int | None]) -> int | None:
    """Return the least that was told: a pool that tests or opens connections has one out now and then."""
    return min((count for count in counts if count is not None), default=None)


def _held(last: Look, since_s: float) -> list[ServiceSession]:
    """Return the sessions that are in a transaction, or work, since before the quiet began: nobody waits for them any more."""
    quiet_s = last.t_s - since_s
    states = (*IN_TRANSACTION, ACTIVE)
    return [session for session in last.sessions or () if session.state in states and (session.transaction_s or 0.0) >= quiet_s]


def _told(out: int | None, held: Sequence[ServiceSession] | None, sessions: int | None) -> str:
    pool = "how many connections are out of its pool is unknown" if out is None else f"its pool says that {out} are out"
    if held is None:
        return f"{pool}, and its sessions in the database are unknown"
    idle = sum(session.state in IN_TRANSACTION for session in held)
    longest_s = max((session.transaction_s or 0.0 for session in held), default=0.0)
    kinds = f"{idle} idle in a transaction and {len(held) - idle} at work, the longest for {longest_s:.1f} s"
    return f"{pool}, and the database has {sessions} sessions of it, {kinds if held else 'none in a transaction'}"


def _meaning(out: int | None, held: Sequence[ServiceSession] | None, sessions: int | None) -> tuple[bool, str]:
    """Return whether the two witnesses contradict each other, and what that, or their agreement, means."""
    if out is None or held is None or sessions is None:
        return False, ""
    if out > sessions:
        return True, f"; they disagree: {out - sessions} of the connections that are out have no session, so they are dead, and still count"
    if len(held) > out:
        return (
            True,
            f"; they disagree: {len(held) - out} transactions are open on connections that its pool takes for its own, or never had",
        )
    return False, ""
