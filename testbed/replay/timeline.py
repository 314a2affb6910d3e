"""Carries out the timeline of a replay: steps due at a time, and steps due when a condition is seen."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from testbed.errors import TestbedError
from testbed.journal.events import Condition
from testbed.replay.settle import is_over

if TYPE_CHECKING:
    from testbed.plan.scenario import PlannedStep
    from testbed.replay.running import Replay

HOLD_AHEAD_S = 0.05  # before a step's time, the load generator hears at which pace the night will go on


async def carry_out(replay: Replay) -> None:
    """Run the steps of the timeline and wait for the night's end, and for every step.

    Each step is a task of its own, so that one that waits for a condition delays none that is due at a time. A step starts to wait for
    its condition when the step before it has ended.
    """
    before: asyncio.Task[None] | None = None
    timed: list[tuple[float, asyncio.Event]] = []
    for number, step in enumerate(replay.night.steps, start=1):
        due = asyncio.Event()
        if step.at_night_s is not None:
            timed.append((step.at_night_s, due))
        before = replay.run_beside(_step(replay, number, step, due, before))
        replay.steps.append(before)
    replay.run_beside(_call_when_due(replay, timed))
    await replay.wait_night(replay.night.to_s)
    while not all(task.done() for task in replay.steps):
        await replay.wait_round()


async def _call_when_due(replay: Replay, timed: list[tuple[float, asyncio.Event]]) -> None:
    """Start each step at its time; those of the same time in the order of the file."""
    for at_night_s, due in sorted(timed, key=lambda step: step[0]):
        await replay.wait_night(at_night_s, ahead_s=HOLD_AHEAD_S)
        replay.load.hold(at_night_s)  # the step releases it
        await replay.wait_night(at_night_s)
        due.set()


async def _step(replay: Replay, number: int, step: PlannedStep, due: asyncio.Event, before: asyncio.Task[None] | None) -> None:
    """Run one step of the timeline: at its time, or when its condition is seen; not at all when it is never seen."""
    if step.at_night_s is not None:
        await due.wait()
    else:
        if before is not None:
            await asyncio.wait([before])
        if not await _wait_condition(replay, step):
            return
        replay.load.hold()
    actions = replace(replay.actions, word=step.word, id=number)
    with replay.working(), suppress(TestbedError):  # the journal has the failure, and the checks judge it; the night goes on
        await actions.operate(lambda of_step: of_step.carry_out(step.action), step)


async def _wait_condition(replay: Replay, step: PlannedStep) -> bool:
    """Wait until the condition of a step is seen, or cannot come any more; record and return whether it was seen."""
    condition, stamp = step.when or "", replay.recorder.stamp
    await replay.wait_until(lambda: replay.state.holds(condition) or is_over(replay), step.within_s)
    seen = replay.state.holds(condition)
    replay.recorder.add(Condition(**stamp(), condition=condition, seen=seen, detail=replay.state.text(), operation=step.word))
    return seen
