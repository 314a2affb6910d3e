"""The desk: carries out what a class orders on the real facility, with the means that timelines use, and writes it into the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from testbed.classroom import log_lines, source
from testbed.classroom.live import service_look
from testbed.classroom.saying import RefusalError, say
from testbed.concurrency import cancel_and_wait
from testbed.errors import TestbedError
from testbed.faults.switchover import Switchover
from testbed.journal.events import BY_HAND, Note
from testbed.journal.evidence import DatabaseSide
from testbed.operations import restart
from testbed.plan.clock import clock_text
from testbed.replay import switchover

if TYPE_CHECKING:
    from typing import Literal

    from testbed.classroom.board import Json
    from testbed.classroom.live.duties import Duties
    from testbed.classroom.saying import Told
    from testbed.classroom.scene import Scene
    from testbed.replay.actions import Actions
    from testbed.replay.running import Replay

Look = TypeVar("Look")
WITHIN_S = 5.0
SESSIONS = ("pid", "role", "client", "state", "wait", "query", "state_s", "transaction_s", "blocked_by")
LOCKS = ("pid", "relation", "mode", "granted")


@dataclass(slots=True)
class Desk:
    """Carries out orders on the facility of one replay. `scene`: what shows the steps of a switchover, and has the dumps."""

    replay: Replay
    scene: Scene
    duties: Duties
    _operations: int = BY_HAND
    _next_step: asyncio.Event = field(default_factory=asyncio.Event)
    _switching: bool = False
    _closed: bool = False
    _aborted: bool = False
    _at_work: set[asyncio.Task[Any]] = field(default_factory=set)
    _looks: dict[str, asyncio.Task[Any]] = field(default_factory=dict)  # by what is looked at; see `_share`

    def write(self, who: str, role: str, kind: Literal["note", "decision", "answer"], text: str) -> None:
        """Write what somebody noted, decided or answered into the journal."""
        self.replay.recorder.add(Note(**self.replay.recorder.stamp(), who=who, role=role, kind=kind, text=text))

    async def switch_over(self) -> Told:
        """Move the database to the other host; each step waits for `next_step`. Raises RefusalError where that is under way."""
        if self._switching:  # whoever comes second would only wait, with nothing to show
            raise RefusalError(say("under_way"))
        self._switching = True
        self._next_step.clear()
        try:
            await self._operate(switchover.WORD, lambda actions: Switchover().inject(replace(actions, gate=self._wait_next_step)))
        finally:
            self._switching = False
        self.duties.note_done(switchover.WORD)
        return say("database_runs", host=self.replay.facility.database.active)

    def next_step(self) -> Told:
        """Start the next step of the switchover that is under way; raises RefusalError where there is none."""
        if not self._switching:
            raise RefusalError(say("not_under_way"))
        self._next_step.set()
        return ""

    async def _wait_next_step(self, number: int, text: str) -> None:
        self.scene.show_switchover(number, text, running=False)
        if not self._closed:
            self._next_step.clear()
            await self._next_step.wait()
        self._require_open(text)

    def _require_open(self, step: str) -> None:
        if self._closed:
            raise RefusalError(say("ended_before_step", step=log_lines.step_text(step)), f"{log_lines.ENDED_BEFORE}{step}")

    async def close(self) -> None:
        """Break off a switchover that waits for its next step, and wait until what else is being done has been done."""
        self._closed = True
        self._next_step.set()
        if self._at_work:
            await asyncio.wait(self._at_work)

    async def abort(self) -> None:
        """Break off whatever is being done: the facility is no more, and whoever has ordered it is told so."""
        self._closed = self._aborted = True
        await cancel_and_wait(self._at_work)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Refuse the order that the block carries out where `abort` breaks it off: cancelled alone, it would have no reply."""
        try:
            yield
        except asyncio.CancelledError:
            if self._aborted:
                raise RefusalError(say("not_up")) from None
            raise

    async def restart(self, service: str, *, evidence: bool) -> Told:
        """Kill a service and start it again, with or without a dump of all threads before; return what was done.

        One that waited for another until the night was ended is refused; what was begun is brought to its end.
        """
        self.replay.facility.require_service(service)
        there: Told = ""

        async def do(actions: Actions) -> str:
            nonlocal there
            async with actions.alone_on("services"):
                self._require_open(f"restart {service}")
                before_s = actions.dumped_s.get(service)
                done = await restart.restart(actions, (service,), evidence=evidence)
                if evidence and before_s is not None and actions.dumped_s[service] == before_s:
                    there = self._log_dumped(service)
                return done

        await self._operate("restart", do)
        return log_lines.with_detail(say("restarted", services=[service]), there)

    def _log_dumped(self, service: str) -> Told:
        """Return, and log, that what a restart destroyed had been dumped before, so that it was not dumped again (O9)."""
        last_s = max((dump["night_s"] for dump in self.scene.dumps if dump["service"] == service and not dump["error"]), default=None)
        there = say("dumped_already", service=service, at="?" if last_s is None else clock_text(last_s))
        self.scene.log(self.replay.recorder.now()[1], "", "evidence", there)
        return there

    async def _operate(self, word: str, do: Callable[[Actions], Awaitable[str]]) -> None:
        self._operations += 1
        actions = replace(self.replay.actions, word=word, id=self._operations)
        task = asyncio.current_task()
        assert task is not None
        self._at_work.add(task)
        try:
            with self._answering():
                await actions.operate(do)
        finally:
            self._at_work.discard(task)
            self.replay.moved_s = self.replay.worked_s = self.replay.recorder.t_s()

    async def collect(self) -> Told:
        """Take the evidence of the whole facility, and dump all threads."""
        await self._share("", lambda: self.replay.actions.collect_evidence("asked"))
        return say("collected")

    async def dump(self, service: str) -> Told:
        """Dump the threads of a service."""
        self.replay.facility.require_service(service)
        return log_lines.threads(await self._share(service, lambda: self.replay.actions.dump(service)))

    async def _share(self, what: str, look: Callable[[], Coroutine[Any, Any, Look]]) -> Look:
        """Return what a look saw: one that is under way is shared by all who order it, or a hundred orders would keep others waiting."""
        task: asyncio.Task[Look] | None = self._looks.get(what)
        if task is None:
            task = self._looks[what] = asyncio.create_task(look())
            self._at_work.add(task)
            task.add_done_callback(lambda done: self._note_looked(what, done))
        with self._answering():
            return await asyncio.shield(task)

    def _note_looked(self, what: str, done: asyncio.Task[Any]) -> None:
        del self._looks[what]
        self._at_work.discard(done)

    async def look_at(self, what: Literal["health", "metrics"], service: str) -> Json:
        """Ask a service for its health or its metrics, as its owner would."""
        self.replay.facility.require_service(service)
        return await service_look.ask(self.replay.facility.runtime.address(service).url, what, revealed=self.scene.revealed)

    def read_code(self, file: str, *, everything: bool) -> Json:
        """Return a file of the service's code: one that the stack of a dump names, without its comments; or any, whole (`everything`)."""
        return source.read(file, None if everything else self.scene.stacks)

    async def sessions(self) -> Json:
        """Return the sessions of every database server, as they see them."""
        return await self._ask_databases(SESSIONS, lambda side: [[getattr(each, name) for name in SESSIONS] for each in side.sessions])

    async def locks(self) -> Json:
        """Return the locks of every database server."""
        return await self._ask_databases(LOCKS, lambda side: [[getattr(each, name) for name in LOCKS] for each in side.locks])

    async def _ask_databases(self, columns: tuple[str, ...], rows_of: Callable[[DatabaseSide], list[list[Json]]]) -> Json:
        rows: list[list[Json]] = []
        missing: list[Told] = []
        for question in self.replay.facility.questions.all():
            if question.what.startswith("database server"):
                try:
                    async with asyncio.timeout(WITHIN_S):
                        answer = await question.ask()
                except TimeoutError:
                    missing.append(say("with", what=question.what, detail=say("no_answer", within=WITHIN_S)))
                except TestbedError as error:
                    missing.append(say("with", what=question.what, detail=str(error)))
                else:
                    rows += rows_of(answer) if isinstance(answer, DatabaseSide) else []
        return {"columns": columns, "rows": rows, "missing": missing}
