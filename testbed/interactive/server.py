"""`testbed up`: builds a facility, keeps it running, serves commands, and takes it down when it is commanded to or interrupted."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from testbed.concurrency import run_all
from testbed.errors import TestbedError
from testbed.experiments import header as header_module
from testbed.experiments import run_folders
from testbed.interactive import control_socket, night, protocol
from testbed.interactive.executor import Executor
from testbed.interactive.identity import Identity
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

LAST_REPLIES_WITHIN_S = 2.0
WORKING_EVERY_S = 1.0  # a client does not wait for a process that is silent for much longer
LOOK_EVERY_S = 0.25  # a facility may run for hours, and each sample is a line in the journal


class FacilityDisplay(Protocol):
    """Shows what happens to the running facility."""

    def line(self, text: str) -> None:
        """Print a line about what happens."""

    def ready(self, status: protocol.FacilityStatus) -> None:
        """Show that the facility accepts commands, and its state."""

    def update(self, state: FacilityState, load: LoadTracker | None) -> None:
        """Show the state, after each round of samples."""


class SilentFacilityDisplay:
    """The do-nothing display."""

    def line(self, text: str) -> None:
        """Print nothing."""

    def ready(self, status: protocol.FacilityStatus) -> None:
        """Show nothing."""

    def update(self, state: FacilityState, load: LoadTracker | None) -> None:
        """Show nothing."""


@dataclass(slots=True)
class Dispatcher:
    """Serves commands, any number at a time. `end` is called at the first `down`."""

    display: FacilityDisplay
    end: Callable[[], object]
    identity: Identity = field(default_factory=Identity)
    executor: Executor | None = None
    down_requested: bool = False
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    _connections: set[asyncio.Task[None]] = field(default_factory=set)
    _executions: set[asyncio.Task[str]] = field(default_factory=set)

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: read its command, write the replies, each second also that it is at work. Who has gone away misses them."""
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        working = asyncio.create_task(_say_working(writer))
        try:
            with suppress(ConnectionError, asyncio.CancelledError):  # cancelled by `close` only, which waits for nothing more
                last = await self._answer(reader, lambda reply: writer.write(protocol.encode_reply(reply)))
                working.cancel()
                writer.write(protocol.encode_reply(last))
                await writer.drain()
        finally:
            working.cancel()
            writer.close()
            self._connections.discard(connection)

    async def _answer(
        self, reader: asyncio.StreamReader, send_reply: Callable[[protocol.Reply], None]
    ) -> protocol.DoneReply | protocol.RefusedReply:
        try:
            line = await reader.readline()
        except ValueError:  # longer than any command
            return protocol.RefusedReply("not a command: the line is too long", TestbedError.exit_code)
        try:
            command = protocol.decode_command(line)
            if isinstance(command, protocol.FromCheckout):
                self.identity.require(command.checkout, force=command.force)
            if isinstance(command, protocol.DownCommand):
                return await self._take_down()
            if self.executor is None:
                raise TestbedError("the facility is starting or being taken down; its terminal says when it is ready")
            return protocol.DoneReply(await self._carry_out(self.executor, command, reader, send_reply))
        except TestbedError as error:
            return protocol.RefusedReply(str(error), error.exit_code)

    async def _carry_out(
        self, executor: Executor, command: protocol.Command, reader: asyncio.StreamReader, send_reply: Callable[[protocol.Reply], None]
    ) -> str:
        execution = asyncio.create_task(executor.carry_out(command, send_reply))
        self._executions.add(execution)
        client_gone = asyncio.create_task(reader.read())
        try:
            waiting = {execution, client_gone} if isinstance(command, protocol.LoadCommand) else {execution}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not execution.done():
                execution.cancel()
            await asyncio.wait([execution])
            if execution.cancelled():
                if self.down_requested or self.executor is None:
                    raise TestbedError("the facility was taken down before this was done")
                done = "ended by its sender; passengers who still waited gave up"
            else:
                done = execution.result()
        finally:
            client_gone.cancel()
            self._executions.discard(execution)
        if done and not isinstance(command, protocol.DumpThreadsCommand):
            self.display.line(f"{command.command}: {done}")
        return done

    async def _take_down(self) -> protocol.DoneReply:
        if not self.down_requested:  # a second cancellation would break off the taking down
            self.down_requested = True
            self.end()
        await self.gone.wait()
        return protocol.DoneReply("everything was taken down")

    async def leave(self) -> None:
        """Refuse further commands, and cancel those that are being carried out."""
        self.executor = None
        for execution in list(self._executions):
            execution.cancel()
        if self._executions:
            await asyncio.wait(list(self._executions))

    async def close(self) -> None:
        """Answer every waiting `down`, and close all connections within two seconds."""
        self.gone.set()
        if self._connections:
            _, still_open = await asyncio.wait(list(self._connections), timeout=LAST_REPLIES_WITHIN_S)
            for connection in still_open:
                connection.cancel()


async def _say_working(writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        await asyncio.sleep(WORKING_EVERY_S)
        writer.write(protocol.encode_reply(protocol.WorkingReply()))


async def up(scenario: Scenario, backend: Backend, runs: str | None, display: FacilityDisplay, name: str = control_socket.DEFAULT) -> None:
    """Build a facility and keep it running until a `down` comes or this task is cancelled.

    1. Claim the control socket: each user can have one facility of a name running. Commands are refused until it is ready.
    2. Build it, open its journal, and start sampling.
    3. Serve commands, until the end.
    4. Cancel what is being carried out, write the end into the journal, take everything down, and then reply to `down`.

    Raises FacilityError when one is already running or this one cannot be built; a cancellation is passed on.
    """
    task = asyncio.current_task()
    assert task is not None
    dispatcher = Dispatcher(display, task.cancel, Identity(name))
    with control_socket.claim(name) as listener:  # 1
        async with _receiving(dispatcher, listener):
            try:
                async with backend:
                    await _keep_running(scenario, backend, run_folders.runs_directory(runs, scenario.name), dispatcher)  # 2, 3, 4
            except asyncio.CancelledError:
                if not dispatcher.down_requested:
                    raise
                task.uncancel()


@asynccontextmanager
async def _receiving(dispatcher: Dispatcher, listener: socket.socket) -> AsyncIterator[None]:
    server = await asyncio.start_unix_server(dispatcher.receive, sock=listener)
    try:
        yield
    finally:
        server.close()
        await dispatcher.close()


async def _keep_running(scenario: Scenario, backend: Backend, directory: Path, dispatcher: Dispatcher) -> None:
    variant, display, loop = scenario.variants[0], dispatcher.display, asyncio.get_running_loop()
    builder = backend.builder(scenario.facility, variant.settings)
    path = directory / f"{variant.name}.jsonl"
    header = header_module.header(scenario, variant, night.empty_trace(scenario), backend, 1)
    with JournalWriter(path, header) as writer:
        recorder = Recorder(writer, scenario.night.clock(), origin_s=loop.time())
        with recorder.ending("interrupted before the facility was ready"):
            async with AsyncExitStack() as stack:
                display.line("the facility is being built")
                stack.push_async_callback(builder.tear_down)
                facility = await builder.build()
                stack.push_async_callback(facility.release)
                for service in facility.services:
                    recorder.record_service(service, "ready", await facility.runtime.pid(service))
                recorder.night_start_s = loop.time()
                monitoring = await stack.enter_async_context(facility.instruments.monitoring())
                overflow = variant.settings.application_server.overflow
                own = scenario.facility.service
                state = FacilityState(facility.application_servers, facility.callers, overflow, 0 if own is None else own.max_connections)
                actions = Actions(facility, state, recorder, directory / variant.name)
                looker = Looker(facility, recorder, state, monitoring, LOOK_EVERY_S)
                executor = Executor(scenario, backend.name, facility, actions, looker, dispatcher.identity)
                stack.push_async_callback(executor.end_load)
                stack.push_async_callback(dispatcher.leave)
                try:
                    await run_all((looker.look(lambda: display.update(state, executor.load)), _accept_commands(dispatcher, executor)))
                except asyncio.CancelledError:
                    await dispatcher.leave()
                    executor.observe()
                    await actions.heal_all()
                    recorder.end("complete", "")  # an interactive night has no other end
                    display.line("the facility is being taken down")
                    raise


async def _accept_commands(dispatcher: Dispatcher, executor: Executor) -> None:
    """Serve commands as soon as there is a sample of every service."""
    dispatcher.display.ready(await executor.status())
    dispatcher.executor = executor
