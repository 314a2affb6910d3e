"""A service of somebody else's in the place of the application servers: the table `[service]`, of a scenario or of a file of its own.

What is not in the table is not known of the service, and nothing is assumed in its place. Only how it is started is required.
"""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from testbed.plan.settings import StrictRecord
from testbed.plan.template import names_in

# What `{…}` may name in the command, the environment and a command of the schema.
START_FIELDS = (
    *("name", "host", "port", "listen_host", "listen_port"),
    *("dsn", "db_host", "db_port", "db_name", "db_user", "db_password"),
)
# What `{…}` may name in a request: the passenger, their flight, and an id of this one request.
REQUEST_FIELDS = ("passenger", "date", "carrier", "flight", "origin", "destination", "request")
DUMP_FIELDS = ("pid", "file", "name")  # of a command that dumps the threads
DEFAULT_CONNECTIONS = 40
DEFAULT_TIMEOUT_S = 30.0  # of SQLAlchemy's pool, of psycopg's and of HikariCP
MOST_STATUSES = 100
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # a token of RFC 9110


def _split(value: object) -> object:
    """Split a command that is one text as a shell would, without running one."""
    if not isinstance(value, str):
        return tuple(value) if isinstance(value, list) else value
    try:
        return tuple(shlex.split(value))
    except ValueError as error:
        raise ValueError(f"{error}; allowed: a command as a shell would split it, or a list of texts") from error


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _path(value: object) -> object:
    """Take a text for a request of that path."""
    return {"path": value} if isinstance(value, str) else value


def _known(fields: tuple[str, ...], value: Any) -> Any:
    """Return the value; raise ValueError for a template in it, however deep, that names none of `fields`."""
    for name in names_in(value):
        if name not in fields:
            allowed = ", ".join(f"{{{field}}}" for field in fields)
            raise ValueError(f"{{{name}}} is not known here; allowed: {allowed}, and {{{{{name}}}}} for the text {{{name}}} itself")
    return value


def _started_with(value: Any) -> Any:
    return _known(START_FIELDS, value)


def _of_request(value: Any) -> Any:
    return _known(REQUEST_FIELDS, value)


def _of_dump(value: Any) -> Any:
    return _known(DUMP_FIELDS, value)


def _printable(text: str) -> str:
    if not text.isprintable() or " " in text:
        raise ValueError("allowed: characters that a URL may have, without blanks")
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return text


def _variables(table: dict[str, str]) -> dict[str, str]:
    for name, value in table.items():
        if not VARIABLE.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an environment variable")
        if "\0" in value:
            raise ValueError(f"{name}: a NUL, which no environment variable can have")
    return table


def _headers(table: dict[str, str]) -> dict[str, str]:
    for name, value in table.items():
        if not HEADER.fullmatch(name) or not value.isprintable() or not value.isascii():
            raise ValueError(f"{name}: {value!r} is no header of HTTP")
    return table


Text = Annotated[str, Field(min_length=1, max_length=10_000)]
Pattern = Annotated[Text, AfterValidator(_pattern)]
Value = Annotated[str, Field(max_length=100_000)]
Words = Annotated[tuple[Value, ...], Field(min_length=1, max_length=200)]
Command = Annotated[Words, BeforeValidator(_split), AfterValidator(_started_with)]
UrlPath = Annotated[str, Field(pattern=r"^/", max_length=2_000), AfterValidator(_printable)]
Status = Annotated[int, Field(ge=100, le=599)]
Statuses = Annotated[tuple[Status, ...], Field(min_length=1, max_length=MOST_STATUSES), BeforeValidator(_listed)]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class HealthRequest(StrictRecord):
    """A request that asks how the service is: `status` are the answers that say well."""

    method: Literal["GET", "POST", "HEAD"] = "GET"
    path: UrlPath
    status: Statuses = (200,)


class RequestTemplate(StrictRecord):
    """The request that stands for a transaction; `{passenger}`, `{flight}` and the like are the passenger's (`REQUEST_FIELDS`).

    `body`: a text, sent as it is, or a table, sent as JSON, in which a text that is one template alone has the kind of the field (a flight
    is a number). `answered`: the statuses that count as an answer; by default every one from 200 to 299. `answered_field`: the path of a
    field that the JSON of the answer must have, such as `flights.0`. `refused`: the statuses by which the service says no, and is well.
    """

    method: Method = "GET"
    path: Annotated[UrlPath, AfterValidator(_of_request)]
    headers: Annotated[dict[str, str], Field(max_length=50), AfterValidator(_headers), AfterValidator(_of_request)] = Field(default={})
    body: Annotated[dict[str, JsonValue] | str | None, AfterValidator(_of_request)] = None
    answered: Statuses | None = None
    answered_field: Text | None = None
    refused: Annotated[Statuses | tuple[()], BeforeValidator(_listed)] = ()

    @model_validator(mode="after")
    def _either(self) -> RequestTemplate:
        if self.answered is not None and (both := set(self.answered) & set(self.refused)):
            raise ValueError(f"{min(both)} cannot be an answer and a refusal")
        return self


class Readings(StrictRecord):
    """Where the service tells of its pool and its threads, and under which names; a name that is not given is not known.

    `prometheus`: a name is that of a metric, with labels that must be there where it has some, as in
    `hikaricp_connections_active{pool="main"}`; the values of all that fit are added up. `json`: a name is a path, such as `pool.0.active`.
    `pool_size`: the most that the pool holds; `pool_in`: connections in it; `pool_out`: lent; `pool_waiting`: how many requests wait for
    one; `request_threads`, `busy`, `waiting`: the request threads, those at work, and the requests that wait for one.
    """

    path: UrlPath
    format: Literal["prometheus", "json"] = "prometheus"
    pool_size: Text | None = None
    pool_in: Text | None = None
    pool_out: Text | None = None
    pool_waiting: Text | None = None
    request_threads: Text | None = None
    busy: Text | None = None
    waiting: Text | None = None


class ThreadDump(StrictRecord):
    """How the threads of the service are dumped, and which of them are request threads.

    `by`: `py_spy` for Python, `jcmd` or `jstack` for Java, `signal` for a program that writes them to its log on a signal, or `command`
    (`{pid}`, `{name}`, and `{file}` to write to; otherwise its standard output is the dump). `request_threads`: a regular expression that
    is found in the name of each request thread; without it, every thread may be one.
    """

    by: Literal["py_spy", "jcmd", "jstack", "signal", "command"]
    signal: Literal["SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGABRT"] | None = None
    command: Annotated[Words, BeforeValidator(_split), AfterValidator(_of_dump)] | None = None
    request_threads: Pattern | None = None
    within_s: Annotated[float, Field(gt=0, le=60)] = 10.0

    @model_validator(mode="after")
    def _complete(self) -> ThreadDump:
        for key in ("signal", "command"):
            if (self.by == key) is (getattr(self, key) is None):
                raise ValueError(f"`{key}` and by = {key!r} belong together; allowed: both, or neither")
        return self


class StackPattern(StrictRecord):
    """What a thread waits for that has a call on its stack in which this regular expression is found; the first of a table that fits."""

    pattern: Pattern
    waits_for: Literal["pool", "database", "socket", "lock", "idle"]


class ServicePlan(StrictRecord):
    """A service of somebody else's: one process in the place of each application server.

    `command`: a list, or a text that is split as a shell would. `environment` is added to ours. `directory`: where it is started; by
    default that of the file. `ready`: the request that is answered once it can be used; without it, it can be once it accepts connections.
    `health`: what monitoring asks of it; without it, nobody knows how it is. `health_in_request_threads`: the health check needs a request
    thread, as a service call does (O8 is then no finding). `start_within_s`: real seconds until it is ready. `timeout_s`: the longest that
    a request hangs before a time-out of its own ends it, in real seconds; pools wait for 30 by default. `max_connections`: the most
    connections to the database that one process opens. `request_threads`: how many it has, if it is known. `requests`: the request that
    stands for each transaction which needs the facility. `schema`: an SQL script that is run in the database first; `schema_command`: a
    command that is. `waits`: what stacks in its dumps wait for, before the testbed's own table.
    """

    command: Command
    environment: Annotated[dict[str, Value], Field(max_length=200), AfterValidator(_variables), AfterValidator(_started_with)] = Field(
        default={}
    )
    directory: Text = "."
    ready: Annotated[HealthRequest, BeforeValidator(_path)] | None = None
    health: Annotated[HealthRequest, BeforeValidator(_path)] | None = None
    health_in_request_threads: bool = False
    start_within_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    timeout_s: Annotated[float, Field(ge=0, le=600)] = DEFAULT_TIMEOUT_S
    max_connections: Annotated[int, Field(ge=1, le=1000)] = DEFAULT_CONNECTIONS
    request_threads: Annotated[int, Field(ge=1, le=1000)] | None = None
    requests: dict[str, Annotated[RequestTemplate, BeforeValidator(_path)]] = Field(default={})
    sql: Annotated[Text | None, Field(alias="schema")] = None  # pydantic's records have a method of that name
    schema_command: Command | None = None
    readings: Readings | None = None
    dump: ThreadDump | None = None
    waits: Annotated[tuple[StackPattern, ...], Field(max_length=200)] = ()

    @property
    def tells_threads(self) -> bool:
        """Whether it tells how many of its request threads are at work, and how many it has is known."""
        readings = self.readings
        return readings is not None and readings.busy is not None and (readings.request_threads or self.request_threads) is not None

    @property
    def tells_pool(self) -> bool:
        """Whether it tells how many connections are lent."""
        return self.readings is not None and self.readings.pool_out is not None
