"""Measures cells of one situation beside each other: each has a service of its own, and all have one database.

In this order: 1. start the database; 2. start the services, and fill each pool; 3. do what the situation does; 4. send each service a
burst every second, and watch; 5. look at pools and sessions; 6. end everything.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from testbed.concurrency import run_all, wait_until
from testbed.errors import TestbedError, WaitError
from testbed.pools import families, pgbouncer, situations
from testbed.pools.cell import Burst, Evidence
from testbed.pools.database import a_database
from testbed.pools.service import Service, running

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.pools.cell import Answer, Cell, PoolLook
    from testbed.pools.database import Database
    from testbed.runtime.processes.shared_parts import SharedParts

SIZE, IN_FLIGHT = 5, 3
WAIT_S = 2.0  # of a checkout, where a pool gives up by default
HOLD_S = 2.0  # of what is in flight over a situation
BURST_HOLD_S, BURST_EVERY_S = 0.3, 1.0
WELL_IN_A_ROW = 3  # then no more bursts are needed
STRAGGLERS_S = 3.0  # for what was sent last: longer than a checkout waits
FILL_WITHIN_S, BEGIN_WITHIN_S = 60.0, 1.5
LATEST_S = 1.0  # that a burst may be late
SPARE_CONNECTIONS = 30


@dataclass(slots=True)
class Watched:
    """A cell that is being measured: its service, and which of its requests are the situation's, and which a burst's."""

    cell: Cell
    number: int
    service: Service | None = None
    failure: str = ""
    first: int = 0  # of the service's requests, the first that is not of the filling
    bursts: list[tuple[float, int]] = field(default_factory=list)  # when sent, and the number of its first request
    pool: PoolLook | None = None
    sessions: int | None = None

    @property
    def application(self) -> str:
        """The name by which the database knows its sessions."""
        return f"cell-{self.number}"

    def send_burst(self) -> None:
        """Send as many requests at once as the pool has connections."""
        assert self.service is not None
        for _ in range(SIZE):
            self.service.ask(BURST_HOLD_S)

    def evidence(self) -> Evidence:
        """Return what was seen; times count from the first burst: when the situation was over, and what it had in flight, too."""
        if self.service is None or self.failure:
            return Evidence(SIZE, failure=self.failure)
        over_s = self.bursts[0][0]

        def answers(first: int, behind: int) -> tuple[Answer, ...]:
            assert self.service is not None
            found = (self.service.answer(number) for number in range(first, behind))
            return tuple(replace(answer, sent_s=answer.sent_s - over_s) for answer in found)

        bursts = tuple(Burst(at_s - over_s, answers(first, first + SIZE)) for at_s, first in self.bursts)
        return Evidence(SIZE, answers(self.first, self.bursts[0][1]), bursts, self.pool, self.sessions)


async def measure(shared: SharedParts, cells: Sequence[Cell], watch_s: int) -> list[Evidence]:
    """Return the evidence of each cell, all of which are of one situation; a service that fails makes its own cell unknown.

    `watch_s`: how long a service has to come back.
    """
    (situation,) = {cell.situation for cell in cells}
    watched = [Watched(cell, number) for number, cell in enumerate(cells, 1)]
    async with a_database(shared, len(cells) * 2 * SIZE + SPARE_CONNECTIONS) as database, AsyncExitStack() as stack:
        await run_all(_start(each, database, stack) for each in watched)
        well = [each for each in watched if not each.failure]
        await situations.ACTS[situation](database, lambda: _begin(well, database), lambda: _burst(well))
        well = [each for each in well if not each.failure]  # some may not have begun
        await run_all(_watch(each, watch_s) for each in well)
        sessions = await database.sessions()
        for each in well:
            each.sessions = sessions.get(each.application, 0)
        return [each.evidence() for each in watched]


async def _start(each: Watched, database: Database, stack: AsyncExitStack) -> None:
    """Start a service and fill its pool: until as many requests at once are answered, each in a session of its own."""
    cell = each.cell
    family = families.of(cell.pool)
    variables = {
        "APPLICATION_NAME": each.application,
        "MISTAKE": cell.mistake,
        "CHECK": "on" if cell.check else "off",
        "POOL_SIZE": str(SIZE),
        "WAIT_S": f"{WAIT_S:g}",
    }
    log = database.directory / f"{each.application}.log"
    try:
        variables["DATABASE_URL"] = await stack.enter_async_context(pgbouncer.url_for(cell.pool, database, variables))
        service = await stack.enter_async_context(running(cell.pool, family.command(cell.pool), variables, log))

        async def look() -> str | None:
            answers = await asyncio.gather(*(service.ask(BURST_HOLD_S) for _ in range(SIZE)))
            burst = Burst(0.0, tuple(answers))
            return None if burst.is_well(SIZE) else str([answer.pid or answer.error for answer in answers])

        await wait_until(f"the pool of {cell.pool} was not full", look, FILL_WITHIN_S)
    except TestbedError as error:
        each.failure = str(error)
        return
    each.service, each.first = service, len(service.asked)


async def _begin(well: Sequence[Watched], database: Database) -> None:
    """Have requests hold some connections of each pool, and wait until the database sees that they have read their rows."""
    for each in well:
        for _ in range(IN_FLIGHT):
            assert each.service is not None
            each.service.ask(HOLD_S)
    holding: dict[str, int] = {}

    async def look() -> str | None:
        holding.update(await database.in_transaction())
        missing = [each.application for each in well if holding.get(each.application, 0) < IN_FLIGHT]
        return f"{len(missing)} services do not" if missing else None

    try:
        await wait_until("the requests did not hold their connections", look, BEGIN_WITHIN_S)
    except WaitError:
        for each in well:
            if holding.get(each.application, 0) < IN_FLIGHT:
                each.failure = f"{holding.get(each.application, 0)} of {IN_FLIGHT} requests held a connection when it began"


def _burst(well: Sequence[Watched]) -> None:
    for each in well:
        each.send_burst()


async def _watch(each: Watched, watch_s: int) -> None:
    """Send bursts until enough in a row were well, or all are sent and their stragglers had time; then look at the pool."""
    service = each.service
    assert service is not None
    loop = asyncio.get_running_loop()
    under_way = [task for _, task in service.asked[each.first :] if not task.done()]
    if under_way:
        await asyncio.wait(under_way, timeout=max(0.0, service.asked[each.first][0] + HOLD_S + STRAGGLERS_S / 3 - loop.time()))
    begun_s = loop.time()
    for number in range(round(watch_s / BURST_EVERY_S)):
        late_s = loop.time() - begun_s - number * BURST_EVERY_S
        if late_s > LATEST_S:
            each.failure = f"a burst was {late_s:.1f} s late: the machine was too busy"
            return
        await asyncio.sleep(max(0.0, -late_s))
        each.bursts.append((loop.time(), len(service.asked)))
        each.send_burst()
        if number + 1 >= WELL_IN_A_ROW and await _are_well(each):
            break
    left = [task for _, task in service.asked if not task.done()]
    if left:
        await asyncio.wait(left, timeout=STRAGGLERS_S)
    each.pool = await service.look()


async def _are_well(each: Watched) -> bool:
    """Whether the last bursts were well; waits for the last of them for as long as the next is not due."""
    assert each.service is not None
    first = each.bursts[-WELL_IN_A_ROW][1]
    tasks = [task for _, task in each.service.asked[first:]]
    done, _ = await asyncio.wait(tasks, timeout=BURST_EVERY_S * 0.9)
    if len(done) < len(tasks):
        return False
    starts = [start for _, start in each.bursts[-WELL_IN_A_ROW:]]
    return all(Burst(0.0, tuple(each.service.answer(n) for n in range(start, start + SIZE))).is_well(SIZE) for start in starts)
