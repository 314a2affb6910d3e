"""The journal's events: what was seen of a replay, one JSON object a line.

The first line is the `header`; every later line has `event` (its kind), `t_s` and `night_s`. The page `testbed/journal/README.md`
specifies every event and every field with its unit; a test compares it with the classes below. A name ends with its unit:
`_s` is seconds, `_bytes` bytes. Lines are written as things become known: their `t_s` need not rise from line to line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict

from pydantic import Field

FORMAT = 1
FIRST_ERROR_STATUS = 400  # of HTTP: a response below it is `answered`
REFUSED = "connection refused"  # the error of a sample: nothing listens at the service's address
BY_HAND = 1_000  # ids of what a class orders come after it; a timeline has at most so many steps
KIB, MIB = 1 << 10, 1 << 20  # of the bytes in which events give sizes
Progress = Literal["begin", "end", "failed"]
BreakerState = Literal["closed", "open", "half_open"]
Resource = Literal["memory", "processes", "descriptors", "space"]
By = Literal["operator", "cluster"]  # who ordered an operation
# Evidence was taken: callers hang; all of them fail; somebody asked; a restart follows; stuck, or out of service and not asked, at the end.
Why = Literal["hung", "out_of_service", "asked", "restart", "end"]
Now = Callable[[], tuple[float, float]]  # returns `t_s` and `night_s` of this moment


@dataclass(frozen=True, slots=True)
class NightSpan:
    """The night's date (ISO) and its window, in seconds of the night."""

    date: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class FacilityNames:
    """The services of the facility, and the size of their pools."""

    application_servers: tuple[str, ...]
    callers: tuple[str, ...]
    request_threads: int
    pool_size: int


@dataclass(frozen=True, slots=True)
class TraceSource:
    """The trace that was sent: its file (empty when it was derived), how many requests, its checksum."""

    path: str
    requests: int
    sha256: str


@dataclass(frozen=True, slots=True)
class OwnService:
    """A service of somebody else's in the place of each application server: its command, and what was known of it.

    `request_threads` is None where that is not known. `tells`: what it is said to tell, of `health`, `threads`, `pool` and `dumps`.
    """

    command: tuple[str, ...]
    request_threads: int | None
    max_connections: int
    timeout_s: float
    health_in_request_threads: bool
    tells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: what was replayed, and what is expected of it. A journal can be judged without the scenario's file."""

    scenario: str
    title: str
    variant: str
    runtime: str
    seed: int
    repetition: int
    started_at: str
    facts: tuple[str, ...]
    night: NightSpan
    facility: FacilityNames
    transactions: dict[str, dict[str, bool]]
    expect: dict[str, Any]
    settings: dict[str, dict[str, Any]]
    trace: TraceSource
    versions: dict[str, str]
    machine: dict[str, str | int]
    timeline: tuple[str, ...] = ()
    service: OwnService | None = None
    journal: int = FORMAT
    event: Literal["header"] = "header"


class Stamp(TypedDict):
    """The fields of `Stamped`, to be unpacked into an event."""

    t_s: float
    night_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """When: `t_s` real seconds since the replay's start, `night_s` seconds of the night."""

    t_s: float
    night_s: float


ENDED = ("stopped", "died")  # the states of a service whose process has ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Stamped):
    """A service was started, was ready, was stopped on purpose, or died by itself."""

    service: str
    state: Literal["started", "ready", "stopped", "died"]
    pid: int | None
    detail: str = ""
    event: Literal["service"] = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationEvent(Stamped):
    """A fault or an operation begins or ends; after `failed` the facility may be in any state between.

    `by`: who ordered it; what the cluster ordered is in no timeline, and `reason` says at its begin why it did.
    """

    operation: str
    id: int
    state: Progress
    detail: str = ""
    duration_s: float | None = None
    due_s: float | None = None
    due_night_s: float | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    exhausts: tuple[Resource, ...] = ()
    delays_s: float | None = 0.0
    by: By = "operator"
    reason: str = ""
    event: Literal["operation"] = "operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Stamped):
    """A step of an operation begins or ends; `number` counts from 1."""

    operation: str
    id: int
    number: int
    step: str
    state: Progress
    detail: str = ""
    duration_s: float | None = None
    event: Literal["step"] = "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Stamped):
    """The load generator sent a request: a transaction that a passenger asked of a caller."""

    id: int
    caller: str
    transaction: str
    due_s: float
    sent_s: float
    begun_s: float | None = None
    event: Literal["request"] = "request"

    @property
    def taken_up_s(self) -> float:
        """When the load generator took it up; in old journals, when it was sent."""
        return self.sent_s if self.begun_s is None else self.begun_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Stamped):
    """A request ended. One without a response is *unanswered*; it may have done its work in the database all the same."""

    id: int
    answered_s: float
    ended: Literal["answered", "failed"]
    status: int | None
    error: str = ""
    event: Literal["response"] = "response"


@dataclass(frozen=True, slots=True)
class PoolSample:
    """Connections in the pool, out of it, leaked; and threads that wait for one."""

    size: int
    in_: Annotated[int, Field(alias="in")]
    out: int
    waiting: int
    leaked: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many answered and how many failed."""

    answered: int
    failed: int


@dataclass(frozen=True, slots=True)
class LogLines:
    """How many lines about errors were written, and how many were lost."""

    written: int
    lost: int


@dataclass(frozen=True, slots=True)
class BreakerSample:
    """The circuit breaker of a caller: its state; how often it opened, let a call through and refused one since the process started."""

    state: BreakerState
    opened: int
    let_through: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Stamped):
    """A sample of the monitoring of a service; numbers are None when it did not answer, and `error` says why (`REFUSED`: it is down).

    `health` is None for a service that does not say how it is.
    """

    service: str
    health: bool | None
    health_s: float
    request_threads: int | None = None
    busy: int | None = None
    waiting: int | None = None
    pool: PoolSample | None = None
    results: dict[str, Counts] = field(default_factory=dict)
    internal_errors: int | None = None
    log: LogLines | None = None
    breaker: BreakerSample | None = None
    error: str = ""
    event: Literal["sample"] = "sample"

    @property
    def ended(self) -> int:
        """How many operations have ended since the process started."""
        return sum(counts.answered + counts.failed for counts in self.results.values())

    @property
    def is_full(self) -> bool:
        """Whether no request thread is free: each is at work, or blocked."""
        return self.busy is not None and self.request_threads is not None and self.busy >= self.request_threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition(Stamped):
    """A step of the timeline waited for this condition; without the condition, it is not carried out."""

    condition: str
    seen: bool
    detail: str = ""
    operation: str = ""
    event: Literal["condition"] = "condition"


@dataclass(frozen=True, slots=True)
class GroupWait:
    """What so many threads of a group wait for, as the kernel sees it: the system call, and the other ends of its connections."""

    count: int
    kind: str
    call: str
    peer: str
    detail: str


@dataclass(frozen=True, slots=True)
class ThreadGroup:
    """Request threads with the same stack, outermost call first; `waits` is empty where nobody looked."""

    count: int
    state: str
    within: str
    stack: tuple[str, ...]
    waits: tuple[GroupWait, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads(Stamped):
    """A dump of the threads of a service; `error` says why there is none, `took_s` how long it took (None: nobody measured it)."""

    service: str
    file: str
    request_threads: int
    groups: tuple[ThreadGroup, ...] = ()
    error: str | None = None
    took_s: float | None = None
    event: Literal["threads"] = "threads"

    @property
    def began_s(self) -> float:
        """When it began (`t_s`), as far as its length was measured."""
        return self.t_s - (self.took_s or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceTaken(Stamped):
    """Every part of the facility was asked what it can tell, and the answers are in `file`, beside the journal (`evidence.py`).

    `why`: the callers hang, or all of them fail, an operator asked, a restart was to follow, or something was stuck, or nothing was
    answered, when the night was over. `missing`: what could not be had. `error`: why there is no file.
    """

    why: Why
    file: str
    took_s: float
    missing: tuple[str, ...] = ()
    error: str | None = None
    event: Literal["evidence"] = "evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class HangLeftOut(Stamped):
    """A hang of all callers is over of which no evidence was taken: it would have shown what the last one did (`replay/hangs.py`).

    `since_s`: when it began (`t_s`), and `reason`: why it was left out.
    """

    since_s: float
    reason: str
    event: Literal["hang_left_out"] = "hang_left_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceUsage(Stamped):
    """A measurement of the process of a service; leaks show in `private_bytes`, the memory that no file backs."""

    service: str
    pid: int
    rss_bytes: int
    private_bytes: int
    open_files: int
    threads: int
    event: Literal["process"] = "process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size(Stamped):
    """A measurement of a table or a log."""

    kind: Literal["table", "log"]
    name: str
    size_bytes: int
    rows: int | None = None
    event: Literal["size"] = "size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage(Stamped):
    """A part of the facility lacked something that the machine has to give, and says so in its log."""

    of: str
    resource: Resource
    lines: int
    line: str
    event: Literal["shortage"] = "shortage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Stamped):
    """A part of the facility that is no service, such as a database server or the fault proxy, died or stood still by itself."""

    part: str
    state: Literal["died", "stopped"]
    detail: str
    event: Literal["part"] = "part"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatCount(Stamped):
    """How many heartbeats of a database host have come to the other one so far, and how many were missed."""

    sender: str
    watcher: str
    link: str
    received: int
    missed: int
    in_row: int
    longest_gap_s: float
    event: Literal["heartbeats"] = "heartbeats"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure(Stamped):
    """For how many real seconds something on this machine has waited for a processor so far, since an arbitrary moment."""

    cpu_stalled_s: float
    event: Literal["pressure"] = "pressure"


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """An application server as a balancer sees it, in HAProxy's words."""

    server: str
    status: str
    sessions: int
    sessions_total: int
    queue: int
    check: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancer(Stamped):
    """A sample of a balancer's own statistics; no servers when it did not answer."""

    balancer: str
    servers: tuple[ServerStatistics, ...] = ()
    event: Literal["balancer"] = "balancer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery(Stamped):
    """A sample of the recovery standby (C2); `lag_s` is the most that it can be behind."""

    standby: str
    lag_s: float | None = None
    lag_bytes: int | None = None
    state: str | None = None
    last_commit_s: float | None = None
    event: Literal["recovery"] = "recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupTaken(Stamped):
    """An off-site backup was taken, and verified against its own manifest."""

    backup: str
    began_s: float
    took_s: float
    size_bytes: int
    event: Literal["backup"] = "backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger(Stamped):
    """How many answered transactions of a kind that writes to the database are in it and on the standby, counted one by one."""

    transaction: str
    answered: int
    in_database: int | None = None
    in_standby: int | None = None
    waited_s: float = 0.0
    missing: tuple[str, ...] = ()
    error: str | None = None
    event: Literal["ledger"] = "ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored(Stamped):
    """A backup of this night was copied, started as a database of its own, and read."""

    backup: str
    took_s: float
    rows: dict[str, int] = field(default_factory=dict)
    strangers: int | None = None
    answered_before: int = 0
    missing: int | None = None
    error: str | None = None
    event: Literal["restored"] = "restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed(Stamped):
    """A phase in which the facility was only sampled: whether something recovers by itself is judged over it.

    `longest_delay_s`: the longest that a fault which was still active can delay a transaction.
    """

    phase: Literal["settle"]
    since_s: float
    until_s: float
    longest_delay_s: float = 0.0
    event: Literal["observed"] = "observed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultOver(Stamped):
    """An active fault is over without a healing: what it was done to is gone. `id` is that of its operation."""

    fault: str
    id: int
    detail: str
    event: Literal["over"] = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Healed(Stamped):
    """Faults still active at the end were healed; `left` names what remains of them."""

    faults: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    event: Literal["healed"] = "healed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFactor(Stamped):
    """A class's trainer ordered the night to go by `factor` times as fast as planned from now on; 0: to stand still. `why`: in words."""

    factor: float
    why: str = ""
    event: Literal["clock"] = "clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Stamped):
    """What somebody of a class wrote down, decided or answered: who, in which role."""

    who: str
    role: str
    kind: Literal["note", "decision", "answer"]
    text: str
    event: Literal["note"] = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class End(Stamped):
    """The last line, with the reason for the end; without one, the replay was killed."""

    reason: Literal["complete", "interrupted", "failed"]
    detail: str = ""
    event: Literal["end"] = "end"


Event = (
    Service
    | OperationEvent
    | Step
    | Request
    | Response
    | Sample
    | Condition
    | Threads
    | EvidenceTaken
    | HangLeftOut
    | ResourceUsage
    | Size
    | Shortage
    | Part
    | HeartbeatCount
    | Pressure
    | Balancer
    | Recovery
    | BackupTaken
    | Ledger
    | Restored
    | Observed
    | FaultOver
    | Healed
    | ClockFactor
    | Note
    | End
)
