"""A database pair behind a virtual IP, for blocking code and for asyncio."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from testbed.concurrency import shield
from testbed.errors import FacilityError
from testbed.pair import control as control_module
from testbed.pair import words
from testbed.pair.contexts import AsyncAction, AsyncFaultBlock, Done, FaultBlock
from testbed.pair.control import MAX_CONNECTIONS, Control
from testbed.pair.faults import Faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from testbed.pair.endpoint import Endpoint
    from testbed.pair.running import Data


class _Face:
    """What both faces tell of their pair without waiting."""

    def __init__(self, control: Control) -> None:
        self._control = control

    @property
    def endpoint(self) -> Endpoint:
        """Where the database is reached, and who logs in."""
        return self._control.require().endpoint

    @property
    def dsn(self) -> str:
        """The connection string: of the virtual IP, so that it holds over a switchover."""
        return self.endpoint.dsn

    def url(self, driver: str = "") -> str:
        """Return it as a URL of SQLAlchemy, for a driver such as `psycopg`, `asyncpg` or `psycopg2`."""
        return self.endpoint.url(driver)

    @property
    def host(self) -> str:
        """The virtual IP."""
        return self.endpoint.host

    @property
    def port(self) -> int:
        """Its port."""
        return self.endpoint.port

    @property
    def database(self) -> str:
        """The name of the database."""
        return self.endpoint.database

    @property
    def user(self) -> str:
        """The role that logs in. It may make tables."""
        return self.endpoint.user

    @property
    def password(self) -> str:
        """Its password, made for this pair."""
        return self.endpoint.password

    @property
    def active(self) -> str:
        """The host that has the database now, `db-1` or `db-2`."""
        return self._control.require().facility.database.active

    def steps(self) -> tuple[str, ...]:
        """Return a line for each step that faults took so far, with what was seen."""
        return self._control.events.steps()

    def forget_steps(self) -> None:
        """Forget those steps."""
        self._control.events.clear()


class Pair(_Face, Faults[FaultBlock, Done]):
    """The pair for blocking code; `asyncio` is the same pair for code that awaits. Made by `open_pair`."""

    @property
    def asyncio(self) -> AsyncPair:
        """The same pair, whose faults are used with `async with` and `await`, on any event loop."""
        return AsyncPair(self._control)

    def fault(self, word: str, **parameters: object) -> FaultBlock:
        """Return the block of a fault by its word; raises UsageError for an unknown word or parameter."""
        return FaultBlock(self._control, word, words.decode(word, parameters))

    def action(self, word: str, **parameters: object) -> Done:
        """Do what is over at once, and return the line that says what was done; raises FacilityError when it failed."""
        return Done(self.fault(word, **parameters).__enter__())

    def require_healed(self) -> None:
        """Raise FacilityError when anything is left of a fault, or one was asked for and never used; everything is healed by then."""
        _require_healed(self._control, self._control.run(lambda pair: pair.heal_left()))


class AsyncPair(_Face, Faults[AsyncFaultBlock, AsyncAction]):
    """The pair for asyncio. Its work is done on a loop of its own, so that it can be used on any, and on several. See `Pair`."""

    def fault(self, word: str, **parameters: object) -> AsyncFaultBlock:
        """Return the block of a fault by its word; raises UsageError for an unknown word or parameter."""
        return AsyncFaultBlock(self._control, word, words.decode(word, parameters))

    def action(self, word: str, **parameters: object) -> AsyncAction:
        """Return what is over at once, to be awaited: it gives the line that says what was done."""
        return AsyncAction(self._control, word, words.decode(word, parameters))

    async def require_healed(self) -> None:
        """Raise FacilityError when anything is left of a fault, or one was asked for and never used; everything is healed by then."""
        _require_healed(self._control, await self._control.run_async(lambda pair: pair.heal_left()))


def _require_healed(control: Control, left: tuple[str, ...]) -> None:
    unused = [f"asked for and never used, which does nothing: {name}" for name in control.unused.values()]
    control.unused.clear()
    if left or unused:
        raise FacilityError("\n  ".join(["the database pair is not as it was:", *left, *unused]))


@contextmanager
def open_pair(data: Data = "empty", *, max_connections: int = MAX_CONNECTIONS, postgres: str | None = None) -> Iterator[Pair]:
    """Start a pair, yield it, and end it with all that it wrote.

    `data`: a database of the user's own (`empty`), or the one that has the week of `flights`. `max_connections`: so many may the user's
    role have. `postgres`: the directory of an installed PostgreSQL's programs, else TESTBED_POSTGRES, else those of the wheel.

    Raises FacilityError, which says what is missing and how to get it.
    """
    control = control_module.new_control(data, max_connections, postgres)
    try:
        control.start()
        yield Pair(control)
    finally:
        control.close()


@asynccontextmanager
async def open_async_pair(
    data: Data = "empty", *, max_connections: int = MAX_CONNECTIONS, postgres: str | None = None
) -> AsyncIterator[AsyncPair]:
    """Do the same as `open_pair` for asyncio."""
    control = control_module.new_control(data, max_connections, postgres)
    try:
        await control.start_async()
        yield AsyncPair(control)
    finally:
        await shield(control.close_async())
