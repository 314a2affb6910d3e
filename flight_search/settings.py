"""Settings of the services, from the environment, checked at start and frozen.

Each setting is an environment variable with the service's prefix: `request_threads` of an application server is
FLIGHT_SEARCH_REQUEST_THREADS, of a caller CALLER_REQUEST_THREADS. An empty time-out means none: wait for ever.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from flight_search.declared_requests import Declared

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
HealthCheckWord = Literal["event_loop", "request_thread", "pool", "database"]
DepartureBoardOrder = Literal["one", "two"]
CallerName = Literal["kiosk", "ivr", "partner"]


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


def _urls(value: object) -> object:
    return tuple(url for url in value.split(",") if url) if isinstance(value, str) else value


def _http(urls: tuple[str, ...]) -> tuple[str, ...]:
    invalid = [url for url in urls if not url.startswith(("http://", "https://"))]
    if not urls or invalid:
        raise ValueError(f"allowed: base URLs such as http://127.0.0.1:8000, separated by commas; found: {invalid or 'no URL'}")
    return tuple(url.rstrip("/") for url in urls)


Seconds = Annotated[float, Field(gt=0, le=86_400)]
MaybeSeconds = Annotated[Seconds | None, BeforeValidator(_none_if_empty)]
WholeSeconds = Annotated[int, Field(ge=1, le=7200)]
MaybeWholeSeconds = Annotated[WholeSeconds | None, BeforeValidator(_none_if_empty)]
MaybeConnectSeconds = Annotated[Annotated[int, Field(ge=2, le=7200)] | None, BeforeValidator(_none_if_empty)]  # libpq waits 2 s at least
MaybeFd = Annotated[Annotated[int, Field(ge=3)] | None, BeforeValidator(_none_if_empty)]
MaybeShare = Annotated[Annotated[float, Field(gt=0, le=1)] | None, BeforeValidator(_none_if_empty)]
MaybeCount = Annotated[Annotated[int, Field(ge=1, le=1000)] | None, BeforeValidator(_none_if_empty)]
Settings = TypeVar("Settings", bound="ListenSettings")
MaybePath = Annotated[Annotated[str, Field(min_length=1)] | None, BeforeValidator(_none_if_empty)]
Threads = Annotated[int, Field(ge=1, le=1000)]


class SettingsError(Exception):
    """The environment is invalid; the message names every invalid variable, what was found, and what is allowed."""


class ListenSettings(BaseSettings):
    """Where a service listens: on a socket that it inherits (`listen_fd`), or on `host` and `port` (0: any free port).

    `listen_backlog`: how many connections the kernel may queue before they are accepted (A4).
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    listen_fd: MaybeFd = None
    listen_backlog: Annotated[int, Field(ge=1, le=4096)] = 512
    request_threads: Threads = 40


class ServerSettings(ListenSettings):
    """The settings of an application server.

    `database` is libpq's connection string. `lookup_row_work_ms`: how long a lookup works on its rows, of those that do.
    `start_timeout_s`: how long the server waits for the database at start. `log_file` gets a line for every operation that failed
    (`log.py`); without it, standard error does. A time without a value means: wait for ever, or never expire.
    The stability patterns are all off by default; `stability/` and `datasource.py` describe them. `pool_pre_ping_timeout_s` bounds the ping
    of `pool_pre_ping`, and without that one does nothing. For long runs (S7) there are
    `sessions` and `sessions_kept_s` (`sessions.py`), `leak_connection_every` and `leak_memory_kib` (`seeded_leaks.py`).
    `departure_board`: whether there is one, and in how many orders it takes its two locks (`departure_board.py`).
    """

    model_config = SettingsConfigDict(env_prefix="FLIGHT_SEARCH_", frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")] = "cf-1"
    database: Annotated[str, Field(min_length=1)]
    lookup: Lookup = "original"
    lookup_row_work_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    start_timeout_s: Seconds = 60.0
    log_file: MaybePath = None
    pool_size: Annotated[int, Field(ge=1, le=1000)] = 40
    pool_max_overflow: Annotated[int, Field(ge=-1, le=1000)] = 0
    pool_checkout_timeout_s: MaybeSeconds = None
    pool_recycle_s: MaybeSeconds = None
    pool_pre_ping: bool = False
    pool_pre_ping_timeout_s: MaybeSeconds = None
    pool_max_idle_s: MaybeSeconds = None
    pool_lifo: bool = False
    pool_fill: bool = True
    pool_reset: bool = True
    pool_leak_reclaim_s: MaybeSeconds = None
    statement_timeout_s: MaybeSeconds = None
    idle_in_transaction_session_timeout_s: MaybeSeconds = None
    socket_timeout_s: MaybeSeconds = None
    statement_deadline_s: MaybeSeconds = None
    deadline_propagation: bool = False
    connect_timeout_s: MaybeConnectSeconds = None
    tcp_user_timeout_s: MaybeSeconds = None
    keepalives_idle_s: MaybeWholeSeconds = None
    keepalives_interval_s: WholeSeconds = 1
    keepalives_count: Annotated[int, Field(ge=1, le=127)] = 3
    fail_fast: bool = False
    shed_load_at: MaybeCount = None
    handshaking: bool = False
    health_check: HealthCheckWord = "event_loop"
    liveness_probe_s: MaybeSeconds = None
    let_it_crash_s: MaybeSeconds = None
    governor_per_minute: MaybeCount = None
    sessions: bool = False
    sessions_kept_s: MaybeSeconds = None
    leak_connection_every: MaybeCount = None
    leak_memory_kib: Annotated[int, Field(ge=0, le=10_240)] = 0
    departure_board: Annotated[DepartureBoardOrder | None, BeforeValidator(_none_if_empty)] = None


class CallerSettings(ListenSettings):
    """The settings of a caller: its name, the addresses of the application servers, and its call time-outs (none: wait for ever).

    `health_check_every_s`: how often it checks the health of each address; unset if a balancer in front does that.
    `call_connections`: at most so many connections to each address, for which calls wait; unset, as many as calls need.
    `declared_requests`: what to send to a service that is not this one (`callers/declared.py`).
    `leak_connection_every` loses one of them every so many lookups (`callers/seeded_leaks.py`).
    The stability patterns are all off by default; `stability/` describes them. `bulkhead_at` is how many threads may be in the facility,
    `bulkhead_spare_threads` how many may not, of however many there are.
    """

    model_config = SettingsConfigDict(env_prefix="CALLER_", frozen=True, extra="forbid")

    name: CallerName
    flight_search_urls: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_urls), AfterValidator(_http)]
    declared_requests: Declared | None = None
    call_connect_timeout_s: MaybeSeconds = None
    call_read_timeout_s: MaybeSeconds = None
    call_deadline_s: MaybeSeconds = None
    health_check_every_s: MaybeSeconds = None
    call_connections: MaybeCount = None
    leak_connection_every: MaybeCount = None
    retries: Annotated[int, Field(ge=0, le=100)] = 0
    retry_wait_s: Seconds = 0.1
    retry_budget: MaybeShare = None
    circuit_breaker_at: MaybeCount = None
    circuit_breaker_open_s: Seconds = 1.0
    circuit_breaker_slow_call_s: MaybeSeconds = None
    bulkhead_at: MaybeCount = None
    bulkhead_spare_threads: MaybeCount = None
    cached_answers_s: MaybeSeconds = None
    decoupled: bool = False
    decoupled_broker: Annotated[str, Field(min_length=1)] = "memory://"

    @field_validator("bulkhead_spare_threads")
    @classmethod
    def _leave_some(cls, spare: int | None, info: ValidationInfo) -> int | None:
        threads = info.data.get("request_threads")  # None if it is wrong itself
        if spare is not None and threads is not None and spare >= threads:
            raise ValueError(f"allowed: less than the {threads} request threads, as the facility needs one")
        return spare

    @property
    def bulkhead_places(self) -> int | None:
        """How many request threads may be in the facility at once; None without a bulkhead."""
        places = (self.bulkhead_at, self.bulkhead_spare_threads and self.request_threads - self.bulkhead_spare_threads)
        return min((count for count in places if count is not None), default=None)


def from_environment(kind: type[Settings]) -> Settings:
    """Return the settings of a kind of service, read from the environment; raises SettingsError that lists all mistakes."""
    try:
        return kind()
    except ValidationError as error:
        prefix = str(kind.model_config["env_prefix"])
        lines = [
            f"  {prefix}{str(mistake['loc'][0]).upper()}: {mistake['msg']}"
            + ("" if mistake["type"] == "missing" else f"; found {mistake['input']!r}")
            for mistake in error.errors()
        ]
        raise SettingsError("\n".join([f"{len(lines)} invalid in the environment:", *lines])) from error
