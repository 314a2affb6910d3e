"""The settings that a variant may change, by role.

Each is a setting of the services, with their name and default, which a test compares. A time that is `"never"` in a file means no
time-out, or no expiry.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

NEVER = "never"
RESTART_S = 2.0  # within this, an application server that replaced itself answers again
GOVERNED_S = 60.0  # the governor counts replacements in a minute
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[!-~]{0,2000}")  # in the characters that a URL may have
CALLS = 2  # a transaction looks up, and then books or checks in


def _never(value: object) -> object:
    if value == NEVER:
        return None
    if isinstance(value, str):
        raise ValueError('allowed: a number of seconds, or "never"')  # noqa: TRY004 - pydantic takes ValueError for bad input
    return value


def _url(text: str) -> str:
    if not URL.fullmatch(text):
        raise ValueError("allowed: the URL of a broker, such as memory:// or redis://localhost:6379")
    return text


PositiveSeconds = Annotated[float, Field(gt=0, le=86_400)]
Seconds = Annotated[PositiveSeconds | None, BeforeValidator(_never)]
Lookup = Literal[
    "original",
    "fixed",
    "driver_cursor",
    "sqlalchemy_connection",
    "nested",
    "unnested",
    "abandoned",
    "in_transaction",
    "async_cancelled",
    "async_shielded",
    "dependency",
    "in_endpoint",
]
WholeSeconds = Annotated[int, Field(ge=1, le=7200)]
OptionalWholeSeconds = Annotated[WholeSeconds | None, BeforeValidator(_never)]
OptionalConnectSeconds = Annotated[Annotated[int, Field(ge=2, le=7200)] | None, BeforeValidator(_never)]  # libpq waits 2 s at least
OptionalCount = Annotated[int, Field(ge=1, le=1000)] | None


class StrictRecord(BaseModel):
    """A frozen record that refuses unknown keys and values of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ServerSettings(StrictRecord):
    """What a variant may set on every application server; each name is the service's own, as in FLIGHT_SEARCH_LOOKUP."""

    lookup: Lookup = "original"
    lookup_row_work_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    pool_max_overflow: Annotated[int, Field(ge=-1, le=1000)] = 0
    pool_checkout_timeout_s: Seconds = None
    pool_recycle_s: Seconds = None
    pool_pre_ping: bool = False
    pool_pre_ping_timeout_s: Seconds = None
    pool_max_idle_s: Seconds = None
    pool_lifo: bool = False
    pool_fill: bool = True
    pool_reset: bool = True
    pool_leak_reclaim_s: Seconds = None
    statement_timeout_s: Seconds = None
    idle_in_transaction_session_timeout_s: Seconds = None
    socket_timeout_s: Seconds = None
    statement_deadline_s: Seconds = None
    deadline_propagation: bool = False
    connect_timeout_s: OptionalConnectSeconds = None
    tcp_user_timeout_s: Seconds = None
    keepalives_idle_s: OptionalWholeSeconds = None
    keepalives_interval_s: WholeSeconds = 1
    keepalives_count: Annotated[int, Field(ge=1, le=127)] = 3
    fail_fast: bool = False
    shed_load_at: OptionalCount = None
    handshaking: bool = False
    health_check: Literal["event_loop", "request_thread", "pool", "database"] = "event_loop"
    liveness_probe_s: Seconds = None
    let_it_crash_s: Seconds = None
    governor_per_minute: OptionalCount = None
    sessions: bool = False
    sessions_kept_s: Seconds = None
    leak_connection_every: OptionalCount = None
    leak_memory_kib: Annotated[int, Field(ge=0, le=10_240)] = 0
    departure_board: Literal["one", "two"] | None = None

    @property
    def holds_while_waiting(self) -> bool:
        """Whether a lookup may have a connection while its request waits for another one, or for a thread."""
        return self.lookup in ("nested", "async_cancelled", "async_shielded", "dependency")

    @property
    def asks_beside(self) -> bool:
        """Whether the health check has a thread beside the request threads, in which it asks the database."""
        return self.health_check == "database"

    @property
    def gives_back_beside(self) -> bool:
        """Whether a lookup's connection is given back in a thread beside the request threads, as FastAPI does for its dependencies."""
        return self.lookup == "dependency"

    @property
    def link_timeout_s(self) -> float:
        """The longest that the limits on the link to the database let a thread wait for one that is silent; 0 without any."""
        probes_s = 0 if self.keepalives_idle_s is None else self.keepalives_idle_s + self.keepalives_interval_s * self.keepalives_count
        return max(self.socket_timeout_s or 0.0, self.tcp_user_timeout_s or 0.0, probes_s)

    @property
    def overflow(self) -> float:
        """How many connections a pool opens beyond its size; infinity without a limit."""
        return float("inf") if self.pool_max_overflow < 0 else self.pool_max_overflow


class CallerSettings(StrictRecord):
    """What a variant may set on every caller; each name is the service's own, as in CALLER_CALL_READ_TIMEOUT_S."""

    call_connect_timeout_s: Seconds = None
    call_read_timeout_s: Seconds = None
    call_deadline_s: Seconds = None
    call_connections: OptionalCount = None
    leak_connection_every: OptionalCount = None
    retries: Annotated[int, Field(ge=0, le=100)] = 0
    retry_wait_s: PositiveSeconds = 0.1
    retry_budget: Annotated[float, Field(gt=0, le=1)] | None = None
    circuit_breaker_at: OptionalCount = None
    circuit_breaker_open_s: PositiveSeconds = 1.0
    circuit_breaker_slow_call_s: Seconds = None
    bulkhead_at: OptionalCount = None
    bulkhead_spare_threads: OptionalCount = None
    cached_answers_s: Seconds = None
    decoupled: bool = False
    decoupled_broker: Annotated[str, AfterValidator(_url)] = "memory://"


class FacilitySettings(StrictRecord):
    """What a variant may set of the facility around the services.

    `only_caller`: the settings of callers are this one's alone, and all other callers are as they were that night.

    `service_groups`: the application servers are divided among the callers (S4); with `"own_databases"` each group after the first has a
    database of its own, too: the same week of flights, and from then on nothing is copied between them. `database_keepalives_s`: the
    database probes a connection that has been idle for so many seconds (A8: dead connection detection); None: after the kernel's two hours.
    With it, application servers reach the host that has the virtual IP straight through the firewall, and toxics on the database's link
    have no effect: keep-alives are of the two ends of one connection, and a proxy would be one of them. `database_address`: application
    servers connect to the virtual IP (C5), or, wrongly, to the own address of db-1 (P2): what is done to the database's link is not felt
    there, and after a switchover nobody listens. `other_psycopg`: the last application server runs on this version of the driver (P2).

    Where the database hosts exchange heartbeats (`heartbeat_every_s` of the facility): after `heartbeats_missed` in a row the standby takes
    over. `heartbeat_link`: the network over which they go, one of their own, or that of the database, which carries the service traffic
    too (P2): a fault of that link is then one of theirs, on processes; in containers its load is.
    """

    service_groups: Literal[False, True, "own_databases"] = False
    only_caller: Literal["kiosk", "ivr", "partner"] | None = None
    database_keepalives_s: Annotated[int, Field(ge=1, le=7200)] | None = None
    database_address: Literal["virtual_ip", "physical"] = "virtual_ip"
    other_psycopg: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+){1,2}$", max_length=20)] | None = None
    heartbeats_missed: Annotated[int, Field(ge=1, le=100)] = 3
    heartbeat_link: Literal["heartbeats", "database"] = "heartbeats"


class Settings(StrictRecord):
    """A variant: settings of the one code base, by role."""

    application_server: ServerSettings = ServerSettings()
    caller: CallerSettings = CallerSettings()
    facility: FacilitySettings = FacilitySettings()

    def of_caller(self, name: str) -> CallerSettings:
        """Return the settings of one caller."""
        return self.caller if self.facility.only_caller in (None, name) else CallerSettings()

    @property
    def longest_timeout_s(self) -> float:
        """The longest that a request can hang before a time-out ends it, in real seconds; 0 without a time-out.

        A transaction makes up to `CALLS` calls, each with its retries. On a server, the time-outs of pool, ping, connect, statement and
        link, and the deadline of a statement, follow each other. A server that is replaced takes `RESTART_S`, and with a governor waits
        up to a minute for its turn.
        """
        server, caller = self.application_server, self.caller
        retries_s = CALLS * caller.retry_wait_s * caller.retries
        return max(self.thread_timeout_s, retries_s, self.replaced_within_s, server.pool_leak_reclaim_s or 0.0)

    @property
    def replaced_within_s(self) -> float:
        """The longest that an application server which replaces itself answers nothing, in real seconds; 0 for one that does not."""
        server = self.application_server
        limits = [limit_s for limit_s in (server.let_it_crash_s, server.liveness_probe_s) if limit_s is not None]
        if not limits:
            return 0.0
        return max(limits) + RESTART_S + (0.0 if server.governor_per_minute is None else GOVERNED_S)

    @property
    def thread_timeout_s(self) -> float:
        """The longest that a request thread is blocked before a time-out brings it back, in real seconds; 0 without one."""
        server, caller = self.application_server, self.caller
        call_s = (caller.call_connect_timeout_s or 0.0) + (caller.call_read_timeout_s or 0.0)
        calls_s = CALLS * (call_s * (1 + caller.retries) + caller.retry_wait_s * caller.retries) if call_s else 0.0
        if caller.call_deadline_s is not None:  # with every attempt, and one wait between two that it may end in
            whole_s = CALLS * (caller.call_deadline_s + (caller.retry_wait_s if caller.retries else 0.0))
            calls_s = min(calls_s or whole_s, whole_s)
        in_turn = (
            *(server.pool_checkout_timeout_s, server.pool_pre_ping_timeout_s, server.connect_timeout_s),
            *(server.idle_in_transaction_session_timeout_s, server.statement_timeout_s, server.link_timeout_s, server.statement_deadline_s),
        )
        return max(calls_s, sum(timeout_s or 0.0 for timeout_s in in_turn))


class KeptVariant(Settings):
    """A variant as `variants.toml` keeps it: its level (which row of patterns it belongs to), what it says and what it is made of."""

    level: str = ""
    says: str = ""
    made_of: str = ""

    @property
    def settings(self) -> Settings:
        """The settings alone."""
        return Settings(application_server=self.application_server, caller=self.caller, facility=self.facility)
