"""The disks that take the logs of the application servers, as faults know them (W7).

`NoLogDisks` is the do-nothing twin: disks that cannot be filled, and the guide to writing others.
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
        """Remove what filled it."""

    async def log_line_error(self, server: str, address: Address) -> str:
        """Make the server at this address log a line; return why it was lost, or an empty string when it was written."""

    def full(self) -> tuple[str, ...]:
        """Return the servers whose disks are full."""


@dataclass(frozen=True, slots=True)
class NoLogDisks:
    """The do-nothing twin: disks that cannot be filled."""

    async def fill(self, server: str) -> None:
        """Raise FacilityError: there is no disk to fill."""
        raise FacilityError(f"the disk that takes the log of {server} cannot be filled: this facility has no log disks of its own")

    async def free(self, server: str) -> None:
        """Do nothing: no disk is ever full."""

    async def log_line_error(self, server: str, address: Address) -> str:  # noqa: ARG002 - the protocol's signature
        """Return an empty string: no disk is ever full."""
        return ""

    def full(self) -> tuple[str, ...]:
        """Return none."""
        return ()
