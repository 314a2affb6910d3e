"""The evidence of one moment: what every part of a facility told of itself when it was asked, and what could not be had.

It lies beside the journal, in a file of its own, which the journal's event `evidence` names. The page `README.md` has every field. Names
end with their unit, as those of events do; addresses are `host:port`. What cannot be, such as a count below zero, is refused when a file is
read, so whoever judges by evidence need not care; `evidence_values.py` says of one value what cannot be.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pydantic import TypeAdapter, ValidationError

from testbed.errors import JournalError, bounded
from testbed.journal.events import Why
from testbed.journal.evidence_values import Call, Code, Count, Id, Overflow, ReportedSeconds, Seconds, ServiceSettings, State, WaitKind
from testbed.plan import given_file

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence
    from pathlib import Path

    from testbed.journal.events import EvidenceTaken

MOST_BYTES = 64 << 20
MOST_SHOWN = 80  # characters of a value that is told as wrong
ROUNDED_S = 1e-6  # by which a time may differ that was written twice
POSTGRES_PORT = "5432"  # libpq's default
VIRTUAL_IP = "virtual IP of "  # and the database: the name of its route
HEARTBEATS = "heartbeats of the database hosts"  # the name of what is asked about them


@dataclass(frozen=True, slots=True)
class ConnectionOut:
    """A connection that is out of its pool: since when, which request has it, where it was taken, and how the request ended, if it has.

    `checked_out_at` and `raised_at` are calls of the service's own code, the innermost first: `lookup/original.py:18 lookup_by_city`.
    `thread_id`: the operating system's number of the thread. `backend_pid`: the process in the database server that served it at its
    checkout, 0 if there was none.
    """

    connection: Id
    thread: str
    out_s: Seconds
    request_running: bool
    thread_id: Id = 0
    backend_pid: Id = 0
    operation: str = ""
    checked_out_at: tuple[Call, ...] = ()
    error: str = ""
    raised_at: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A function of the service's code as it stood in its file; `first_line` is the number of its first line."""

    file: str
    function: str
    first_line: Count
    text: Code


@dataclass(frozen=True, slots=True)
class RunningCall:
    """A call that a thread of an application server is at: for how long, who sent it, and which attempt it is (1: the first).

    `thread_id`: the operating system's number of the thread. An empty caller, and the attempt 0, are not known.
    """

    thread_id: Id
    operation: str
    running_s: Seconds
    caller: str = ""
    attempt: Count = 0


@dataclass(frozen=True, slots=True)
class SentCalls:
    """How many calls a caller has sent to an application server since its start, and how many were no repetition of another."""

    caller: str
    calls: Count
    first: Count


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls that an application server is at, the longest first, and those that have come, by who sent them."""

    running: tuple[RunningCall, ...] = ()
    sent: tuple[SentCalls, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolTable:
    """The pool of an application server, and every connection that is out of it, the longest out first.

    `sources`: the functions in which those connections were taken. `connects_failed`: attempts to open a connection that have failed
    since one last succeeded, each of which fails a checkout, and `connect_error` with what the last did; 0 in evidence from before that
    was asked. `calls`: who sent what the server works on; None in older files.
    """

    service: str
    size: Count
    max_overflow: Overflow
    checkout_timeout_s: Seconds | None
    in_pool: Count
    out: Count
    waiting: Count
    leaked: Count
    connections_out: tuple[ConnectionOut, ...] = ()
    sources: tuple[Source, ...] = ()
    connects_failed: Count = 0
    connect_error: str = ""
    calls: Calls | None = None


@dataclass(frozen=True, slots=True)
class HttpPool:
    """The HTTP connections that a caller may have at once, to all addresses together, and those that are out, the longest out first."""

    size: Count
    connections_out: tuple[ConnectionOut, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class About:
    """What a service is: its settings, the programs it runs on, and the versions of the packages it could import and has loaded.

    `connections`: those of a caller that has only so many; None where nobody counts them.
    """

    service: str
    pid: Id
    programs: dict[str, str]
    installed: dict[str, str]
    loaded: dict[str, str]
    settings: ServiceSettings
    connections: HttpPool | None = None

    @property
    def database_address(self) -> str:
        """The address of its database as its settings name it; empty for a service without one."""
        words = dict(word.partition("=")[::2] for word in str(self.settings.get("database") or "").split())
        return f"{words.get('host', '')}:{words.get('port', POSTGRES_PORT)}" if words else ""


@dataclass(frozen=True, slots=True)
class Session:
    """A session in the database server (`pg_stat_activity`), and the processes whose locks it waits for.

    `state_s` and `transaction_s`: for how long it has been in its state, and its transaction open.
    """

    pid: Id
    role: str
    client: str
    state: str
    wait: str
    query: str
    state_s: ReportedSeconds | None = None
    transaction_s: ReportedSeconds | None = None
    blocked_by: tuple[Id, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock on a relation that a session holds, or waits for (`pg_locks`)."""

    pid: Id
    relation: str
    mode: str
    granted: bool


@dataclass(frozen=True, slots=True)
class DatabaseSide:
    """A database as its server sees it: on which host it runs, its version, its sessions and their locks, and settings of its own."""

    database: str
    host: str
    address: str
    version: str
    max_connections: Count
    sessions: tuple[Session, ...] = ()
    locks: tuple[HeldLock, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """A proxy that takes connections at `address` for the part whose address is `leads_to`; the virtual IP is one, too."""

    name: str
    address: str
    leads_to: str
    listens: bool

    @property
    def is_virtual_ip(self) -> bool:
        """Whether it leads to a database."""
        return self.name.startswith(VIRTUAL_IP)


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """The own address of a host of a database, whether or not a server runs there, as far as it is known."""

    database: str
    host: str
    address: str


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket on which a service listens: how many connections wait to be accepted, and how many may (`backlog`).

    The kernel takes one more than the backlog before it drops attempts to connect. None: it did not say.
    """

    address: str
    queued: Count
    backlog: Count | None

    @property
    def is_full(self) -> bool:
        """Whether the kernel drops attempts to connect."""
        return self.backlog is not None and self.queued > self.backlog


@dataclass(frozen=True, slots=True)
class Listeners:
    """The sockets on which a service listens, and whether its process was stopped by a signal, so that it accepts nobody."""

    service: str
    sockets: tuple[Listener, ...] = ()
    is_stopped: bool = False


@dataclass(frozen=True, slots=True)
class EventLoop:
    """Where the event loop of a service whose queue is full stood when its threads were dumped: its main thread, innermost call last."""

    service: str
    stack: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockWait:
    """A thread of a service that waits for a lock, or for another thread's end: the line, and who holds it, since which line, how sure.

    `thread` and `holder` are the operating system's numbers; without a `holder` it is not known who that is. `lock`: the expression of
    the source, empty where it does not tell. `timed`: the wait ends by itself.
    """

    thread: Id
    name: str
    at: str
    lock: str
    holder: Id | None = None
    holder_name: str = ""
    held_at: str = ""
    sure: Literal["certain", "likely"] | None = None
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Holder:
    """A thread that holds a lock for which others wait, and waits for none itself: what it does instead, in the words of a dump."""

    thread: Id
    name: str
    state: State
    within: str
    stack: tuple[str, ...]
    kind: WaitKind = ""
    call: str = ""
    peer: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ThreadLocks:
    """The locks between the threads of a service: who waits for which, the threads that hold one, and the deadlocks.

    A deadlock is the numbers of its threads, each of which waits for what the next holds, and the last for what the first does. `unread`:
    the sources that could not be used.
    """

    service: str
    lock_waits: tuple[LockWait, ...] = ()
    holders: tuple[Holder, ...] = ()
    deadlocks: tuple[tuple[Id, ...], ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """How a database host watches the other: one heartbeat of `sender` is due every `every_s` seconds over a link.

    After `take_over_after` missed in a row `watcher` takes over. `received`, `missed`, `longest_gap_s`: since the night began.
    """

    sender: str
    watcher: str
    link: str
    every_s: Seconds
    take_over_after: Count
    received: Count
    missed: Count
    longest_gap_s: Seconds


Answer = PoolTable | About | DatabaseSide | Route | OwnAddress | Listeners | EventLoop | ThreadLocks | Heartbeats


@dataclass(frozen=True, slots=True)
class Missing:
    """What was asked for and not had, and why; `late`: no answer came in time, which on a busy machine shows nothing."""

    what: str
    reason: str
    late: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """All answers of one moment, on both clocks. `took_s`: how long it took to collect them, in real seconds.

    `addresses`: that of each service, whether or not it answers. `hosts`: those of the database hosts. `thread_locks`: of services in
    whose dumps a thread may wait for a lock; `event_loops`: of those whose listen queue is full. Evidence from before listeners and locks
    were looked at has none.
    """

    why: Why
    t_s: Seconds
    night_s: Seconds
    took_s: Seconds
    pools: tuple[PoolTable, ...] = ()
    services: tuple[About, ...] = ()
    databases: tuple[DatabaseSide, ...] = ()
    routes: tuple[Route, ...] = ()
    addresses: dict[str, str] = field(default_factory=dict)
    missing: tuple[Missing, ...] = ()
    hosts: tuple[OwnAddress, ...] = ()
    listeners: tuple[Listeners, ...] = ()
    event_loops: tuple[EventLoop, ...] = ()
    thread_locks: tuple[ThreadLocks, ...] = ()
    heartbeats: tuple[Heartbeats, ...] = ()


_adapter: TypeAdapter[Evidence] = TypeAdapter(Evidence)


def write(evidence: Evidence, file: Path) -> None:
    """Write evidence to a file that is not there yet; nobody else may change it. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as written:  # as of a journal
        written.write(_adapter.dump_json(evidence))


def read(file: Path, taken: EvidenceTaken | None = None) -> Evidence:
    """Read evidence; raises JournalError when the file cannot be read, or is not what `write` writes. Unknown fields are ignored.

    It is refused, too, when something in it cannot be, or it is not that of the event that names it (`taken`).
    """
    try:
        evidence = _adapter.validate_json(given_file.read(file, MOST_BYTES), strict=True)
    except (OSError, ValueError) as error:  # ValidationError is a ValueError, and so is a path that no system has
        reason = _mistake(error) if isinstance(error, ValidationError) else getattr(error, "strerror", None) or str(error)
        raise JournalError(f"the evidence {file} cannot be read: {reason}") from error
    for contradiction in (*_contradictions(evidence), *(() if taken is None else _differences(evidence, taken))):
        raise JournalError(f"the evidence {file} cannot be read: {bounded(contradiction)}")
    return evidence


def _mistake(error: ValidationError) -> str:
    """Return the first mistake of evidence in one line: the field, what was found, and what is allowed."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    found = f", found {first['input']!r}" if isinstance(first["input"], int | float | str) and len(str(first["input"])) < MOST_SHOWN else ""
    return bounded(f"{where}: {first['msg']}{found}" if where else first["msg"])


def _contradictions(evidence: Evidence) -> Iterator[str]:
    """Yield what cannot be of fields together: a part that told of itself twice, and more connections out than a pool has."""
    yield from _twice("pools", [each.service for each in evidence.pools])
    yield from _twice("services", [each.service for each in evidence.services])
    yield from _twice("databases", [each.database for each in evidence.databases])
    yield from _twice("hosts", [(each.database, each.host) for each in evidence.hosts])
    yield from _twice("listeners", [each.service for each in evidence.listeners])
    yield from _twice("event_loops", [each.service for each in evidence.event_loops])
    yield from _twice("thread_locks", [each.service for each in evidence.thread_locks])
    yield from _twice("heartbeats", [(each.sender, each.watcher) for each in evidence.heartbeats])
    for number, table in enumerate(evidence.pools):
        most = table.size + table.max_overflow
        for name, count in (("out", table.out), ("leaked", table.leaked), ("connections_out", len(table.connections_out))):
            if table.max_overflow >= 0 and count > most:
                yield f"pools.{number}.{name}: there are {count}; allowed: at most {most}, which are size and max_overflow"
    for number, about in enumerate(evidence.services):
        if about.connections is not None and len(about.connections.connections_out) > about.connections.size:
            rows, size = len(about.connections.connections_out), about.connections.size
            yield f"services.{number}.connections.connections_out: there are {rows}; allowed: at most {size}, which is size"


def _twice(field: str, names: Sequence[Hashable]) -> Iterator[str]:
    for number, name in enumerate(names):
        if name in names[:number]:
            told = name if isinstance(name, str) else " and ".join(map(str, name)) if isinstance(name, tuple) else ""
            yield f"{field}.{number}: {told} is there twice; allowed: once"


def _differences(evidence: Evidence, taken: EvidenceTaken) -> Iterator[str]:
    """Yield where evidence is not that of the event that names it, which was written when all was answered."""
    if evidence.why != taken.why:
        yield f"why: it is {evidence.why!r}, and {taken.why!r} in the event that names it"
    if abs(evidence.took_s - taken.took_s) > ROUNDED_S:
        yield f"took_s: it is {evidence.took_s:g} s, and {taken.took_s:g} s in the event that names it"
    if evidence.t_s > taken.t_s + ROUNDED_S:
        yield f"t_s: it is {evidence.t_s:g} s, later than the event that names it, at {taken.t_s:g} s"
    if evidence.night_s > taken.night_s + ROUNDED_S:
        yield f"night_s: it is {evidence.night_s:g} s, later than the event that names it, at {taken.night_s:g} s"
