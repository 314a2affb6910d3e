"""Collects the evidence of one moment: asks every part of a facility at once, and waits for none of them too long (O9)."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, TypeVar

from testbed.errors import TestbedError
from testbed.journal.evidence import (
    About,
    DatabaseSide,
    EventLoop,
    Evidence,
    Heartbeats,
    Listeners,
    Missing,
    OwnAddress,
    PoolTable,
    Route,
    ThreadLocks,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from testbed.facility.observers import Question, Questions
    from testbed.journal.events import Threads, Why
    from testbed.journal.evidence import Answer
    from testbed.replay.recorder import Recorder

Kind = TypeVar("Kind")
WITHIN_S = 2.0  # a part that answers later is one that does not answer, and so is the evidence never later than that
RESTART_WITHIN_S = 0.5  # restoring service comes first (O9): before a restart nobody waits longer for a part that does not answer


async def take(
    asked: Questions, why: Why, recorder: Recorder, dumps: Mapping[str, asyncio.Future[Threads]], directory: Path
) -> Evidence | None:
    """Ask all questions at once and return the answers, with what was not answered in time; None where nobody can be asked.

    What is asked because of a dump (`dumps`, by service; their files are below `directory`) is asked as soon as that is there, within the
    same bound.
    """
    questions = asked.all()
    if not questions:
        return None
    began_s, night_s = recorder.now()
    within_s = RESTART_WITHIN_S if why == "restart" else WITHIN_S
    until_s = asyncio.get_running_loop().time() + within_s
    answered, because = await asyncio.gather(
        asyncio.gather(*(_answer(question, within_s, until_s) for question in questions)),
        asyncio.gather(*(_of_dump(asked, service, dump, directory, within_s, until_s) for service, dump in dumps.items())),
    )
    answers = [*answered, *itertools.chain.from_iterable(because)]
    return Evidence(
        why=why,
        t_s=began_s,
        night_s=night_s,
        took_s=recorder.t_s() - began_s,
        pools=_of(PoolTable, answers),
        services=_of(About, answers),
        databases=_of(DatabaseSide, answers),
        routes=_of(Route, answers),
        addresses=asked.addresses(),
        listeners=_of(Listeners, answers),
        event_loops=_of(EventLoop, answers),
        thread_locks=_of(ThreadLocks, answers),
        missing=_of(Missing, answers),
        hosts=_of(OwnAddress, answers),
        heartbeats=_of(Heartbeats, answers),
    )


def _of(kind: type[Kind], answers: Iterable[object]) -> tuple[Kind, ...]:
    return tuple(answer for answer in answers if isinstance(answer, kind))


async def _of_dump(
    asked: Questions, service: str, dump: asyncio.Future[Threads], directory: Path, within_s: float, until_s: float
) -> list[Answer | Missing | None]:
    try:
        async with asyncio.timeout_at(until_s):
            threads = await asyncio.shield(dump)  # the dump itself goes on
    except TimeoutError:
        return [Missing(f"locks of {service}", f"its thread dump took longer than {within_s:g} s", late=True)]
    return await asyncio.gather(*(_answer(question, within_s, until_s) for question in asked.of_dump(threads, directory / threads.file)))


async def _answer(question: Question, within_s: float, until_s: float) -> Answer | Missing | None:
    try:
        async with asyncio.timeout_at(until_s):
            return await question.ask()
    except TimeoutError:
        return Missing(question.what, f"no answer within {within_s:g} s", late=True)
    except TestbedError as error:
        return Missing(question.what, str(error))
