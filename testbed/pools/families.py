"""The families of services, and which cells there are."""

from __future__ import annotations

import itertools
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, get_args

from testbed.errors import UsageError
from testbed.pools import pgbouncer, python_services
from testbed.pools.cell import Cell, Mistake, Situation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SITUATIONS: tuple[Situation, ...] = get_args(Situation)
MISTAKES: tuple[Mistake, ...] = get_args(Mistake)


class Family(Protocol):
    """Services that are started in one way: a module with these functions."""

    def names(self) -> tuple[str, ...]:
        """Return the names of the services."""

    def mistakes(self, name: str, /) -> tuple[Mistake, ...]:
        """Return the ways to clean up that a service has."""

    def has_check(self, name: str, /) -> bool:
        """Whether the pool of a service has a check of its own."""

    def missing(self, name: str, /) -> str:
        """Return why a service cannot run here; an empty text where it can."""

    def command(self, name: str, /) -> list[str]:
        """Return the command that runs a service."""

    def versions(self, name: str, /) -> dict[str, str]:
        """Return the versions of language, pool and driver."""


def all_families() -> tuple[Family, ...]:
    """Return the families that are here."""
    jvm = "testbed.pools.jvm"
    return (python_services, pgbouncer, *((import_module("testbed.pools.jvm"),) if find_spec(jvm) else ()))


def names() -> tuple[str, ...]:
    """Return the names of all services."""
    return tuple(name for family in all_families() for name in family.names())


def of(name: str) -> Family:
    """Return the family of a service; raises UsageError where there is none of that name."""
    for family in all_families():
        if name in family.names():
            return family
    raise UsageError(f"no pool {name!r}; allowed: {', '.join(names())}")


def cells(pools: Iterable[str], situations: Iterable[str], mistakes: Iterable[str]) -> Iterator[Cell]:
    """Yield every cell of these pools, situations and mistakes, without and with the pool's own check where it has one."""
    for situation, pool in itertools.product([word for word in SITUATIONS if word in set(situations)], pools):
        family = of(pool)
        for mistake in (word for word in family.mistakes(pool) if word in set(mistakes)):
            for check in (False, True) if family.has_check(pool) else (False,):
                yield Cell(pool, situation, mistake, check)
