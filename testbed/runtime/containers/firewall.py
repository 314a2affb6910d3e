"""The firewall of the containers runtime, as faults know it: what it drops and refuses, and which idle connections it forgets (A7).

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
DROP_ALL = "drop"
# As the kernel lists them. `inc` counts the packets that come to the rule; an attempt that is refused is not repeated, so each is one.
LOSE = "numgen random mod 100 < {percent} counter packets 0 bytes 0 drop"
LOST = re.compile(r"^numgen random mod 100 < (?P<percent>\d+) counter packets (?P<packets>\d+) bytes \d+ drop$")
MOST_ATTEMPTS = 1_000_000
REFUSE_FIRST = f"ct state new numgen inc mod {MOST_ATTEMPTS} < {{attempts}} reject with tcp reset"
REFUSES = re.compile(rf"^ct state new numgen inc mod {MOST_ATTEMPTS} < (?P<attempts>\d+) reject with tcp reset$")
RULE = re.compile(r"^\s*(?P<rule>\S.*?) # handle (?P<handle>\d+)$")


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
        await self._add(DROP_NEW)

    async def accept(self, name: str, link: Link) -> None:  # noqa: ARG002
        """Accept new connections again."""
        _require_database(name)
        await self._delete(re.compile(re.escape(DROP_NEW)))

    async def pull(self, name: str, link: Link) -> None:  # noqa: ARG002
        """Drop every packet between the two sides, whatever connection it is of."""
        _require_database(name)
        await self._add(DROP_ALL)

    async def plug(self, name: str, link: Link) -> None:  # noqa: ARG002
        """Let them pass again."""
        _require_database(name)
        await self._delete(re.compile(DROP_ALL))

    async def lose(self, name: str, link: Link, percent: int) -> None:  # noqa: ARG002
        """Drop this share of the packets, each by chance; the kernel counts those that it drops."""
        _require_database(name)
        await self._add(LOSE.format(percent=percent))

    async def lost(self, name: str, link: Link) -> int:  # noqa: ARG002
        """Return the kernel's own count."""
        _require_database(name)
        return sum(int(found["packets"]) for rule, _ in await self._rules() if (found := LOST.match(rule)))

    async def lose_none(self, name: str, link: Link) -> None:  # noqa: ARG002
        """Let all of them pass again."""
        _require_database(name)
        await self._delete(LOST)

    async def refuse_first(self, name: str, link: Link, attempts: int) -> None:  # noqa: ARG002
        """Answer so many attempts to connect with RST, and let those that come after them pass."""
        _require_database(name)
        await self._add(REFUSE_FIRST.format(attempts=attempts))

    async def refuse_none(self, name: str, link: Link) -> None:  # noqa: ARG002
        """Refuse none of those that are left."""
        _require_database(name)
        await self._delete(REFUSES)

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
        left = [_left(rule) for rule, _ in await self._rules()]
        limit_s = await self._limit_s()
        if limit_s != await self.read_usual():
            left.append(f"the firewall forgets connections that are idle for {limit_s} s")
        return tuple(left)

    async def _add(self, rule: str) -> None:
        await self._run("nft", "add", "rule", "ip", "facility", DROPS, rule)

    async def _delete(self, wanted: re.Pattern[str]) -> None:
        """Delete the rules that look like this; those of other faults stay."""
        for rule, handle in await self._rules():
            if wanted.fullmatch(rule):
                await self._run("nft", "delete", "rule", "ip", "facility", DROPS, "handle", handle)

    async def _rules(self) -> list[tuple[str, str]]:
        """Return the rules that drop or refuse something, each with its handle."""
        lines = (await self._run("nft", "--handle", "list", "chain", "ip", "facility", DROPS)).splitlines()
        found = [rule for line in lines if (rule := RULE.match(line)) is not None and not rule["rule"].endswith("{")]
        return [(rule["rule"], rule["handle"]) for rule in found]

    async def _limit_s(self) -> int:
        return int(await self._run("cat", IDLE_LIMIT))

    async def _write_limit(self, limit_s: int) -> None:
        await self._run("sh", "-c", f"echo {limit_s} > {IDLE_LIMIT}")

    async def _run(self, *command: str) -> str:
        return await self.runtime.run_in(NAME, *command, within_s=WITHIN_S)


def _left(rule: str) -> str:
    """Return what a rule that was left does, in words where it is one of ours."""
    if rule == DROP_NEW:
        return f"attempts to connect to {DATABASE} are dropped"
    if rule == DROP_ALL:
        return f"every packet to and from {DATABASE} is dropped"
    if lost := LOST.match(rule):
        return f"{lost['percent']} % of the packets to and from {DATABASE} are dropped"
    if refuses := REFUSES.match(rule):
        return f"the first {refuses['attempts']} attempts to connect to {DATABASE} are refused"
    return f"the firewall's rule {rule!r}"


def _require_database(name: str) -> None:
    if name != DATABASE:
        raise FacilityError(f"the firewall is on the link to {DATABASE} only, and not on that to {name}")
