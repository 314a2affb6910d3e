"""`testbed up`: builds a facility, holds it up, lets orders in, and takes it down when it is told to or interrupted."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from testbed.concurrency import run_all
from testbed.errors import TestbedError
from testbed.experiments import batch
from testbed.experiments import header as header_module
from testbed.interactive import control_socket, night, protocol
from testbed.interactive.executor import Executor
from testbed.journal.writer import JournalWriter
from testbed.replay.actions import Actions
from testbed.replay.look import Looker
from testbed.replay.recorder import Recorder
from testbed.replay.state import FacilityState

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from testbed.facility.backend import Backend
    from testbed.plan.scenario import Scenario
    from testbed.replay.load_tracker import LoadTracker

GOODBYE_WITHIN_S = 2.0
LOOK_EVERY_S = 0.25  # a facility may be up for hours, and each look is a line in the journal


class FacilityDisplay(Protocol):
    """Something that is told how the facility fares."""

    def line(self, text: str) -> None:
        """Tell what happens."""

    def ready(self, status: protocol.FacilityStatus) -> None:
        """Take note that it is up."""

    def update(self, state: FacilityState, load: LoadTracker | None) -> None:
        """Show the state, after each look."""


class SilentFacilityDisplay:
    """The do-nothing display."""

    def line(self, text: str) -> None:
        """Tell nothing."""

    def ready(self, status: protocol.FacilityStatus) -> None:
        """Take no note."""

    def update(self, state: FacilityState, load: LoadTracker | None) -> None:
        """Show nothing."""


@dataclass(slots=True)
class Dispatcher:
    """Takes orders, as many at a time as come; `end` is called when it is told to take everything down."""

    display: FacilityDisplay
    end: Callable[[], object]
    hands: Executor | None = None
    told_down: bool = False
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    _visits: set[asyncio.Task[None]] = field(default_factory=set)
    _works: set[asyncio.Task[str]] = field(default_factory=set)

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: one order, and the answers to it. Whoever went away meanwhile misses them."""
        visit = asyncio.current_task()
        assert visit is not None
        self._visits.add(visit)
        try:
            with suppress(ConnectionError, asyncio.CancelledError):  # cancelled by `close` only, which waits for nothing else
                writer.write(protocol.encode_reply(await self._answer(reader, lambda one: writer.write(protocol.encode_reply(one)))))
                await writer.drain()
        finally:
            writer.close()
            self._visits.discard(visit)

    async def _answer(self, reader: asyncio.StreamReader, tell: Callable[[protocol.Reply], None]) -> protocol.Done | protocol.Refused:
        try:
            order = protocol.decode_command(await reader.readline())
            if isinstance(order, protocol.DownCommand):
                return await self._take_down()
            if self.hands is None:
                raise TestbedError("the facility is coming up or going down; its terminal tells when it is ready")
            return protocol.Done(await self._carry_out(self.hands, order, reader, tell))
        except ValueError:  # longer than any order
            return protocol.Refused("this is no order: its line is too long", TestbedError.exit_code)
        except TestbedError as error:
            return protocol.Refused(str(error), error.exit_code)

    async def _carry_out(
        self, hands: Executor, order: protocol.Command, reader: asyncio.StreamReader, tell: Callable[[protocol.Reply], None]
    ) -> str:
        work = asyncio.create_task(hands.carry_out(order, tell))
        self._works.add(work)
        leaving = asyncio.create_task(reader.read())
        try:
            waiting = {work, leaving} if isinstance(order, protocol.LoadCommand) else {work}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            ended = not work.done()
            if ended:
                work.cancel()
            await asyncio.wait([work])
            if work.cancelled():
                if self.told_down or self.hands is None:
                    raise TestbedError("the facility was taken down before this was done")
                told = "ended by whoever sent it; those who waited gave up"
            else:
                told = work.result()
        finally:
            leaving.cancel()
            self._works.discard(work)
        if told and not isinstance(order, protocol.DumpThreadsCommand):
            self.display.line(f"{order.order}: {told}")
        return told

    async def _take_down(self) -> protocol.Done:
        if not self.told_down:  # the second to say so would break off what the first began
            self.told_down = True
            self.end()
        await self.gone.wait()
        return protocol.Done("everything was taken down")

    async def leave(self) -> None:
        """Take no more orders, and give up what is being carried out."""
        self.hands = None
        for work in list(self._works):
            work.cancel()
        if self._works:
            await asyncio.wait(list(self._works))

    async def close(self) -> None:
        """Tell whoever waits for it that everything is gone, and send everybody home."""
        self.gone.set()
        if self._visits:
            _, still = await asyncio.wait(list(self._visits), timeout=GOODBYE_WITHIN_S)
            for visit in still:
                visit.cancel()


async def up(scenario: Scenario, backend: Backend, runs: str | None, display: FacilityDisplay) -> None:
    """Hold a facility up until it is ordered down or this task is cancelled.

    1. Claim the door: there is one facility by hand for each user. Orders are refused until it is ready.
    2. Build it, with a journal, and begin to look at it.
    3. Let orders in, until the end.
    4. Give up what is being carried out, write the end into the journal, take everything down, and then say so.

    Raises FacilityError when one is up already or this one cannot be built; an interruption is passed on.
    """
    task = asyncio.current_task()
    assert task is not None
    desk = Dispatcher(display, task.cancel)
    with control_socket.claim() as listener:  # 1
        async with _receiving(desk, listener):
            try:
                async with backend:
                    await _keep_running(scenario, backend, batch.runs_directory(runs, scenario.name), desk)  # 2, 3, 4
            except asyncio.CancelledError:
                if not desk.told_down:
                    raise
                task.uncancel()


@asynccontextmanager
async def _receiving(desk: Dispatcher, listener: socket.socket) -> AsyncIterator[None]:
    server = await asyncio.start_unix_server(desk.receive, sock=listener)
    try:
        yield
    finally:
        server.close()
        await desk.close()


async def _keep_running(scenario: Scenario, backend: Backend, directory: Path, desk: Dispatcher) -> None:
    variant, display, loop = scenario.variants[0], desk.display, asyncio.get_running_loop()
    builder = backend.builder(scenario.facility, variant.settings)
    path = directory / f"{variant.name}.jsonl"
    header = header_module.header(scenario, variant, night.nobody(scenario), backend, 1)
    with JournalWriter(path, header) as writer:
        recorder = Recorder(writer, scenario.night.clock(), origin_s=loop.time())
        with recorder.ending("interrupted before the facility was up"):
            async with AsyncExitStack() as stack:
                display.line("the facility comes up")
                stack.push_async_callback(builder.tear_down)
                facility = await builder.build()
                stack.push_async_callback(facility.end_probes)
                for service in facility.services:
                    recorder.record_service(service, "ready", await facility.runtime.pid(service))
                recorder.night_start_s = loop.time()
                monitoring = await stack.enter_async_context(facility.instruments.monitoring())
                state = FacilityState(facility.application_servers, facility.callers)
                actions = Actions(facility, state, recorder, directory / variant.name)
                looker = Looker(facility, recorder, state, monitoring, LOOK_EVERY_S)
                hands = Executor(scenario, backend.name, facility, actions, looker)
                stack.push_async_callback(hands.end_load)
                stack.push_async_callback(desk.leave)
                try:
                    await run_all((looker.look(lambda: display.update(state, hands.load)), _accept_commands(desk, hands)))
                except asyncio.CancelledError:
                    await desk.leave()
                    hands.observe()
                    await actions.heal_all()
                    recorder.end("complete", "")  # by hand, there is no other end
                    display.line("the facility is taken down")
                    raise


async def _accept_commands(desk: Dispatcher, hands: Executor) -> None:
    """Let orders in as soon as every service has been seen."""
    desk.display.ready(await hands.status())
    desk.hands = hands
