"""The firewall of the containers runtime, as faults know it: what it drops, and which idle connections it forgets (A7).

Its rules are nftables' and its connection table is the kernel's, both in the network namespace of its container. Nothing
here flushes a whole rule set: the rules of the engine's name server are in it, too.
"""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.facility.link import DATABASE

if TYPE_CHECKING:
    from testbed.facility.link import Link
    from testbed.runtime.containers.runtime import Containers

NAME = "firewall"
WITHIN_S = 10.0
IDLE_LIMIT = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established"
LEFT_S = re.compile(r"(\d+) ESTABLISHED")  # in a line of `conntrack --dump`: the seconds until the kernel forgets the connection
DROPS = "dropped"  # the chain of firewall.nft that is empty until something is dropped
DROP_NEW = "ct state new drop"


@dataclass(slots=True)
class Firewall:
    """The firewall's container; it is on the link to the database only, and refuses any other. See `PacketFilter`.

    `keepalives_s`: after so many idle seconds PostgreSQL sends a keep-alive through it (A8). `usual_s`: the idle limit at the beginning
    of its project, which may serve several replays; it is read once.
    """

    runtime: Containers
    keepalives_s: float | None = None
    usual_s: int | None = None

    async def read_usual(self) -> int:
        """Return the idle limit at the beginning: now, the first time."""
        if self.usual_s is None:
            self.usual_s = await self._limit_s()
        return self.usual_s

    async def drop(self, name: str, link: Link) -> None:  # noqa: ARG002 - the protocol's signature
        """Drop the first packet of every new connection; those that are known go on."""
        _require_database(name)
        await self._run("nft", "add", "rule", "ip", "facility", DROPS, DROP_NEW)

    async def accept(self, name: str, link: Link) -> None:  # noqa: ARG002
        """Accept new connections again."""
        _require_database(name)
        await self._run("nft", "flush", "chain", "ip", "facility", DROPS)

    async def forget_idle(self, name: str, link: Link, idle_s: float) -> float:  # noqa: ARG002
        """Set the kernel's idle limit, in whole seconds, and return it."""
        _require_database(name)
        limit_s = math.ceil(idle_s)
        await self.read_usual()
        await self._write_limit(limit_s)
        return float(limit_s)

    async def wait_forgotten(self, name: str, link: Link, limit_s: float) -> None:  # noqa: ARG002
        """Wait for as long as the limit, and then delete the connections that have had no packet since it was set.

        The kernel gives a connection the new limit with its next packet; one that has had none still has the old one. Raises FacilityError
        when the kernel's own table still has one for longer than the limit.
        """
        _require_database(name)
        await asyncio.sleep(limit_s)
        await self._run("forget-idle", f"{limit_s:.0f}")
        longer = [left for left in LEFT_S.findall(await self._run("conntrack", "--dump", "--proto", "tcp")) if int(left) > limit_s]
        if longer:
            raise FacilityError(f"the firewall still keeps {len(longer)} connections for longer than {limit_s:.0f} s")

    async def keep_idle(self, name: str, link: Link) -> None:  # noqa: ARG002
        """Set the limit that there was at the beginning."""
        _require_database(name)
        await self._write_limit(await self.read_usual())

    async def left(self) -> tuple[str, ...]:
        """Return what its rules still drop, whoever added them, and its limit if that is not the one of the beginning."""
        lines = (await self._run("nft", "list", "chain", "ip", "facility", DROPS)).splitlines()
        rules = [rule for line in lines if (rule := line.strip()) not in ("", "}") and not rule.startswith(("table ", "chain "))]
        left = [f"attempts to connect to {DATABASE} are dropped" if rule == DROP_NEW else f"the firewall's rule {rule!r}" for rule in rules]
        limit_s = await self._limit_s()
        if limit_s != await self.read_usual():
            left.append(f"the firewall forgets connections that are idle for {limit_s} s")
        return tuple(left)

    async def _limit_s(self) -> int:
        return int(await self._run("cat", IDLE_LIMIT))

    async def _write_limit(self, limit_s: int) -> None:
        await self._run("sh", "-c", f"echo {limit_s} > {IDLE_LIMIT}")

    async def _run(self, *command: str) -> str:
        return await self.runtime.run_in(NAME, *command, within_s=WITHIN_S)


def _require_database(name: str) -> None:
    if name != DATABASE:
        raise FacilityError(f"the firewall is on the link to {DATABASE} only, and not on that to {name}")
