"""Commands to a running facility and the replies to them: one JSON object a line, each way.

A connection carries one command. Replies come as things happen; the last is `done`, with a line that says what was done, or `refused`,
with the reason and the exit code for the command line. A client ends a load by closing its side of the connection; every other command,
once sent, is carried out to its end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from testbed.errors import TestbedError
from testbed.interactive.identity import checkout
from testbed.journal.events import PoolSample, Step, Threads

MAX_REQUESTS = 100_000


@dataclass(frozen=True, slots=True)
class StatusCommand:
    """Report the state of the facility."""

    command: Literal["status"] = "status"


@dataclass(frozen=True, slots=True, kw_only=True)
class FromCheckout:
    """What a command that takes something away says of its sender: a facility that another `checkout` built refuses it, unless forced."""

    checkout: str = field(default_factory=checkout)
    force: bool = False


@dataclass(frozen=True, slots=True)
class SwitchoverCommand(FromCheckout):
    """Move the database to the other host."""

    command: Literal["switchover"] = "switchover"


@dataclass(frozen=True, slots=True)
class DumpThreadsCommand:
    """Dump the threads of a service."""

    service: str
    command: Literal["threads"] = "threads"


@dataclass(frozen=True, slots=True)
class RestartCommand(FromCheckout):
    """Kill a service and start it again."""

    service: str
    command: Literal["restart"] = "restart"


@dataclass(frozen=True, slots=True)
class LoadCommand:
    """Send `rate_per_s` transactions a second of the usual mix for `seconds` seconds, drawn by a seed."""

    rate_per_s: Annotated[float, Field(gt=0, le=1000)]
    seconds: Annotated[float, Field(gt=0, le=86_400)]
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)]
    command: Literal["load"] = "load"


@dataclass(frozen=True, slots=True)
class DownCommand(FromCheckout):
    """Take everything down."""

    command: Literal["down"] = "down"


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A service: its base URL, health check, request threads and pool; null where it tells none, or does not answer."""

    service: str
    url: str
    runs: bool
    health: bool | None
    request_threads: int | None
    busy: int | None
    waiting: int | None
    stuck: bool
    pool: PoolSample | None


@dataclass(frozen=True, slots=True)
class LoadStatus:
    """The progress of a load: `of` requests in all; `waiting` were sent and have no response yet."""

    of: int
    sent: int
    answered: int
    failed: int
    waiting: int
    reply: Literal["load"] = "load"


@dataclass(frozen=True, slots=True)
class FacilityStatus:
    """The state of the facility; `database` is the host whose server runs, `load` the progress of the last load.

    `dsn`: the URL of the database where a service is of one's own. It has a password; nobody but the owner reads the control socket.
    `name`, `owner`, `checkout`, `started_at` (ISO 8601, UTC) and `age_s`: whose it is.
    """

    name: str
    owner: str
    checkout: str
    started_at: str
    age_s: float
    variant: str
    runtime: str
    database: str
    journal: str
    services: tuple[ServiceStatus, ...]
    load: LoadStatus | None
    dsn: str = ""
    reply: Literal["status"] = "status"


@dataclass(frozen=True, slots=True)
class StepReply:
    """A step of an operation began or ended; `step` is the journal's event."""

    step: Step
    reply: Literal["step"] = "step"


@dataclass(frozen=True, slots=True)
class ThreadsReply:
    """A thread dump; `threads` is the journal's event, `file` the path of the whole dump."""

    threads: Threads
    file: str
    reply: Literal["threads"] = "threads"


@dataclass(frozen=True, slots=True)
class WorkingReply:
    """The facility is still at work on the command; the client waits on, and shows nothing of it."""

    reply: Literal["working"] = "working"


@dataclass(frozen=True, slots=True)
class DoneReply:
    """The command was carried out; `text` says what was done, and is empty where there is nothing to say."""

    text: str
    reply: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class RefusedReply:
    """The command was not carried out, or not to its end; `text` says why."""

    text: str
    exit_code: int
    reply: Literal["refused"] = "refused"


Command = StatusCommand | SwitchoverCommand | DumpThreadsCommand | RestartCommand | LoadCommand | DownCommand
Reply = FacilityStatus | LoadStatus | StepReply | ThreadsReply | WorkingReply | DoneReply | RefusedReply

_command: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="command")])
_reply: TypeAdapter[Reply] = TypeAdapter(Annotated[Reply, Field(discriminator="reply")])


def encode_command(command: Command) -> bytes:
    """Write a command as a line."""
    return _command.dump_json(command, by_alias=True) + b"\n"


def decode_command(line: bytes) -> Command:
    """Read a command from its line; raises TestbedError when the line is not a command."""
    command: Command = _decode(_command, line, "command")
    return command


def encode_reply(reply: Reply) -> bytes:
    """Write a reply as a line."""
    return _reply.dump_json(reply, by_alias=True) + b"\n"


def decode_reply(line: bytes) -> Reply:
    """Read a reply from its line; raises TestbedError when the line is not a reply, as from another version of the testbed."""
    reply: Reply = _decode(_reply, line, "reply")
    return reply


def _decode(adapter: TypeAdapter[Any], line: bytes, what: str) -> Any:
    try:
        return adapter.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        raise TestbedError(f"not a {what}: {'.'.join(map(str, first['loc'])) or 'line'}: {first['msg']}; found {line[:80]!r}") from error
