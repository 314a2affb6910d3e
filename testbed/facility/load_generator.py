"""The load generator, as a facility knows it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from testbed.facility.address import Address
    from testbed.plan.trace import TraceRequest


@dataclass(frozen=True, slots=True)
class DueRequest:
    """A request of the trace, due `due_s` real seconds after the night's start unless the night's clock is held."""

    due_s: float
    request: TraceRequest


@dataclass(frozen=True, slots=True)
class Rate:
    """From `from_s` seconds after the start on, what is due from `due_s` on goes by at `rate` planned seconds in a real one.

    0: nothing is due until the next rate.
    """

    from_s: float
    due_s: float
    rate: float


AS_PLANNED = (Rate(0.0, 0.0, 1.0),)


def planned_s(rates: Sequence[Rate], real_s: float) -> float:
    """Return what is due `real_s` seconds after the start, in planned seconds; `rates` are in order, from the start on."""
    current = _at(rates, real_s)
    return current.due_s + (real_s - current.from_s) * current.rate


def rate_at(rates: Sequence[Rate], real_s: float) -> float:
    """Return how many planned seconds go by in a real one, `real_s` seconds after the start and just after it."""
    return _at(rates, real_s).rate


def real_s(rates: Sequence[Rate], due_s: float) -> float:
    """Return how many seconds after the start something is due that was planned for `due_s`; infinity where it never will be."""
    current = next((rate for rate in reversed(rates) if rate.due_s <= due_s), rates[0])
    if current.rate == 0.0:
        return current.from_s if due_s <= current.due_s else math.inf
    return current.from_s + (due_s - current.due_s) / current.rate


def _at(rates: Sequence[Rate], real_s: float) -> Rate:
    return next((rate for rate in reversed(rates) if rate.from_s <= real_s), rates[0])


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """A request that was answered, and when (on the journal's `t_s`): its passenger believes that it was done."""

    request: TraceRequest
    answered_s: float


class LoadGenerator(Protocol):
    """A load generator that is ready to send."""

    def start(self, start_s: float) -> None:
        """Start the night at `start_s` on the event loop's clock."""

    def change_rates(self, rates: Sequence[Rate]) -> None:
        """Send what is not sent yet by other rates; they hold for the whole night, and agree with the former ones up to now."""

    def events(self) -> AsyncIterator[RequestSent | RequestEnded]:
        """Yield requests as they are sent and as they end, in seconds after the start, until the generator ends."""

    def stop(self) -> None:
        """Stop it; requests that still wait stay unanswered."""


class Connect(Protocol):
    """Connects to the load generator. `connect_over_tcp` hands requests to a process; `testbed.fakes` has a generator in the event loop."""

    async def __call__(self, requests: Sequence[DueRequest], generator: Address, callers: Mapping[str, Address]) -> LoadGenerator:
        """Send it the requests, and return when it is ready to send them on; raises ServiceError when it is not."""


@dataclass(frozen=True, slots=True)
class RequestSent:
    """A request was taken up `begun_s` seconds after the start, and its bytes left at `sent_s`: at `begun_s` if it could not connect."""

    id: int
    sent_s: float
    begun_s: float


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """A request ended: with a status, or with an error and no status."""

    id: int
    answered_s: float
    status: int | None
    error: str
