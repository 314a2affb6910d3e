"""Replays that are tried again while their result is unknown, as happens on a busy machine."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from testbed.concurrency import map_limited

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

Work = TypeVar("Work")
Replayed = TypeVar("Replayed")
ATTEMPTS = 3  # at a replay of which the result is not known


async def replay_until_known(attempt: Callable[[int], Awaitable[Replayed]], is_known: Callable[[Replayed], bool]) -> Replayed:
    """Make attempts at a replay until the result of one is known, `ATTEMPTS` at most; return the result of the last.

    `attempt` replays once, and is given the number of the attempt, from 1.
    """
    for number in range(1, ATTEMPTS):
        replayed = await attempt(number)
        if is_known(replayed):
            return replayed
    return await attempt(ATTEMPTS)


class Turns:
    """Takes turns between replays: up to `jobs` beside each other, or one alone, for which it waits until the others have ended."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._places = asyncio.Semaphore(jobs)  # first come, first served, so nothing starts before one that waits to be alone
        self._alone = asyncio.Lock()

    async def replay_until_known(self, attempt: Callable[[int], Awaitable[Replayed]], is_known: Callable[[Replayed], bool]) -> Replayed:
        """Make the first attempt at a replay beside others, and those after it alone, as `replay_until_known` counts them."""

        async def in_turn(number: int) -> Replayed:
            async with self._places if number == 1 else self._every_place():
                return await attempt(number)

        return await replay_until_known(in_turn, is_known)

    @asynccontextmanager
    async def _every_place(self) -> AsyncGenerator[None, None]:
        taken = 0
        async with self._alone:  # two that want every place would each wait for those of the other
            try:
                for _ in range(self._jobs):
                    await self._places.acquire()
                    taken += 1
                yield
            finally:
                for _ in range(taken):
                    self._places.release()


async def map_until_known(
    work: Iterable[Work],
    jobs: int,
    attempt: Callable[[Work, int], Awaitable[Replayed]],
    doubt: Callable[[Replayed], str],
    report: Callable[[Replayed, float], None],
    report_again: Callable[[Replayed], None] = lambda _: None,
) -> list[Replayed]:
    """Replay each piece of work, `jobs` at a time, then those whose result is unknown again and alone; return the results in their order.

    Alone, because a machine that is too busy for several replays at a time may still send the requests of one when they are due. Where
    every result so far is unknown for the same reason, also the first piece alone, the others are given up: no facility can be built.

    `attempt` replays a piece once, and is given the number of the attempt, from 1 to `ATTEMPTS`. `doubt` returns why a result is unknown,
    an empty text if it is known. `report` is called once for each piece, with its result and the real seconds of its last attempt, when it
    is known or given up; `report_again` with each result that is unknown and not given up, as soon as it is there.
    """

    async def replay(piece: Work, number: int) -> tuple[Replayed, float]:
        began_s = time.monotonic()
        replayed = await attempt(piece, number)
        took_s = time.monotonic() - began_s
        if number == ATTEMPTS or not doubt(replayed):
            report(replayed, took_s)
        else:
            report_again(replayed)
        return replayed, took_s

    pieces = list(work)
    results = await map_limited(pieces, jobs, lambda piece: replay(piece, 1))
    reasons = {_without_numbers(doubt(replayed)) for replayed, _ in results}
    for index, piece in enumerate(pieces):
        for number in range(2, ATTEMPTS + 1):
            if not doubt(results[index][0]):
                break
            if index > 0 and len(reasons) == 1:  # no result was known, or its empty reason would be among them
                report(*results[index])
                break
            results[index] = await replay(piece, number)
            reasons.add(_without_numbers(doubt(results[index][0])))
    return [replayed for replayed, _ in results]


def _without_numbers(reason: str) -> str:
    """Return a reason without ports, process ids and seconds, which differ each time."""
    return re.sub(r"\d+", "", reason)
