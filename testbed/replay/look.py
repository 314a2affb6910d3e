"""Looks at a facility and writes down what is seen, for a replay and for a facility that is kept running alike."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.concurrency import cancel_and_wait, run_all
from testbed.errors import WaitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.facility.facility import Facility
    from testbed.facility.observers import Monitoring, Resources
    from testbed.facility.redundancy import Redundancy
    from testbed.journal.events import Sample
    from testbed.replay.recorder import Recorder
    from testbed.replay.state import FacilityState

SAMPLE_EVERY_S = 0.1
SAMPLES_WITHIN_S = 10.0
LOOK_AROUND_EVERY_S = 1.0


@dataclass(slots=True)
class Looker:
    """Samples the services of one facility every `every_s` seconds, and looks at what else it has.

    `sampled` is set after each round of samples, and then replaced by a new event.
    """

    facility: Facility
    recorder: Recorder
    state: FacilityState
    monitoring: Monitoring
    every_s: float = SAMPLE_EVERY_S
    sampled: asyncio.Event = field(default_factory=asyncio.Event)
    _dead: set[str] = field(default_factory=set)

    async def look(self, after_round: Callable[[], None]) -> None:
        """Look until cancelled; `after_round` is called after each round of samples."""
        resources = self.facility.resources
        await run_all(
            (
                self._sample_services(after_round),
                self._record(self.facility.redundancy, LOOK_AROUND_EVERY_S),
                self._record(resources, resources.every_s),
            )
        )

    async def wait_round(self) -> None:
        """Wait for the end of the next round of samples; raises WaitError when there is none within `SAMPLES_WITHIN_S` seconds."""
        try:
            async with asyncio.timeout(SAMPLES_WITHIN_S):  # wait_for of Python 3.11 loses a cancellation that comes with the sample
                await self.sampled.wait()
        except TimeoutError as error:
            raise WaitError(f"no samples for {SAMPLES_WITHIN_S:.0f} s, last seen: {self.state.text()}") from error

    def wake(self) -> None:
        """Wake whoever waits for a round."""
        self.sampled.set()
        self.sampled = asyncio.Event()

    async def _sample_services(self, after_round: Callable[[], None]) -> None:
        """Sample every service, each round at its time, and look after the processes.

        A service that takes its time to answer holds up no other: it misses the rounds until it has.
        """
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        looks: dict[str, asyncio.Task[Sample]] = {}
        try:
            while True:
                for name in self.facility.services:
                    if name not in looks:
                        address = self.facility.runtime.address(name)
                        looks[name] = asyncio.create_task(self.monitoring.read(name, address, self.recorder.now))
                await asyncio.wait(looks.values(), timeout=self.every_s)
                for name in [name for name, look in looks.items() if look.done()]:
                    sample = looks.pop(name).result()
                    self.state.take(sample)
                    self.recorder.add(sample)
                await self._look_after_processes()
                after_round()
                self.wake()
                due_s = max(due_s + self.every_s, loop.time())
                await asyncio.sleep(due_s - loop.time())
        finally:
            await cancel_and_wait(looks.values())

    async def _record(self, seer: Redundancy | Resources, every_s: float | None) -> None:
        """Write down what is seen, each round at its time, or not at all (None); a long round costs those that it covers."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while every_s is not None:
            for event in await seer.look(self.recorder.now):
                self.recorder.add(event)
            due_s = max(due_s + every_s, loop.time())
            await asyncio.sleep(due_s - loop.time())

    async def _look_after_processes(self) -> None:
        """Write down a service that has died, once."""
        for name in self.facility.services:
            ended = await self.facility.runtime.exit(name)
            if ended is None:
                self._dead.discard(name)
            elif name not in self._dead | self.facility.down:
                self._dead.add(name)
                self.recorder.record_service(name, "died", None, f"exit code {ended.code}\n{ended.last_lines}")
