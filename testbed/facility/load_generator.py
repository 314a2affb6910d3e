"""The load generator, as a facility knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from testbed.facility.address import Address
    from testbed.plan.trace import TraceRequest


@dataclass(frozen=True, slots=True)
class DueRequest:
    """A request of the trace, due `due_s` real seconds after the night's start."""

    due_s: float
    request: TraceRequest


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request that was answered, and when (on the journal's `t_s`): whoever sent it believes that it was done."""

    request: TraceRequest
    answered_s: float


class LoadGenerator(Protocol):
    """A load generator that is ready to send."""

    def start(self, start_s: float) -> None:
        """Let the night begin at `start_s` on the event loop's clock."""

    def events(self) -> AsyncIterator[RequestSent | RequestEnded]:
        """Give what is sent and what has ended as it happens, in seconds after the start; it ends when the generator does."""

    def stop(self) -> None:
        """End it; what it still waits for stays unanswered."""


class Connect(Protocol):
    """How the load generator gets its requests. `connect_over_tcp` hands them to a process; `testbed.fakes` has one in the event loop."""

    async def __call__(self, requests: Sequence[DueRequest], generator: Address, callers: Mapping[str, Address]) -> LoadGenerator:
        """Hand over the requests, and return when it is ready to send; raises ServiceError when it is not."""


@dataclass(frozen=True, slots=True)
class RequestSent:
    """A request went out, `sent_s` seconds after the start."""

    id: int
    sent_s: float


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """A request came back: with a status, or with an error and no status."""

    id: int
    answered_s: float
    status: int | None
    error: str
