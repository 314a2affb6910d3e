"""Collects the evidence of one moment: asks every part of a facility at once, and waits for none of them too long (O9)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from testbed.errors import TestbedError
from testbed.journal.evidence import About, DatabaseSide, Evidence, Missing, OwnAddress, PoolTable, Route

if TYPE_CHECKING:
    from testbed.facility.observers import Question, Questions
    from testbed.journal.events import Why
    from testbed.journal.evidence import Answer
    from testbed.replay.recorder import Recorder

WITHIN_S = 2.0  # a part that answers later is one that does not answer, and so is the evidence never later than that
RESTART_WITHIN_S = 0.5  # restoring service comes first (O9): before a restart nobody waits longer for a part that does not answer


async def take(asked: Questions, why: Why, recorder: Recorder) -> Evidence | None:
    """Ask all questions at once and return the answers, with what was not answered in time; None where nobody can be asked."""
    questions = asked.all()
    if not questions:
        return None
    began_s, night_s = recorder.now()
    within_s = RESTART_WITHIN_S if why == "restart" else WITHIN_S
    answers = await asyncio.gather(*(_answer(question, within_s) for question in questions))
    return Evidence(
        why=why,
        t_s=began_s,
        night_s=night_s,
        took_s=recorder.t_s() - began_s,
        pools=tuple(answer for answer in answers if isinstance(answer, PoolTable)),
        services=tuple(answer for answer in answers if isinstance(answer, About)),
        databases=tuple(answer for answer in answers if isinstance(answer, DatabaseSide)),
        routes=tuple(answer for answer in answers if isinstance(answer, Route)),
        addresses=asked.addresses(),
        missing=tuple(answer for answer in answers if isinstance(answer, Missing)),
        hosts=tuple(answer for answer in answers if isinstance(answer, OwnAddress)),
    )


async def _answer(question: Question, within_s: float) -> Answer | Missing:
    try:
        async with asyncio.timeout(within_s):
            return await question.ask()
    except TimeoutError:
        return Missing(question.what, f"no answer within {within_s:g} s")
    except TestbedError as error:
        return Missing(question.what, str(error))
