"""Carries out commands on a running facility, with the faults and operations that timelines use, and writes all of it to a journal."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from testbed.concurrency import cancel_and_wait, wait_until
from testbed.errors import DumpError, FacilityError, UsageError
from testbed.facility.facility import LOAD
from testbed.facility.load_generator import DueRequest
from testbed.faults.switchover import Switchover
from testbed.interactive import night, protocol
from testbed.interactive.identity import Identity
from testbed.journal.events import Step
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

REPORT_EVERY_S = 1.0
POLL_S = 0.05
QUIET_S = 2.0  # a load is over when no response has come for this long, beyond the longest time-out
OVER_WITHIN_S = 120.0  # the limit after the last request is due, for a load whose responses keep trickling in


@dataclass(slots=True)
class Executor:
    """Carries out commands on one facility. `load` is the last load: its passengers keep waiting until the next load begins."""

    scenario: Scenario
    runtime: str
    facility: Facility
    actions: Actions
    looker: Looker
    identity: Identity = field(default_factory=Identity)
    load: LoadTracker | None = None
    _following: asyncio.Task[None] | None = None
    _sending: bool = False
    _operations: int = 0
    _requests: int = 0
    _changed_s: float = 0.0

    async def carry_out(self, command: protocol.Command, send_reply: SendReply) -> str:
        """Carry out a command, with replies on the way; return a line that says what was done.

        Raises UsageError for an unknown service, and another TestbedError when the command cannot be carried out.
        """
        match command:
            case protocol.StatusCommand():
                send_reply(await self.status())
                return ""
            case protocol.SwitchoverCommand():
                return await self._operate("switchover", Switchover().inject, send_reply)
            case protocol.DumpThreadsCommand(service):
                self.facility.require_service(service)
                return await self._dump(service, send_reply)
            case protocol.RestartCommand(service):
                self.facility.require_service(service)
                return await self._restart(service, send_reply)
            case protocol.LoadCommand():
                return await self._send(command, send_reply)
        raise UsageError(f"{command.command} is not a command for a facility")

    async def status(self) -> protocol.FacilityStatus:
        """Wait for the next round of samples, and return the state of the facility."""
        await self.looker.wait_round()
        return protocol.FacilityStatus(
            self.identity.name,
            self.identity.owner,
            self.identity.checkout,
            self.identity.started_at.isoformat(timespec="seconds"),
            self.identity.age_s(),
            self.scenario.variants[0].name,
            self.runtime,
            self.facility.database.active,
            str(self.actions.recorder.writer.path),
            tuple([await self._service_status(name) for name in self.facility.services]),
            None if self.load is None else _load_status(self.load),
            self.facility.dsn,
        )

    async def _service_status(self, name: str) -> protocol.ServiceStatus:
        sample, runtime = self.actions.state.last.get(name), self.facility.runtime
        return protocol.ServiceStatus(
            name,
            runtime.address(name).url,
            await runtime.exit(name) is None,
            sample.health if sample else False,
            sample.request_threads if sample else None,
            sample.busy if sample else None,
            sample.waiting if sample else None,
            self.actions.state.is_stuck(name),
            sample.pool if sample else None,
        )

    async def _operate(self, word: str, do: Callable[[Actions], Awaitable[str]], send_reply: SendReply) -> str:
        """Run an operation or fault as a timeline would, and send each of its steps as a reply when the journal gets it."""

        def send_step(event: Event) -> None:
            if isinstance(event, Step):
                send_reply(protocol.StepReply(event))

        self._operations += 1
        recorder = replace(self.actions.recorder, listener=send_step)
        try:
            return await replace(self.actions, recorder=recorder, word=word, id=self._operations).operate(do)
        finally:  # also one that failed half way has changed something
            self._changed_s = self.actions.recorder.t_s()

    async def _dump(self, service: str, send_reply: SendReply) -> str:
        threads = await self.actions.dump(service)
        if threads.error:
            raise DumpError(threads.error)
        file = self.actions.directory.parent / threads.file
        send_reply(protocol.ThreadsReply(threads, str(file)))
        return f"the whole dump: {file}"

    async def _restart(self, service: str, send_reply: SendReply) -> str:
        """Restart any service, callers too; in a scenario only application servers can be restarted."""
        return await self._operate("restart", lambda actions: restart.restart_alone(actions, (service,)), send_reply)

    async def _send(self, command: protocol.LoadCommand, send_reply: SendReply) -> str:
        """Send a load and wait until it is over (see `_wait_load`); end it when cancelled."""
        count = round(command.rate_per_s * command.seconds)
        if not 0 < count <= protocol.MAX_REQUESTS:
            raise UsageError(f"{count} transactions; allowed: 1 to {protocol.MAX_REQUESTS}, so change --rate or --seconds")
        if self._sending:
            raise FacilityError("a load is already running; wait until it has ended, or press Ctrl-C in the terminal that started it")
        self._sending = True
        try:
            load = await self._begin(command, count)
            try:
                await self._wait_load(load, send_reply, command.seconds)
            except asyncio.CancelledError:
                await self.end_load()  # passengers who still wait give up, too
                raise
            finally:
                send_reply(_load_status(load))
        finally:
            self._sending = False
        return _summary(load)

    async def _begin(self, command: protocol.LoadCommand, count: int) -> LoadTracker:
        drawn = night.draw_passengers(self.scenario, command.seed, count)
        await self.end_load()
        if self._requests and LOAD in self.facility.specs:  # as a process it ends with its connection; as a container it waits for another
            await self.facility.restart(LOAD)
        due = [
            DueRequest(number / command.rate_per_s, replace(request, id=self._requests + number + 1))  # no id twice in a journal
            for number, request in enumerate(drawn)
        ]
        self._requests += count
        load = LoadTracker(self.actions.recorder, await self.facility.load_generator(due), {request.request.id: request for request in due})
        self.load = load
        load.start()
        self._following = asyncio.create_task(load.follow())
        return load

    async def _wait_load(self, load: LoadTracker, send_reply: SendReply, seconds: float) -> None:
        """Wait until every request was sent, and has a response or no response comes any more; raises WaitError at the limit."""
        recorder, longest_s = self.actions.recorder, self.scenario.variants[0].settings.longest_timeout_s
        reported_s = recorder.t_s()

        async def look() -> str | None:
            nonlocal reported_s
            assert self._following is not None
            if self._following.done():
                self._following.result()
            quiet_s = recorder.t_s() - max(load.last_sent_s, load.last_response_s)
            if load.all_sent and (not load.in_flight or quiet_s > QUIET_S + longest_s):
                return None
            if recorder.t_s() - reported_s >= REPORT_EVERY_S:
                reported_s += REPORT_EVERY_S
                send_reply(_load_status(load))
            return _summary(load)

        await wait_until("the load was not over", look, seconds + longest_s + OVER_WITHIN_S, every_s=POLL_S)

    async def end_load(self) -> None:
        """End the load, if there is one; passengers who still wait give up."""
        if self._following is None or self.load is None:
            return
        await cancel_and_wait([self._following])
        self._following = None
        self.load.generator.stop()

    def observe(self) -> None:
        """Record since when the facility was only observed: by that the verdict decides what would not have recovered by itself."""
        load = self.load
        self.actions.recorder.observed_since(max(self._changed_s, load.last_sent_s if load else 0.0, load.last_response_s if load else 0.0))


def _load_status(load: LoadTracker) -> protocol.LoadStatus:
    return protocol.LoadStatus(len(load.requests), load.sent, load.answered, load.failed, load.in_flight)


def _summary(load: LoadTracker) -> str:
    return f"{load.sent} sent: {load.answered} answered, {load.failed} failed, {load.in_flight} still waiting (unanswered)"
