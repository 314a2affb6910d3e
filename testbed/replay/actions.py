"""What a fault or an operation may do during a replay, each step recorded in the journal."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from testbed.concurrency import run_all
from testbed.errors import DumpError, FacilityError, TestbedError
from testbed.facility.facility import ActiveFault
from testbed.facility.probe import ProbeSpec
from testbed.journal import evidence as journal_evidence
from testbed.journal.events import EvidenceTaken, FaultOver, Healed, OperationEvent, Step, Threads
from testbed.plan.scenario import PlannedAction, PlannedStep
from testbed.replay import evidence
from testbed.replay.look import record_dead
from testbed.replay.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from testbed.facility.facility import Facility
    from testbed.facility.link import ToxicOn
    from testbed.facility.probe import ProbeEnd, ProbeResult
    from testbed.journal.events import By, Progress, ThreadGroup, Why
    from testbed.replay.state import FacilityState


HOLD = ProbeSpec("hold", within_s=5.0)
# What must be answered over a link that was healed. Not a log-in: a database that is out of connections refuses it.
HEALED = ProbeSpec("requests", within_s=10.0)


async def _at_once(_number: int, _text: str) -> None:
    """Wait for nobody."""


@dataclass(slots=True)
class Actions:
    """What faults and operations act through: the facility, and the journal in which each step is written as it is done.

    `word` and `id`: the fault or operation, and the number of its step in the timeline. `dumped_s`: when the threads of each service were
    last dumped, on the journal's `t_s`. `gate` is awaited before each step, with its number and text: whoever goes step by step waits
    there.
    """

    facility: Facility
    state: FacilityState
    recorder: Recorder
    directory: Path
    word: str = ""
    id: int = 0
    dumped_s: dict[str, float] = field(default_factory=dict)
    gate: Callable[[int, str], Awaitable[None]] = _at_once
    _files: dict[str, int] = field(default_factory=dict)
    _begun_s: dict[Why, float] = field(default_factory=dict)  # when evidence was last begun, by why
    _dumping: asyncio.Lock = field(default_factory=asyncio.Lock)
    _evidence: Iterator[int] = field(default_factory=lambda: itertools.count(1))  # shared with the copies that steps have
    _dumps: dict[str, Threads] = field(default_factory=dict)  # the last of each service

    def alone_on(self, part: Literal["database", "services"]) -> asyncio.Lock:
        """Return the lock on a part of the facility, for work that only one may do to it at a time."""
        return self.facility.at_work_on[part]

    @asynccontextmanager
    async def step(self, number: int, text: str) -> AsyncIterator[list[str]]:
        """Write the begin and the end of a step, or its failure with the reason; what is appended to the list becomes the end's detail."""
        await self.gate(number, text)
        details: list[str] = []
        started = self.recorder.t_s()
        self._write_step(number, text, "begin", None, "")
        try:
            yield details
        except TestbedError as error:
            self._write_step(number, text, "failed", self.recorder.t_s() - started, str(error))
            raise
        self._write_step(number, text, "end", self.recorder.t_s() - started, "; ".join(details))

    def _write_step(self, number: int, text: str, state: Progress, duration_s: float | None, detail: str) -> None:
        self.recorder.add(
            Step(
                **self.recorder.stamp(),
                operation=self.word,
                id=self.id,
                step=text,
                number=number,
                state=state,
                duration_s=duration_s,
                detail=detail,
            )
        )

    async def operate(
        self,
        do: Callable[[Actions], Awaitable[str]],
        planned: PlannedStep | None = None,
        *,
        by: By = "operator",
        reason: str = "",
    ) -> str:
        """Run a fault or an operation with its begin and its end in the journal; return the line that says what was done.

        What the scenario says of it, what it does on purpose, who ordered it (`by`) and why, is written at its begin. A
        TestbedError is written as its failure, and raised again.
        """
        started_s = self.recorder.t_s()
        action, due_night_s = (None, None) if planned is None else (planned.action, planned.at_night_s)
        begin = OperationEvent(
            **self.recorder.stamp(),
            operation=self.word,
            id=self.id,
            state="begin",
            arguments=_arguments(action),
            due_night_s=due_night_s,
            exhausts=getattr(action, "exhausts", ()),
            delays_s=None if getattr(action, "holds_answers", False) else getattr(action, "longest_delay_s", 0.0),
            by=by,
            reason=reason,
        )
        due_s = None if due_night_s is None else self.recorder.t_s_at(due_night_s)
        self.recorder.add(replace(begin, due_s=due_s))
        try:
            done = await do(self)
        except TestbedError as error:
            self._write_operation("failed", str(error), self.recorder.t_s() - started_s, by)
            raise
        self._write_operation("end", done, self.recorder.t_s() - started_s, by)
        await self.see_over()
        return done

    def _write_operation(self, state: Progress, detail: str, duration_s: float, by: By) -> None:
        stamp = self.recorder.stamp()
        self.recorder.add(
            OperationEvent(**stamp, operation=self.word, id=self.id, state=state, detail=detail, duration_s=duration_s, by=by)
        )

    async def carry_out(self, action: PlannedAction) -> str:
        """Run a planned fault or operation and return a line that says what was done; raises FacilityError."""
        if isinstance(action, Fault):
            return await self.inject(action)
        assert isinstance(action, Operation)
        return await action.perform(self)

    async def inject(self, fault: Fault) -> str:
        """Inject a fault; a healable one is noted as active first, because one that fails half way has to be healed, too."""
        if not isinstance(fault, Healable):
            return await fault.inject(self)
        active = ActiveFault(self.word, fault.heal, self.id, getattr(fault, "longest_delay_s", 0.0), getattr(fault, "over", None))
        self.facility.active.append(active)
        try:
            return await fault.inject(self)
        finally:
            active.ended.set()

    async def heal(self, active: ActiveFault) -> str:
        """Heal a fault, unless it is over; it stays active when that fails. Its steps belong to the operation that heals, or to the fault.

        Waits for the injection to end: healed meanwhile, its probe would find no effect. Does nothing where another step heals it.
        """
        await active.ended.wait()
        if over := await self._is_over(active):
            return f"{active.word}: {over}"
        if active not in self.facility.active:
            return f"{active.word}: another step heals it"
        actions = self if self.word else replace(self, word=active.word, id=active.id)
        place = self.facility.active.index(active)
        self.facility.active.remove(active)  # what its healing starts again must not make it look as if it were over by itself
        try:
            healed = await active.heal(actions)
        except BaseException:
            self.facility.active.insert(place, active)
            raise
        return f"{active.word}: {healed}"

    async def see_over(self) -> None:
        """Record each active fault that is over: what it was done to is gone, and nothing is left to be healed."""
        for active in reversed(tuple(self.facility.active)):
            if active.ended.is_set():  # its own steps may end and start things
                await self._is_over(active)

    async def _is_over(self, active: ActiveFault) -> str:
        """Return why a fault is over, and record it, once; an empty text for one that has to be healed."""
        reason = "" if active.over is None else await active.over(self)
        if reason and active in self.facility.active:
            self.facility.active.remove(active)
            self.facility.over[active.word] = reason
            self.recorder.add(FaultOver(**self.recorder.stamp(), fault=active.word, id=active.id, detail=reason))
        return reason

    async def heal_all(self) -> None:
        """Heal active faults, newest first, then list what remains. A fault that fails to heal does not stop the others."""
        healed: list[str] = []
        failed: list[str] = []
        for active in reversed(tuple(self.facility.active)):
            try:
                await self.heal(active)
            except TestbedError as error:
                failed.append(f"{active.word}: {error}")
            else:
                healed.append(active.word)
        self.facility.left = (*failed, *await self.facility.left_over())
        self.recorder.add(Healed(**self.recorder.stamp(), faults=tuple(healed), left=self.facility.left))

    async def probe(self, link: str, spec: ProbeSpec) -> ProbeResult:
        """Probe a link once and return the result."""
        probe = self.facility.probe(link, spec)
        try:
            return await probe.wait_result()
        finally:
            await probe.end()

    async def require_link(self, number: int, link: str, spec: ProbeSpec, wanted: ProbeEnd, after: str = "") -> ProbeResult:
        """Probe a link as a recorded step; raise FacilityError unless the connection ends as `wanted`."""
        async with self.step(number, f"verify that a connection over the link to {link} is {wanted}{after}") as details:
            result = await self.probe(link, spec)
            if result.ended != wanted:
                raise FacilityError(f"expected a connection over the link to {link} to be {wanted}{after}; saw: {result}")
            details.append(str(result))
        return result

    async def add_toxics(self, number: int, text: str, link: str, toxics: Mapping[ToxicOn, Mapping[str, int]]) -> None:
        """Add toxics to a link, as a recorded step."""
        async with self.step(number, text):
            for toxic, attributes in toxics.items():
                await self.facility.link(link).add_toxic(toxic.kind, attributes, toxic.stream)

    async def cut_idle(self, link: str, toxic: ToxicOn, attributes: Mapping[str, int], wanted: ProbeEnd) -> ProbeResult:
        """Cut every open connection over a link, by a toxic that is removed at once: three recorded steps.

        An idle connection that a probe holds open verifies it; raises FacilityError unless that ends as `wanted`.
        """
        probe = self.facility.probe(link, HOLD)
        try:
            async with self.step(1, f"open a connection over the link to {link} and leave it idle"):
                await probe.wait_held()
            await self.add_toxics(2, f"cut every open connection over the link to {link}", link, {toxic: attributes})
            async with self.step(3, f"verify that the idle connection is {wanted}, and accept new ones") as details:
                result = await probe.wait_result()
                await self.facility.link(link).remove_toxic(toxic.kind, toxic.stream)
                if result.ended != wanted:
                    raise FacilityError(f"expected an idle connection over the link to {link} to be {wanted}; saw: {result}")
                details.append(str(result))
        finally:
            await probe.end()
        return result

    async def remove_toxics(self, number: int, link: str, *toxics: ToxicOn) -> str:
        """Remove those of the toxics that are on a link, and verify that it answers again: two recorded steps."""
        async with self.step(number, f"remove {' and '.join(map(str, toxics))} from the link to {link}"):
            present = await self.facility.link(link).toxics()
            for toxic in toxics:
                if str(toxic) in present:
                    await self.facility.link(link).remove_toxic(toxic.kind, toxic.stream)
        return await self.require_healed(number + 1, link)

    async def require_healed(self, number: int, link: str) -> str:
        """Verify that a link that was healed answers, as a recorded step; where its service was killed on purpose, nobody can answer."""
        if link not in self.facility.down:
            return str(await self.require_link(number, link, HEALED, "answered"))
        async with self.step(number, f"leave the link to {link} unverified") as details:
            details.append(f"{link} is down")
        return details[0]

    async def kill(self, service: str) -> None:
        """Kill a service on purpose, and record it as stopped; otherwise the journal would say that it died by itself."""
        pid = await self.facility.runtime.pid(service)
        await self.facility.kill(service)
        self.recorder.record_service(service, "stopped", pid)
        self.state.forget(service)
        await self.see_over()

    async def restart(self, service: str) -> None:
        """Kill a service and start it as before; `wait_ready` waits until it serves again.

        Raises FacilityError when it cannot be started; it was killed all the same, and is recorded as stopped.
        """
        pid = await self.facility.runtime.pid(service)
        try:
            await self.facility.restart(service)
        except TestbedError:
            if await self.facility.runtime.pid(service) is None:
                self.recorder.record_service(service, "stopped", pid)
                self.state.forget(service)
            raise
        self.recorder.record_service(service, "stopped", pid)
        self.recorder.record_service(service, "started", await self.facility.runtime.pid(service))
        self.state.forget(service)  # its samples were of the process before
        await self.see_over()

    async def wait_ready(self, services: Iterable[str]) -> None:
        """Wait until services are ready, and record it; raises ServiceError with the last lines of one that is not."""
        names = tuple(services)
        try:
            await self.facility.wait_ready(names)
        except TestbedError:
            await record_dead(self.facility, self.recorder, self.state)  # before somebody starts another in its place
            raise
        for name in names:
            self.recorder.record_service(name, "ready", await self.facility.runtime.pid(name))

    async def sample_resources(self) -> None:
        """Record the resource usage of the facility now, whatever the sampling interval."""
        for event in await self.facility.resources.look(self.recorder.now):
            self.recorder.add(event)

    async def record_failures(self) -> None:
        """Record what the parts of the facility lacked, and which of them failed, since it was last looked for."""
        for source in (self.facility.shortages, self.facility.parts):
            for event in await source.look(self.recorder.now):
                self.recorder.add(event)

    async def collect_evidence(self, why: Why) -> None:
        """Dump the threads of every service and ask every part of the facility what it can tell, all at once (O5, O6, O9, P4).

        Unless somebody asked, a service that was dumped since it has been stuck, or since all callers have hung, is left out, and where
        none is left nothing is asked: it would show nothing new, and the evidence must not make the outage longer (O9).
        """
        async with self._dumping:
            services = [service for service in self.facility.services if why == "asked" or not self._is_dumped(service)]
            if services:
                self._begun_s[why] = self.recorder.t_s()
                dumped: dict[str, asyncio.Future[Threads]] = {}
                for service in self.facility.services:
                    dumped[service] = asyncio.get_running_loop().create_future()
                    if service not in services:  # it is asked again because of the dump that there is
                        dumped[service].set_result(self._dumps[service])
                await run_all([*(self._write_dump(service, dumped[service]) for service in services), self._write_evidence(why, dumped)])

    @property
    def last_evidence_s(self) -> float | None:
        """When evidence was last begun, on the journal's `t_s`; None if there is none."""
        return max(self._begun_s.values(), default=None)

    async def _write_evidence(self, why: Why, dumped: Mapping[str, asyncio.Future[Threads]]) -> None:
        file = self.directory / "evidence" / f"{next(self._evidence)}.json"
        taken = await evidence.take(self.facility.questions, why, self.recorder, dumped, self.directory.parent)
        if taken is None:
            return
        error = None
        try:
            journal_evidence.write(taken, file)
        except OSError as failure:
            error = f"the evidence cannot be written to {file}: {failure.strerror}"
        self.recorder.add(
            EvidenceTaken(
                **self.recorder.stamp(),
                why=why,
                file=str(file.relative_to(self.directory.parent)),
                took_s=taken.took_s,
                missing=tuple(f"{missing.what}: {missing.reason}" for missing in taken.missing),
                error=error,
            )
        )

    async def dump(self, service: str) -> Threads:
        """Dump the threads of one service, however recent its last dump is; return the recorded event."""
        async with self._dumping:
            return await self._dump(service)

    async def _write_dump(self, service: str, dumped: asyncio.Future[Threads]) -> None:
        dumped.set_result(await self._dump(service))

    def _is_dumped(self, service: str) -> bool:
        dumped_s = self.dumped_s.get(service)
        since_s = [start_s for start_s in (self.state.stuck_since_s(service), self.state.hung_since_s()) if start_s is not None]
        return dumped_s is not None and bool(since_s) and dumped_s >= min(since_s)

    async def _dump(self, service: str) -> Threads:
        started_s = self.recorder.t_s()
        pid = await self.facility.runtime.pid(service)
        self._files[service] = self._files.get(service, 0) + 1
        name = service if self._files[service] == 1 else f"{service}-{self._files[service]}"  # an earlier dump is evidence, too
        file = self.directory / "threads" / f"{name}.json"
        groups: tuple[ThreadGroup, ...] = ()
        reason = None
        try:
            if pid is None:
                raise DumpError(f"the threads of {service} cannot be dumped: it does not run")
            groups = await self.facility.instruments.dump(service, pid, file)
            self.dumped_s[service] = started_s
        except DumpError as error:
            reason = str(error)
        threads = Threads(
            **self.recorder.stamp(),
            service=service,
            file=str(file.relative_to(self.directory.parent)),
            request_threads=self.state.request_threads(service),
            groups=groups,
            error=reason,
            took_s=self.recorder.t_s() - started_s,
        )
        self.recorder.add(threads)
        self._dumps[service] = threads
        return threads


def _arguments(action: PlannedAction | None) -> dict[str, Any]:
    """Return what the timeline gives with a word; of one that is no dataclass nothing is known."""
    return asdict(action) if is_dataclass(action) and not isinstance(action, type) else {}


@runtime_checkable
class Fault(PlannedAction, Protocol):
    """Something done to the facility. `actions.step` records each of its steps in the journal.

    One that exhausts what the machine has to give, on purpose, says so in a class variable `exhausts`, such as `("space",)`. One that
    holds answers back for as long as it is active has a class variable `holds_answers`, which is true: what is late under it is so on
    any machine.
    """

    async def inject(self, actions: Actions) -> str:
        """Inject it, verify that it took effect, and return a line that says what was done; raises FacilityError when it failed."""


@runtime_checkable
class Healable(Fault, Protocol):
    """A fault that can be undone. It is healed when the night is over, at the latest, so that none outlives its scenario.

    One that delays answers has a property `longest_delay_s`, the longest that it can delay a transaction, in real seconds: so long the
    replay waits before it believes that nothing comes back. One whose delay has no bound has none: no wait would be long enough. The
    table `Late, or never` in faults/README.md has what each does.

    One that is done to something that may be replaced has a method `over(actions)`, as `heal` is one: it returns why the fault is over
    without a healing, or an empty text. It is called whenever a service was killed or started, and when an operation has ended.
    """

    async def heal(self, actions: Actions) -> str:
        """Undo it, verify that it is undone, and return a line with what was seen; raises FacilityError when it failed."""


@runtime_checkable
class Operation(PlannedAction, Protocol):
    """Something an operator does. `actions.step` records each of its steps in the journal."""

    async def perform(self, actions: Actions) -> str:
        """Carry it out and return a line that says what was done; raises FacilityError when it failed."""
