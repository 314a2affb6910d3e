from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from testbed.errors import FacilityError
from testbed.fakes.link import FakeLink
from testbed.runtime.containers import firewall
from testbed.runtime.containers.firewall import Firewall

KERNELS_OWN_S = 432_000
CHAIN = "table ip facility {{\n\tchain dropped {{ # handle 2\n{rules}\t}}\n}}\n"
ENTRY = "tcp      6 {left_s} ESTABLISHED src=10.0.0.2 dst=10.0.0.1 sport=4000 dport=5432 src=10.0.1.2 dst=10.0.1.1 sport=5432 dport=4000\n"


@dataclass
class OneContainer:
    """A firewall's container, as its commands show it: an idle limit, a chain of rules, and the seconds left of each known connection."""

    limit_s: int = KERNELS_OWN_S
    rules: dict[str, str] = field(default_factory=dict)  # by their handles
    left_s: list[int] = field(default_factory=list)
    stubborn: bool = False  # it forgets nothing
    commands: list[tuple[str, ...]] = field(default_factory=list)

    async def run_in(self, name: str, *command: str, within_s: float) -> str:
        """Run a command there."""
        assert (name, within_s) == (firewall.NAME, firewall.WITHIN_S)
        self.commands.append(command)
        out = ""
        match command:
            case ("cat", firewall.IDLE_LIMIT):
                out = f"{self.limit_s}\n"
            case ("sh", "-c", line):
                self.limit_s = int(line.split()[1])
            case ("forget-idle", seconds):
                self.left_s = [left for left in self.left_s if left <= int(seconds) or self.stubborn]
            case ("conntrack", "--dump", *_):
                out = "".join(ENTRY.format(left_s=left) for left in self.left_s)
            case ("nft", "add", "rule", *_, rule):
                self.rules[str(len(self.commands) + 2)] = rule
            case ("nft", "delete", "rule", *_, handle):
                del self.rules[handle]
            case ("nft", "--handle", "list", *_):
                out = CHAIN.format(rules="".join(f"\t\t{rule} # handle {handle}\n" for handle, rule in self.rules.items()))
            case _:
                raise FacilityError(f"{name}: no such command: {command}")
        return out


async def _at_once(_: float) -> None:
    """Return at once."""


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace sleeping, so that a limit takes no time."""
    monkeypatch.setattr(asyncio, "sleep", _at_once)


@pytest.mark.fact("A7")
def test_connections_without_a_packet_since_the_limit_was_set_are_forgotten_and_the_limit_is_reset() -> None:
    """In whole seconds, rounded up; and until it is reset, the limit is listed as left."""
    container = OneContainer(left_s=[1, KERNELS_OWN_S - 7])

    async def forget() -> tuple[str, ...]:
        wall = Firewall(container)  # type: ignore[arg-type]
        assert await wall.forget_idle("database", FakeLink(), 1.2) == 2.0
        assert (container.limit_s, container.left_s) == (2, [1, KERNELS_OWN_S - 7])
        await wall.wait_forgotten("database", FakeLink(), 2.0)
        assert (container.limit_s, container.left_s) == (2, [1])
        left = await wall.left()
        await wall.keep_idle("database", FakeLink())
        assert await wall.left() == ()
        return left

    assert asyncio.run(forget()) == ("the firewall forgets connections that are idle for 2 s",)
    assert container.limit_s == KERNELS_OWN_S


@pytest.mark.fact("A7")
def test_a_limit_that_does_not_hold_is_an_error() -> None:
    """The kernel's own table is what is believed."""
    container = OneContainer(left_s=[KERNELS_OWN_S - 7], stubborn=True)
    with pytest.raises(FacilityError, match="the firewall still keeps 1 connections for longer than 2 s"):
        asyncio.run(Firewall(container).wait_forgotten("database", FakeLink(), 2.0))  # type: ignore[arg-type]


def test_new_connections_are_dropped_until_they_are_accepted_again() -> None:
    """By one rule in the chain made for it."""
    container = OneContainer()

    async def drop() -> tuple[str, ...]:
        wall = Firewall(container)  # type: ignore[arg-type]
        await wall.drop("database", FakeLink())
        left = await wall.left()
        await wall.accept("database", FakeLink())
        assert await wall.left() == ()
        return left

    assert asyncio.run(drop()) == ("attempts to connect to database are dropped",)
    assert not any("ruleset" in word for command in container.commands for word in command)  # the engine's own rules are there, too


DONE = {
    "pull": ((), "plug", "every packet to and from database is dropped"),
    "lose": ((30,), "lose_none", "30 % of the packets to and from database are dropped"),
    "refuse_first": ((7,), "refuse_none", "the first 7 attempts to connect to database are refused"),
    "drop": ((), "accept", "attempts to connect to database are dropped"),
}


@pytest.mark.parametrize("does", DONE)
def test_what_one_fault_drops_another_leaves_alone(does: str) -> None:
    """Each has a rule of its own, of which `left` tells in words; undone, that rule is gone, and those of the others are not."""
    container = OneContainer()
    arguments, undoes, text = DONE[does]

    async def act() -> tuple[tuple[str, ...], tuple[str, ...]]:
        wall = Firewall(container)  # type: ignore[arg-type]
        for other in DONE.keys() - {does}:
            await getattr(wall, other)("database", FakeLink(), *DONE[other][0])
        before = await wall.left()
        await getattr(wall, does)("database", FakeLink(), *arguments)
        during = await wall.left()
        await getattr(wall, undoes)("database", FakeLink())
        assert await wall.left() == before
        await getattr(wall, undoes)("database", FakeLink())
        return before, during

    before, during = asyncio.run(act())
    assert (len(before), during) == (3, (*before, text))


def test_the_packets_that_were_lost_are_the_kernels_own_count() -> None:
    """Of the rule that drops them, and none without it."""
    container = OneContainer(rules={"4": "numgen random mod 100 < 20 counter packets 17 bytes 1020 drop", "5": "ct state new drop"})

    async def look() -> list[int]:
        wall = Firewall(container)  # type: ignore[arg-type]
        counts = [await wall.lost("database", FakeLink())]
        await wall.lose_none("database", FakeLink())
        return [*counts, await wall.lost("database", FakeLink())]

    assert asyncio.run(look()) == [17, 0]
    assert list(container.rules.values()) == ["ct state new drop"]


def test_what_the_replay_before_left_is_seen_by_the_firewall_of_the_project() -> None:
    """A limit or a rule that nobody noted, too: the kernel is asked, and compared with the beginning."""
    container = OneContainer()

    async def look() -> list[tuple[str, ...]]:
        wall = Firewall(container)  # type: ignore[arg-type]
        await wall.read_usual()
        seen = [await wall.left()]
        container.limit_s = 60
        seen.append(await wall.left())
        container.limit_s = KERNELS_OWN_S
        container.rules["9"] = "ip saddr 10.0.0.2 drop"
        return [*seen, await wall.left()]

    assert asyncio.run(look()) == [
        (),
        ("the firewall forgets connections that are idle for 60 s",),
        ("the firewall's rule 'ip saddr 10.0.0.2 drop'",),
    ]


@pytest.mark.parametrize(
    "does",
    [
        *("drop", "accept", "pull", "plug", "lose", "lost", "lose_none", "refuse_first", "refuse_none"),
        *("forget_idle", "wait_forgotten", "keep_idle"),
    ],
)
def test_it_is_on_the_link_to_the_database_only(does: str) -> None:
    """Any other is refused, with its name."""
    arguments = (1.0,) if does in ("forget_idle", "wait_forgotten", "lose", "refuse_first") else ()
    with pytest.raises(FacilityError, match="and not on that to cf-1"):
        asyncio.run(getattr(Firewall(OneContainer()), does)("cf-1", FakeLink(), *arguments))  # type: ignore[arg-type]
