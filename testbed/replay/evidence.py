"""Collects the evidence of one moment: asks every part of a facility at once, and waits for none of them too long (O9)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from testbed.errors import TestbedError
from testbed.journal.evidence import About, DatabaseSide, Evidence, Missing, PoolTable, Route

if TYPE_CHECKING:
    from testbed.facility.observers import Question, Questions
    from testbed.journal.evidence import Answer, Why
    from testbed.replay.recorder import Recorder

WITHIN_S = 2.0  # a part that answers later is one that does not answer, and so is the evidence never later than that


async def take(asked: Questions, why: Why, recorder: Recorder) -> Evidence | None:
    """Ask all questions at once and return the answers, with what was not answered within `WITHIN_S`; None where nobody can be asked."""
    questions = asked.all()
    if not questions:
        return None
    began_s, night_s = recorder.now()
    answers = await asyncio.gather(*map(_answer, questions))
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
    )


async def _answer(question: Question) -> Answer | Missing:
    try:
        async with asyncio.timeout(WITHIN_S):
            return await question.ask()
    except TimeoutError:
        return Missing(question.what, f"no answer within {WITHIN_S:g} s")
    except TestbedError as error:
        return Missing(question.what, str(error))
