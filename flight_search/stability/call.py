"""A call to the facility and its answer: what the remote stub sends, and what a caller's stability pattern wraps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class FacilityFailed(Exception):  # noqa: N818 - named for what happened
    """The facility answered with an error, or could not be called; the message has its own words."""


class FacilityTimedOut(FacilityFailed):
    """The facility did not answer within the call's time-out."""


class NoSuchFlight(Exception):  # noqa: N818 - named for what happened
    """The facility does not know the passenger's flight, or one of its places."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call: an operation of the facility, and the HTTP request that asks for it.

    `params` are the pairs of the query, `body` is sent as JSON. `key` is what the facility knows a repeated write by.
    """

    operation: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, object] | None = None
    key: str | None = None

    @property
    def is_read(self) -> bool:
        """Whether it only asks, and changes nothing."""
        return self.body is None

    @property
    def method(self) -> str:
        """The method of HTTP."""
        return "GET" if self.is_read else "POST"


@dataclass(frozen=True, slots=True)
class Answer:
    """The facility's answer, decoded; `age_s` is how long ago it was given, when it was not asked for now."""

    content: dict[str, Any]
    age_s: float | None = None


class Send(Protocol):
    """Whatever makes a call: the stub itself, or a pattern around it. Called from many threads at once.

    Raises FacilityFailed, FacilityTimedOut and NoSuchFlight.
    """

    def __call__(self, call: Call, /) -> Answer:
        """Make the call and give its answer."""
