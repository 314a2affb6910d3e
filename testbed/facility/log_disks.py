"""The disks that take the logs of the application servers, as faults know them (W7).

`Nothing` is the do-nothing twin: disks that nobody can fill, and the guide to writing others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from testbed.errors import FacilityError

if TYPE_CHECKING:
    from testbed.facility.address import Address


class LogDisks(Protocol):
    """The disks, by the name of the application server whose log they take. Raises FacilityError when one cannot be filled or freed."""

    async def fill(self, server: str) -> None:
        """Fill one to the last byte."""

    async def free(self, server: str) -> None:
        """Take away what filled it."""

    async def log_line_error(self, server: str, address: Address) -> str:
        """Have the server, which listens at this address, log a line; gives why it was lost, and an empty text when it was written."""

    def full(self) -> tuple[str, ...]:
        """Give those that were filled, and not freed."""


@dataclass(frozen=True, slots=True)
class NoLogDisks:
    """Disks that nobody can fill."""

    async def fill(self, server: str) -> None:
        """Refuse."""
        raise FacilityError(f"the disk that takes the log of {server} cannot be filled here")

    async def free(self, server: str) -> None:
        """Do nothing: it was never filled."""

    async def log_line_error(self, server: str, address: Address) -> str:  # noqa: ARG002 - the protocol's signature
        """Take it for granted that it was not."""
        return ""

    def full(self) -> tuple[str, ...]:
        """Give none."""
        return ()
