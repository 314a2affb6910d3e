"""The journal's events: what was seen of a replay, one JSON object a line.

The first line is the `header`. Every later line has `event` (its kind), `t_s` (real seconds since the replay's start,
by a monotonic clock) and `night_s` (the night's clock, in seconds since 00:00 of the night's date: 23:00 is 82,800
and the next day's 05:00 is 104,400; before the night begins, its clock stands at its start). Lines are written as
things become known: their `t_s` need not rise from line to line.

`header`: which `scenario`, `title`, `variant`, `runtime`, `seed`, `repetition`; when it `started_at` (ISO 8601); the
`facts` that the scenario shows; the `night` (date, `from_s`, `to_s`); the `facility` (names, `request_threads` of
each service, `pool_size` of each application server); `transactions` by caller, true where one needs the facility;
what is expected (`expect`); the variant's `settings`; the `trace` (`path`, empty when it was derived; how many
`requests`; `sha256`); `versions`; the `machine`; the format of the `journal`, a number. A journal can be judged without
the scenario's file.

`service`: the `state` of a `service`, with its process id (`pid`): it was `started`, was `ready`, was `stopped` on
purpose, or `died` by itself; then `detail` has exit code and last lines.

`operation`: a fault or an `operation` of the timeline, by its word and its number there (`id`). Its `state` is
`begin`, and then either `end`, which means that all of it was done and `detail` says what, or `failed`, which means
that the facility may be in any state between and `detail` says why; `duration_s` in real seconds.

`step`: one `step` of an `operation`, in words, the same way (`id`, `state`, `detail`, `duration_s`); `number` counts
from 1.

`request`: the load generator sent a request (`id`, one for each of the trace): a `transaction` that a passenger asked
of a `caller`. `due_s` and `sent_s` are on the scale of `t_s`; the time from due to sent is the generator's own delay.

`response`: the request of that `id` `ended`, at `answered_s` on the scale of `t_s`. `answered`: with a `status` below
400, so the passenger got what they asked for. `failed`: with an error's status, or with none (null) when the
connection broke; `error` has the words. A passenger's wait counts from `due_s`. A request without a `response` is
*unanswered*: it may have done its work in the database all the same.

`sample`: a look at the monitoring of a `service`. `health`: the check was green; `health_s`: how long it took, in real
seconds. `busy` of `request_threads` are at work (or blocked: it cannot be told from here), `waiting` requests wait for
a thread. `pool`: its `size`, connections `in` it and `out` of it, threads `waiting` for one, and `leaked`: out, and the
request that took it has ended. `results`: how many of each operation have `answered` and `failed` since the service
started. `log`: of the lines of its log about errors, those `written` and those `lost` since then; null where it counts none.
Numbers are null when the service did not answer; that by itself is no error of the replay.

`condition`: a step of the timeline waited for this `condition`, and it was `seen` or not: not in time, or not before
everything was over, and then the step was not carried out. `detail` has the state of the services at that moment.

`threads`: a dump of the threads of a `service`; `file` has it as it came, beside the journal. `groups` holds its
request threads by `stack` (outermost call first), each with its `count`, its `state` and the operation that it is
`within`; `request_threads`: how many the service has. Threads that were never started are in no group. `error`: why
there is no dump, and otherwise null; then nothing is known.

`process`: a look at the process of a `service` (`pid`), where the scenario has the facility weighed. Memory: `rss_bytes`, all that it
has in memory; `private_bytes`, what of it is behind no file, in which leaks show.
`open_files` are its open descriptors, `threads` all of its threads. A process that was gone is left out.

`size`: a look at how large something is that may grow, of a `kind` (`table`, `log`) and with a `name`: `size_bytes` on disk (of a
table, with its indexes), and `rows` (of a log: null). While the database does not answer, its tables are left out.

`balancer`: a look, about once a second, at a `balancer`'s own statistics. `servers` has, as the balancer sees each one:
the `server`, its `status` in HAProxy's words (`UP`, `DOWN`, ...), `sessions` with it now and in all (`sessions_total`),
how many wait in the `queue` for it, and how its last health `check` ended (`L7OK`, `L4TOUT`, ...; empty: never made).
None of them when the balancer did not answer. Only where the runtime has balancers of its own.

`recovery`: a look, about once a second, at the recovery `standby`, where the runtime has one (C2). `lag_s`: how far it
is behind at most, in real seconds. It is the age of the last look at which the database had written no more than the
standby has applied by now, and 0 when that look is this one: so with no traffic there is no lag, however long ago the
last commit was; while the database or the standby cannot be asked, the lag grows, because nothing better is known; null
until both have answered once. `lag_bytes`: the log that the database has written and the standby not applied, null when
one of them did not answer. `state`: what the database says of the standby's connection (`streaming`, `catchup`, ...;
null: none, or no answer). `last_commit_s`: the age of the last commit that the standby has applied, by its own clock;
it says nothing of the lag when nobody commits, and is null when there was none since it started.

`backup`: an off-site `backup`, by its name, was taken and verified against its own manifest; it began at `began_s` on the
scale of `t_s`, took `took_s` real seconds and is `size_bytes` long.

`ledger`: at the end of the night, every `transaction` of that kind that was `answered` to a passenger and writes to the
database, counted one by one: how many of them are `in_database`, and how many are `in_standby` after `waited_s` real
seconds, in which the standby was given the time to catch up. `missing` names some of those that are not in both. A row is
known by passenger and flight; of bookings there must be as many as were answered. Rows that nobody was answered for are
no fault: an unanswered request may have done its work. `error`: why it cannot be told, and then the counts are null.

`restored`: at the end of the night, a `backup` of this night was copied beside, started as a database of its own, and
read, in `took_s` real seconds. `rows` of each table in it. `strangers`: rows that it has and the database has not.
`answered_before`: the check-ins and bookings that were answered before it began. `missing`: how many of those it has not,
and of the tables that nobody writes to, how many of the database's rows. `error`: why it could not be read, otherwise null.

`observed`: a `phase` (`settle`, the closing window), from `since_s` to `until_s` on the scale of `t_s`, in which
nothing was done but to look: whether something comes back by itself is judged over it.

`healed`: when the night was over, what was still active of the `faults` that can be undone was undone, and the facility was
looked at: `left` names what is not as it was before them (a toxic, a service that stands still, a fault whose healing failed, and
why). A facility with anything left serves no other replay.

`end`: the last line, with the `reason`. `complete`: the replay came to its end. `interrupted`, `failed`: it did not
(`detail` says why), and its verdict is unknown. No `end` at all: killed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypedDict

from pydantic import Field

FORMAT = 1
KIB, MIB = 1 << 10, 1 << 20  # of the bytes in which events give sizes
Progress = Literal["begin", "end", "failed"]


@dataclass(frozen=True, slots=True)
class NightSpan:
    """The night's date (ISO) and its window, in seconds of the night."""

    date: str
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class FacilityNames:
    """The services of the facility, and the size of each one's pools."""

    application_servers: tuple[str, ...]
    callers: tuple[str, ...]
    request_threads: int
    pool_size: int


@dataclass(frozen=True, slots=True)
class TraceSource:
    """Which trace was sent: its file (empty when it was derived), how many requests, its checksum."""

    path: str
    requests: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Header:
    """See the module."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Stamped):
    """See the module."""

    service: str
    state: Literal["started", "ready", "stopped", "died"]
    pid: int | None
    detail: str = ""
    event: Literal["service"] = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Stamped):
    """See the module."""

    operation: str
    id: int
    state: Progress
    detail: str = ""
    duration_s: float | None = None
    event: Literal["operation"] = "operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Stamped):
    """See the module."""

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
    """See the module."""

    id: int
    caller: str
    transaction: str
    due_s: float
    sent_s: float
    event: Literal["request"] = "request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Stamped):
    """See the module."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Stamped):
    """See the module."""

    service: str
    health: bool
    health_s: float
    request_threads: int | None = None
    busy: int | None = None
    waiting: int | None = None
    pool: PoolSample | None = None
    results: dict[str, Counts] = field(default_factory=dict)
    log: LogLines | None = None
    event: Literal["sample"] = "sample"

    @property
    def is_full(self) -> bool:
        """Whether every request thread is at work, or blocked."""
        return self.busy is not None and self.request_threads is not None and self.busy >= self.request_threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition(Stamped):
    """See the module."""

    condition: str
    seen: bool
    detail: str = ""
    event: Literal["condition"] = "condition"


@dataclass(frozen=True, slots=True)
class ThreadGroup:
    """Request threads with the same stack; see the module."""

    count: int
    state: str
    within: str
    stack: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads(Stamped):
    """See the module."""

    service: str
    file: str
    request_threads: int
    groups: tuple[ThreadGroup, ...] = ()
    error: str | None = None
    event: Literal["threads"] = "threads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process(Stamped):
    """See the module."""

    service: str
    pid: int
    rss_bytes: int
    private_bytes: int
    open_files: int
    threads: int
    event: Literal["process"] = "process"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size(Stamped):
    """See the module."""

    kind: Literal["table", "log"]
    name: str
    size_bytes: int
    rows: int | None = None
    event: Literal["size"] = "size"


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """An application server as a balancer sees it; see the module."""

    server: str
    status: str
    sessions: int
    sessions_total: int
    queue: int
    check: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancer(Stamped):
    """See the module."""

    balancer: str
    servers: tuple[ServerStatistics, ...] = ()
    event: Literal["balancer"] = "balancer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery(Stamped):
    """See the module."""

    standby: str
    lag_s: float | None = None
    lag_bytes: int | None = None
    state: str | None = None
    last_commit_s: float | None = None
    event: Literal["recovery"] = "recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup(Stamped):
    """See the module."""

    backup: str
    began_s: float
    took_s: float
    size_bytes: int
    event: Literal["backup"] = "backup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger(Stamped):
    """See the module."""

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
    """See the module."""

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
    """See the module."""

    phase: Literal["settle"]
    since_s: float
    until_s: float
    event: Literal["observed"] = "observed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Healed(Stamped):
    """See the module."""

    faults: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    event: Literal["healed"] = "healed"


@dataclass(frozen=True, slots=True, kw_only=True)
class End(Stamped):
    """See the module."""

    reason: Literal["complete", "interrupted", "failed"]
    detail: str = ""
    event: Literal["end"] = "end"


Event = (
    Service
    | Operation
    | Step
    | Request
    | Response
    | Sample
    | Condition
    | Threads
    | Process
    | Size
    | Balancer
    | Recovery
    | Backup
    | Ledger
    | Restored
    | Observed
    | Healed
    | End
)
