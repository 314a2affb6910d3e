"""The replay of one night over one variant: the only stage with effects, and the one function that knows the order of things."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from testbed.concurrency import cancel_and_wait
from testbed.replay import load_tracker, takeover, timeline
from testbed.replay.actions import Actions
from testbed.replay.look import Looker
from testbed.replay.recorder import Recorder
from testbed.replay.running import Replay
from testbed.replay.settle import wait_settled
from testbed.replay.state import FacilityState

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.facility.builder import FacilityBuilder
    from testbed.journal.writer import JournalWriter
    from testbed.replay.display import Display
    from testbed.replay.running import Night


async def replay(night: Night, builder: FacilityBuilder, writer: JournalWriter, directory: Path, display: Display) -> None:
    """Replay the night and write a complete journal; thread dumps go into `directory`.

    1. Build the facility and the load generator, and wait until every service is ready.
    2. Start to sample: every service ten times a second until the end, redundancy once a second, and resource usage as often as the
       scenario says. When all callers are hung, or fail and are answered nothing, dump the threads at once, before anything is restarted.
    3. Start the night's clock and the load; from then on the cluster, if there is one, takes over when it loses the active database host.
    4. Carry out the timeline: each step `at` its time, or `when` its condition is seen; and wait for the night's end.
    5. Sample on until every request was answered, or nothing comes back any more.
    6. Dump the threads of stuck services that were not dumped yet, or of all, where nothing is answered and nobody was asked why.
    7. Count the answered requests in the databases and backups that should have them, where the runtime has these.
    8. Stop sampling, heal every fault that is still active, and check that nothing is left of it: none outlives its scenario. Then look
       once more for what the parts of the facility lacked.
    9. Write the journal's end, and take everything down.

    An interruption or an error becomes the journal's end, and is raised again. Time is the event loop's: over `testbed.fakes`, with its
    loop, a whole replay takes milliseconds.
    """
    recorder = Recorder(writer, night.clock, origin_s=asyncio.get_running_loop().time())
    with recorder.ending("the replay was interrupted"):
        async with AsyncExitStack() as stack:
            display.phase("the facility comes up")
            going = await build(stack, night, builder, recorder, directory, display)  # 1
            going.run_beside(going.looker.look(going.after_round))  # 2
            going.run_beside(going.load.follow())
            await going.wait_steady()
            display.phase("the night goes on")
            recorder.night_start_s = going.load.start()  # 3
            if going.facility.cluster.is_on:
                going.run_beside(takeover.watch(going))
            await timeline.carry_out(going)  # 4
            display.phase("the night is over; waiting for the last answers")
            display.quiet()
            await wait_settled(going)  # 5
            await _dump_stuck(going)  # 6
            await _count(going)  # 7
            await cancel_and_wait(going.background)  # or what comes back by the healing would look as if it had come back by itself
            await going.actions.heal_all()  # 8
            await going.actions.record_failures()
            recorder.end("complete", "")  # 9
            display.phase("the facility is taken down")


async def build(
    stack: AsyncExitStack,
    night: Night,
    builder: FacilityBuilder,
    recorder: Recorder,
    directory: Path,
    display: Display,
) -> Replay:
    """Build the facility and the load generator, and return the replay, whose night has not begun; the stack takes all of it down."""
    stack.push_async_callback(builder.tear_down)
    facility = await builder.build()
    stack.push_async_callback(facility.release)
    generator = await load_tracker.connect(night.trace, recorder, facility)
    stack.callback(generator.stop)
    for service in facility.services:
        recorder.record_service(service, "ready", await facility.runtime.pid(service))
    monitoring = await stack.enter_async_context(facility.instruments.monitoring())
    state = FacilityState(facility.application_servers, facility.callers, night.pool_overflow, night.pool_connections)
    actions, looker = Actions(facility, state, recorder, directory), Looker(facility, recorder, state, monitoring)
    going = Replay(night, facility, recorder, state, actions, generator, looker, display)
    stack.push_async_callback(cancel_and_wait, going.background)
    return going


async def _dump_stuck(going: Replay) -> None:
    """Dump the threads of services that are stuck at the end and were not dumped, or of all, where an outage was not looked at yet."""
    if going.dumping is not None:
        await going.dumping
    if going.state.stuck or going.outages.is_untold(going.actions.last_evidence_s):
        await going.actions.collect_evidence("end")


async def _count(going: Replay) -> None:
    """Record where each answered request is found; rows of requests that got no answer may be there, too."""
    for event in await going.facility.redundancy.count(going.load.answers, going.recorder.now):
        going.recorder.add(event)
    going.check_background()
