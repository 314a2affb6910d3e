"""Orders to a facility that is up, and the answers to them: one JSON object a line, each way.

A connection is for one order. Answers come as things happen; the last is `done`, with a line that says what was, or
`refused`, with why not and the exit code that the command line makes of it. Whoever has ordered a load ends it by
ending their side of the connection; every other order, once given, is carried out to its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from testbed.errors import TestbedError
from testbed.journal.events import PoolSample, Step, Threads

MOST_REQUESTS = 100_000


@dataclass(frozen=True, slots=True)
class StatusCommand:
    """Tell how it stands."""

    order: Literal["status"] = "status"


@dataclass(frozen=True, slots=True)
class SwitchoverCommand:
    """Move the database to the other host."""

    order: Literal["switchover"] = "switchover"


@dataclass(frozen=True, slots=True)
class DumpThreadsCommand:
    """Dump the threads of a service."""

    service: str
    order: Literal["threads"] = "threads"


@dataclass(frozen=True, slots=True)
class RestartCommand:
    """Kill a service and start it again."""

    service: str
    order: Literal["restart"] = "restart"


@dataclass(frozen=True, slots=True)
class LoadCommand:
    """Send `rate_per_s` transactions a second of the usual mix for `seconds` seconds, drawn by a seed."""

    rate_per_s: Annotated[float, Field(gt=0, le=1000)]
    seconds: Annotated[float, Field(gt=0, le=86_400)]
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)]
    order: Literal["load"] = "load"


@dataclass(frozen=True, slots=True)
class DownCommand:
    """Take everything down."""

    order: Literal["down"] = "down"


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A service: its base URL, its health check, request threads and pool; numbers are null when it does not answer."""

    service: str
    url: str
    runs: bool
    health: bool
    request_threads: int | None
    busy: int | None
    waiting: int | None
    stuck: bool
    pool: PoolSample | None


@dataclass(frozen=True, slots=True)
class LoadStatus:
    """What has become of a load: `of` requests in all; `waiting` were sent and have not come back."""

    of: int
    sent: int
    answered: int
    failed: int
    waiting: int
    answer: Literal["load"] = "load"


@dataclass(frozen=True, slots=True)
class FacilityStatus:
    """How the facility stands; `database` is the host whose server runs, `load` what became of the last load."""

    variant: str
    runtime: str
    database: str
    journal: str
    services: tuple[ServiceStatus, ...]
    load: LoadStatus | None
    answer: Literal["standing"] = "standing"


@dataclass(frozen=True, slots=True)
class StepReply:
    """A step of an operation has begun or ended, as the journal has it."""

    step: Step
    answer: Literal["step"] = "step"


@dataclass(frozen=True, slots=True)
class ThreadsReply:
    """A dump, as the journal has it; `file` is where it lies."""

    threads: Threads
    file: str
    answer: Literal["threads"] = "threads"


@dataclass(frozen=True, slots=True)
class Done:
    """It was done."""

    text: str
    answer: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not, or not to the end."""

    text: str
    exit_code: int
    answer: Literal["refused"] = "refused"


Command = StatusCommand | SwitchoverCommand | DumpThreadsCommand | RestartCommand | LoadCommand | DownCommand
Reply = FacilityStatus | LoadStatus | StepReply | ThreadsReply | Done | Refused

_order: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="order")])
_answer: TypeAdapter[Reply] = TypeAdapter(Annotated[Reply, Field(discriminator="answer")])


def encode_command(order: Command) -> bytes:
    """Write an order as a line."""
    return _order.dump_json(order, by_alias=True) + b"\n"


def decode_command(line: bytes) -> Command:
    """Read an order; raises TestbedError when it is none."""
    order: Command = _decode(_order, line, "order")
    return order


def encode_reply(answer: Reply) -> bytes:
    """Write an answer as a line."""
    return _answer.dump_json(answer, by_alias=True) + b"\n"


def decode_reply(line: bytes) -> Reply:
    """Read an answer; raises TestbedError when it is none, as of another version's."""
    answer: Reply = _decode(_answer, line, "answer")
    return answer


def _decode(adapter: TypeAdapter[Any], line: bytes, what: str) -> Any:
    try:
        return adapter.validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        raise TestbedError(
            f"this is no {what}: {'.'.join(map(str, first['loc'])) or 'line'}: {first['msg']}; found {line[:80]!r}"
        ) from error
