"""Carries out orders on a facility, by the same faults and operations as timelines do, with everything in a journal."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from testbed.concurrency import cancel_and_wait, wait_until
from testbed.errors import DumpError, FacilityError, UsageError
from testbed.facility.facility import LOAD
from testbed.facility.load_generator import DueRequest
from testbed.faults.switchover import Switchover
from testbed.interactive import night, protocol
from testbed.journal.events import Observed, Step
from testbed.operations import restart
from testbed.replay.actions import Actions
from testbed.replay.load_tracker import LoadTracker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from testbed.facility.facility import Facility
    from testbed.journal.events import Event
    from testbed.plan.scenario import Scenario
    from testbed.replay.look import Looker

    SendReply = Callable[[protocol.Reply], None]

TELL_EVERY_S = 1.0
POLL_S = 0.05
QUIET_S = 2.0  # so long nothing may come back before those who wait are counted
OVER_WITHIN_S = 120.0  # and so long in all after the last was to be sent, where something comes back again and again


@dataclass(slots=True)
class Executor:
    """What is done to one facility by hand. `load` is the last load: its passengers wait on until the next one is sent."""

    scenario: Scenario
    runtime: str
    facility: Facility
    actions: Actions
    looker: Looker
    load: LoadTracker | None = None
    _following: asyncio.Task[None] | None = None
    _sending: bool = False
    _operations: int = 0
    _requests: int = 0
    _changed_s: float = 0.0

    async def carry_out(self, order: protocol.Command, tell: SendReply) -> str:
        """Carry out an order and tell how it goes; gives a line that says what was done.

        Raises UsageError for a service that is not there, another TestbedError when it cannot be done.
        """
        match order:
            case protocol.StatusCommand():
                tell(await self.status())
                return ""
            case protocol.SwitchoverCommand():
                return await self._operate("switchover", Switchover().inject, tell)
            case protocol.DumpThreadsCommand(service):
                return await self._dump(self._known(service), tell)
            case protocol.RestartCommand(service):
                return await self._restart(self._known(service), tell)
            case protocol.LoadCommand():
                return await self._send(order, tell)
        raise UsageError(f"{order.order} is nothing that can be done to a facility")

    def _known(self, service: str) -> str:
        if service not in self.facility.services:
            raise UsageError(f"no service {service!r}; there are {', '.join(self.facility.services)}")
        return service

    async def status(self) -> protocol.FacilityStatus:
        """Wait for the next round of samples, and return how everything stands."""
        await self.looker.wait_round()
        return protocol.FacilityStatus(
            self.scenario.variants[0].name,
            self.runtime,
            self.facility.database.active,
            str(self.actions.recorder.writer.path),
            tuple([await self._service_status(name) for name in self.facility.services]),
            None if self.load is None else _load_status(self.load),
        )

    async def _service_status(self, name: str) -> protocol.ServiceStatus:
        sample, runtime = self.actions.state.last.get(name), self.facility.runtime
        return protocol.ServiceStatus(
            name,
            runtime.address(name).url,
            await runtime.exit(name) is None,
            sample is not None and sample.health,
            sample.request_threads if sample else None,
            sample.busy if sample else None,
            sample.waiting if sample else None,
            self.actions.state.is_stuck(name),
            sample.pool if sample else None,
        )

    async def _operate(self, word: str, do: Callable[[Actions], Awaitable[str]], tell: SendReply) -> str:
        """Do what a timeline could do, and tell each step of it as it is written."""

        def listen(event: Event) -> None:
            if isinstance(event, Step):
                tell(protocol.StepReply(event))

        self._operations += 1
        telling = replace(self.actions.recorder, listener=listen)
        done = await replace(self.actions, recorder=telling, word=word, id=self._operations).operate(do)
        self._changed_s = self.actions.recorder.t_s()
        return done

    async def _dump(self, service: str, tell: SendReply) -> str:
        threads = await self.actions.dump(service)
        if threads.error:
            raise DumpError(threads.error)
        file = self.actions.directory.parent / threads.file
        tell(protocol.ThreadsReply(threads, str(file)))
        return f"the whole dump: {file}"

    async def _restart(self, service: str, tell: SendReply) -> str:
        """Restart any service: a scenario's operators know of application servers only, a class may try the others."""

        async def restart_alone(actions: Actions) -> str:
            async with actions.alone_on("services"):
                return await restart.restart(actions, (service,))

        return await self._operate("restart", restart_alone, tell)

    async def _send(self, order: protocol.LoadCommand, tell: SendReply) -> str:
        """Send a load and follow it until everything was sent, and answered or not answered for a while; when cancelled, end it."""
        count = round(order.rate_per_s * order.seconds)
        if not 0 < count <= protocol.MOST_REQUESTS:
            raise UsageError(f"{count} transactions; allowed: 1 to {protocol.MOST_REQUESTS}, so change --rate or --seconds")
        if self._sending:
            raise FacilityError("a load is under way; wait until it has ended, or end it with Ctrl-C where it was started")
        self._sending = True
        try:
            load = await self._begin(order, count)
            try:
                await self._wait_load(load, tell, order.seconds)
            except asyncio.CancelledError:
                await self.end_load()  # passengers go home, those who wait as well
                raise
            finally:
                tell(_load_status(load))
        finally:
            self._sending = False
        return _summary(load)

    async def _begin(self, order: protocol.LoadCommand, count: int) -> LoadTracker:
        drawn = night.draw_passengers(self.scenario, order.seed, count)
        await self.end_load()
        if self._requests and LOAD in self.facility.specs:  # as a process it ends with its connection; as a container it waits for another
            await self.facility.restart(LOAD)
        due = [
            DueRequest(number / order.rate_per_s, replace(one, id=self._requests + number + 1))  # no id twice in a journal
            for number, one in enumerate(drawn)
        ]
        self._requests += count
        load = LoadTracker(self.actions.recorder, await self.facility.load_generator(due), {one.request.id: one for one in due})
        self.load = load
        load.start()
        self._following = asyncio.create_task(load.follow())
        return load

    async def _wait_load(self, load: LoadTracker, tell: SendReply, seconds: float) -> None:
        """Wait until everything was sent, and answered or not answered for a while; raises WaitError when it never gets quiet."""
        recorder, longest_s = self.actions.recorder, self.scenario.variants[0].settings.longest_timeout_s
        told_s = recorder.t_s()

        async def look() -> str | None:
            nonlocal told_s
            assert self._following is not None
            if self._following.done():
                self._following.result()
            quiet_s = recorder.t_s() - max(load.last_sent_s, load.last_response_s)
            if load.all_sent and (not load.in_flight or quiet_s > QUIET_S + longest_s):
                return None
            if recorder.t_s() - told_s >= TELL_EVERY_S:
                told_s += TELL_EVERY_S
                tell(_load_status(load))
            return _summary(load)

        await wait_until("the load was not over", look, seconds + longest_s + OVER_WITHIN_S, every_s=POLL_S)

    async def end_load(self) -> None:
        """End the load, if there is one; whoever still waits gives up."""
        if self._following is None or self.load is None:
            return
        await cancel_and_wait([self._following])
        self._following = None
        self.load.generator.stop()

    def observe(self) -> None:
        """Write down since when nothing was done but to look, for the verdict, which tells by that what would not come back."""
        recorder, load = self.actions.recorder, self.load
        t_s, night_s = recorder.now()
        since_s = max(self._changed_s, load.last_sent_s if load else 0.0, load.last_response_s if load else 0.0)
        recorder.add(Observed(t_s=t_s, night_s=night_s, phase="settle", since_s=min(since_s, t_s), until_s=t_s))


def _load_status(load: LoadTracker) -> protocol.LoadStatus:
    return protocol.LoadStatus(len(load.requests), load.sent, load.answered, load.failed, load.in_flight)


def _summary(load: LoadTracker) -> str:
    return f"{load.sent} sent: {load.answered} answered, {load.failed} failed, {load.in_flight} still waiting (unanswered)"
