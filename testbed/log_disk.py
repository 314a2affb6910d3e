"""The disks that take the logs of the application servers, as faults know them (W7).

`Nothing` is the do-nothing twin: disks that nobody can fill, and the guide to writing others.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import requests

from testbed.errors import FacilityError

if TYPE_CHECKING:
    from testbed.runtime import Address

WITHIN_S = 5.0


class LogDisks(Protocol):
    """The disks, by the name of the application server whose log they take. Raises FacilityError when one cannot be filled or freed."""

    async def fill(self, server: str) -> None:
        """Fill one to the last byte."""

    async def free(self, server: str) -> None:
        """Take away what filled it."""

    async def lost(self, server: str, address: Address) -> str:
        """Have the server, which listens at this address, log a line; gives why it was lost, and an empty text when it was written."""

    def full(self) -> tuple[str, ...]:
        """Give those that were filled, and not freed."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Disks that nobody can fill."""

    async def fill(self, server: str) -> None:
        """Refuse."""
        raise FacilityError(f"the disk that takes the log of {server} cannot be filled here")

    async def free(self, server: str) -> None:
        """Do nothing: it was never filled."""

    async def lost(self, server: str, address: Address) -> str:  # noqa: ARG002 - the protocol's signature
        """Take it for granted that it was not."""
        return ""

    def full(self) -> tuple[str, ...]:
        """Give none."""
        return ()


async def ask_to_log(server: str, address: Address) -> str:
    """Ask a server over HTTP to log a line, and hear from itself why it was lost; raises FacilityError when it does not answer."""

    def ask() -> str:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"{address.url}/admin/log", timeout=WITHIN_S)
            answer.raise_for_status()
            return str(answer.json()["lost"])

    try:
        return await asyncio.to_thread(ask)
    except (requests.RequestException, ValueError, KeyError) as error:
        raise FacilityError(f"{server} does not tell whether it can log: {error}") from error
