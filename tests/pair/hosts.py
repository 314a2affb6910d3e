"""Two database hosts over one array, with nothing else of a facility: what the rounds of scenarios/test_one_array.py are tried on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from testbed.plan.topology import HOSTS

if TYPE_CHECKING:
    import random

    from testbed.facility.address import Address

WITHIN_S = 30.0
POLL_S = 0.02
LONGEST_S = 0.3  # until something is killed; a server starts and stops in less


class Hosts(Protocol):
    """Two hosts with an array: what can be told to them and done to them."""

    @property
    def address(self) -> Address:
        """Where their database is found."""

    async def tell(self, host: str, step: str) -> str:
        """Tell a host to do a step; gives its words where it refuses, and nothing where it did it."""

    async def servers(self) -> dict[str, int]:
        """Count the servers that run on the array from each host, by its processes."""

    async def forge(self, taken: str, given: str) -> None:
        """Move the mount by hand from a host to the other, past every rule."""

    async def kill_server(self, host: str) -> None:
        """`kill -9` the server of a host."""

    async def kill_host(self, host: str) -> None:
        """Kill a host with all that runs on it."""

    async def revive(self, host: str) -> None:
        """Start a host that was killed, and wait until it has done what it does at its own start."""

    async def run(self, host: str, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs; gives what it printed. An argument {data} becomes the data directory, and so on."""


@dataclass(slots=True)
class Pair:
    """The two hosts in their roles: `first` is the one whose server runs. `refused` counts what either said no to."""

    hosts: Hosts
    draw: random.Random
    first: str = HOSTS[0]
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def second(self) -> str:
        """The other one."""
        return next(host for host in HOSTS if host != self.first)

    async def ask(self, host: str, step: str) -> str:
        """Tell a host to do a step; gives its words where it refuses, and nothing where it did it."""
        refusal = await self.hosts.tell(host, step)
        self.refused[step] += bool(refusal)
        return refusal

    async def done(self, host: str, *steps: str) -> None:
        """Tell a host to do steps, none of which it may refuse."""
        for step in steps:
            assert await self.ask(host, step) == "", step

    async def moment(self) -> None:
        """Let a drawn time go by: the next thing comes at any moment."""
        await asyncio.sleep(self.draw.uniform(0, LONGEST_S))

    async def take_over(self) -> None:
        """Let the second take the array as soon as nothing of the first's server is left, and start on it."""
        deadline = time.monotonic() + WITHIN_S
        while refusal := await self.ask(self.second, "release"):
            assert "a database server holds" in refusal
            assert time.monotonic() < deadline, refusal
            await asyncio.sleep(POLL_S)
        await self.done(self.second, "mount", "start")
        self.first = self.second
