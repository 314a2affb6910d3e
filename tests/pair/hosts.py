"""Two database hosts over one array, with nothing else of a facility, for the rounds of scenarios/test_one_array.py."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from testbed.concurrency import wait_until
from testbed.plan.topology import HOSTS

if TYPE_CHECKING:
    import random

    from testbed.facility.address import Address
    from testbed.runtime.credentials import Credentials

WITHIN_S = 30.0
POLL_S = 0.02
LONGEST_S = 0.3  # the longest pause before a kill; a server starts and stops in less


class Hosts(Protocol):
    """Two hosts with an array: the steps that they do, and what can be done to them."""

    @property
    def address(self) -> Address:
        """The address of their database."""

    @property
    def credentials(self) -> Credentials:
        """The passwords of both roles, as this process reads them."""

    async def run_step(self, host: str, step: str) -> str:
        """Run a step on a host; return its words where it refuses, and an empty string where it did it."""

    async def servers(self) -> dict[str, int]:
        """Count the servers that run on the array from each host, by its processes."""

    async def forge(self, old: str, new: str) -> None:
        """Move the mount from one host to the other, past every rule."""

    async def kill_server(self, host: str) -> None:
        """`kill -9` the server of a host."""

    async def kill_host(self, host: str) -> None:
        """Kill a host and all that runs on it."""

    async def revive(self, host: str) -> None:
        """Start a host that was killed, and wait until it has done what it does at its own start."""

    async def run(self, host: str, program: str, *arguments: str) -> str:
        """Run a program of PostgreSQL, and return what it printed. In its arguments {data}, {host} and {port} are filled in."""


@dataclass(slots=True)
class Pair:
    """The two hosts in their roles: `first` is the host whose server runs. `refused` counts the steps that either refused."""

    hosts: Hosts
    draw: random.Random
    first: str = HOSTS[0]
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def second(self) -> str:
        """The other host."""
        return next(host for host in HOSTS if host != self.first)

    async def ask(self, host: str, step: str) -> str:
        """Run a step on a host, which may refuse it; return its words then, and an empty string where it did it."""
        refusal = await self.hosts.run_step(host, step)
        self.refused[step] += bool(refusal)
        return refusal

    async def done(self, host: str, *steps: str) -> None:
        """Run steps on a host, none of which it may refuse."""
        for step in steps:
            assert await self.ask(host, step) == "", step

    async def moment(self) -> None:
        """Sleep for a drawn time, so that what follows comes at any moment."""
        await asyncio.sleep(self.draw.uniform(0, LONGEST_S))

    async def take_over(self) -> None:
        """Mount the array on the second and start its server, as soon as nothing of the first's server is left."""

        async def release() -> str | None:
            refusal = await self.ask(self.second, "release")
            assert not refusal or "a database server holds" in refusal
            return refusal or None

        await wait_until(f"{self.second} did not release the array", release, WITHIN_S, every_s=POLL_S)
        await self.done(self.second, "mount", "start")
        self.first = self.second
