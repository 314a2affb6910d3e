"""Takes over when the cluster has lost the active database host: a switchover that nobody ordered (P2)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from testbed.concurrency import shield
from testbed.errors import TestbedError
from testbed.replay import switchover

if TYPE_CHECKING:
    from testbed.replay.actions import Actions
    from testbed.replay.running import Replay


async def watch(replay: Replay) -> None:
    """Wait until the heartbeats of the active host are lost, and move the database to the other one, once.

    The steps are those of a planned switchover. The cluster fences the lost host over its management network, and not over the link of the
    heartbeats, so that its server can be stopped if it lives; if it could not be, the lock of the array would keep a second one from
    starting (C2). Afterwards the cluster has one host that it trusts: nobody watches until operators have seen to the other.
    """
    cluster = replay.facility.cluster
    reason = await cluster.wait_lost()
    while replay.actions.alone_on("database").locked():  # operators move it, and whatever was missed says nothing
        reason = await cluster.wait_lost()
    for event in await cluster.look(replay.recorder.now):
        replay.recorder.add(event)
    await shield(_take_over(replay, reason))  # half a switchover would be worse than none, also when the night is over


async def _take_over(replay: Replay, reason: str) -> None:
    number = len(replay.night.steps) + 1  # after those of the timeline
    actions = replace(replay.actions, word=switchover.WORD, id=number)

    async def move(of_takeover: Actions) -> str:
        return f"{await switchover.switch_over(of_takeover)}, as the cluster ordered"

    replay.load.hold()
    with replay.working(), suppress(TestbedError):  # the journal has the failure
        await actions.operate(move, by="cluster", reason=reason)
