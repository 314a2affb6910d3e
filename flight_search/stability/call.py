"""A call to the facility and its answer: what the remote stub sends, and what a caller's stability pattern wraps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

# What a call may raise:
#
#     Exception
#     ├── FacilityFailed          the facility answered with an error, or could not be called
#     │   ├── FacilityTimedOut    it did not answer within the call's time-out
#     │   │   └── CallDeadlineExceeded    nor, in all attempts together, within the call's deadline (call_deadline.py)
#     │   └── CircuitOpen         it was not called (circuit_breaker.py)
#     └── NoSuchFlight            it answered that it does not know the flight, or a place: not a failure


class FacilityFailed(Exception):  # noqa: N818 - named for what happened
    """The facility answered with an error, or could not be called; the message has the facility's own words."""


class FacilityTimedOut(FacilityFailed):
    """The facility did not answer within the call's time-out."""


class CallDeadlineExceeded(FacilityTimedOut):
    """The facility did not answer within the call's deadline, in however many attempts."""


class NoSuchFlight(Exception):  # noqa: N818 - named for what happened
    """The facility does not know the passenger's flight, its origin or its destination."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call: an operation of the facility, and the HTTP request that asks for it.

    `params` are the query's pairs, `body` is sent as JSON. `key` is the idempotency key by which the facility recognises a repeated write.
    `attempt`: 1 for the first, 2 for its first repetition, and so on.
    """

    operation: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, object] | None = None
    key: str | None = None
    attempt: int = 1

    @property
    def is_read(self) -> bool:
        """Whether the call only reads."""
        return self.body is None

    @property
    def method(self) -> str:
        """The HTTP method."""
        return "GET" if self.is_read else "POST"


@dataclass(frozen=True, slots=True)
class FacilityAnswer:
    """The facility's decoded answer; `age_s` is the age of a cached answer, None for one fetched just now."""

    content: dict[str, Any]
    age_s: float | None = None


class SendCall(Protocol):
    """Sends a call: the stub itself, or a pattern around it. Called from many threads at once."""

    def __call__(self, call: Call, /) -> FacilityAnswer:
        """Send the call and return its answer; raise FacilityFailed, FacilityTimedOut or NoSuchFlight."""
