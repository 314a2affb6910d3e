"""Samples a facility and records the samples, both for a replay and for a facility that is kept running."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.concurrency import cancel_and_wait, run_all
from testbed.errors import WaitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.facility.cluster import ClusterManager
    from testbed.facility.facility import Facility
    from testbed.facility.observers import Busyness, Monitoring, Parts, Resources, Shortages
    from testbed.facility.redundancy import Redundancy
    from testbed.journal.events import Sample
    from testbed.replay.recorder import Recorder
    from testbed.replay.state import FacilityState

SAMPLE_EVERY_S = 0.1
SAMPLES_WITHIN_S = 10.0
REDUNDANCY_EVERY_S = 1.0


@dataclass(slots=True)
class Looker:
    """Samples the services of one facility every `every_s` seconds; the rest at their own intervals.

    `sampled` is set after each round of samples, and then replaced by a new event. `within_s`: for how long whoever waits for the next
    round bears a machine that has no time for it.
    """

    facility: Facility
    recorder: Recorder
    state: FacilityState
    monitoring: Monitoring
    every_s: float = SAMPLE_EVERY_S
    within_s: float = SAMPLES_WITHIN_S
    sampled: asyncio.Event = field(default_factory=asyncio.Event)

    async def look(self, after_round: Callable[[], None]) -> None:
        """Sample until cancelled; call `after_round` after each round of samples."""
        observers = (self.facility.resources, self.facility.shortages, self.facility.parts, self.facility.busyness, self.facility.cluster)
        await run_all(
            (
                self._sample_services(after_round),
                self._record(self.facility.redundancy, REDUNDANCY_EVERY_S),
                *(self._record(observer, observer.every_s) for observer in observers),
            )
        )

    async def wait_round(self) -> None:
        """Wait for the end of the next round of samples; raises WaitError when there is none within `within_s` seconds."""
        try:
            async with asyncio.timeout(self.within_s):  # wait_for of Python 3.11 loses a cancellation that comes with the sample
                await self.sampled.wait()
        except TimeoutError as error:
            raise WaitError(f"no samples for {self.within_s:.0f} s, last seen: {self.state.text()}") from error

    def wake(self) -> None:
        """Wake every task that waits for a round."""
        self.sampled.set()
        self.sampled = asyncio.Event()

    async def _sample_services(self, after_round: Callable[[], None]) -> None:
        """Sample every service, each round at its time, and record processes that died.

        A service that is slow to answer delays no other: it misses the rounds until it has answered.
        """
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        reading: dict[str, asyncio.Task[Sample]] = {}
        try:
            while True:
                for name in self.facility.services:
                    if name not in reading:
                        address = self.facility.runtime.address(name)
                        reading[name] = asyncio.create_task(self.monitoring.read(name, address, self.recorder.now))
                await asyncio.wait(reading.values(), timeout=self.every_s)
                for name in [name for name, task in reading.items() if task.done()]:
                    sample = reading.pop(name).result()
                    self.state.take(sample)
                    self.recorder.add(sample)
                await record_dead(self.facility, self.recorder, self.state)
                after_round()
                self.wake()
                due_s = max(due_s + self.every_s, loop.time())
                await asyncio.sleep(due_s - loop.time())
        finally:
            await cancel_and_wait(reading.values())

    async def _record(self, source: Redundancy | Resources | Shortages | Parts | Busyness | ClusterManager, every_s: float | None) -> None:
        """Record the events of a source every `every_s` seconds, or never (None); a long round skips those that it covers."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while every_s is not None:
            for event in await source.look(self.recorder.now):
                self.recorder.add(event)
            due_s = max(due_s + every_s, loop.time())
            await asyncio.sleep(due_s - loop.time())


async def record_dead(facility: Facility, recorder: Recorder, state: FacilityState) -> None:
    """Record each service that has died, once."""
    for name in facility.services:
        ended = await facility.runtime.exit(name)
        if ended is None:
            state.dead.discard(name)
        elif name not in state.dead | facility.down:
            state.dead.add(name)
            recorder.record_service(name, "died", None, f"exit code {ended.code}\n{ended.last_lines}")
