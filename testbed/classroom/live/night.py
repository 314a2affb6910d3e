"""A lesson's night on a real facility: the one function of a class that knows the order of things."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.classroom.live.desk import Desk
from testbed.classroom.live.duties import Duties
from testbed.classroom.live.evidence import LiveEvidence
from testbed.classroom.live.notes import Notes
from testbed.classroom.live.pace import Pace
from testbed.classroom.saying import say
from testbed.concurrency import cancel_and_wait
from testbed.journal.events import REFUSED
from testbed.replay import takeover, timeline
from testbed.replay.display import SilentDisplay
from testbed.replay.recorder import Recorder
from testbed.replay.replay import build

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.classroom.board import Board
    from testbed.classroom.lessons.lesson import Lesson
    from testbed.classroom.scene import Scene
    from testbed.facility.builder import FacilityBuilder
    from testbed.journal.events import Event
    from testbed.journal.writer import JournalWriter
    from testbed.replay.running import Night, Replay

SHOW_EVERY_S = 0.1
SAMPLES_WITHIN_S = 120.0  # a machine that is busy for a while, or a virtual one that stands still, must not end a class
SEEN_WITHIN_S = 10.0  # what is not seen at a night's end by then is not known of it


@dataclass(slots=True)
class LiveNight:
    """The night of a lesson while it goes on. `begin` and `end` are set by the trainer's orders.

    `desk` and `pace` are there as soon as the facility is ready, until the trainer ends the night.
    """

    lesson: Lesson
    board: Board
    scene: Scene
    begin: asyncio.Event = field(default_factory=asyncio.Event)
    end: asyncio.Event = field(default_factory=asyncio.Event)
    desk: Desk | None = None
    pace: Pace | None = None
    evidence: LiveEvidence = field(init=False)
    _notes: Notes = field(init=False)

    def __post_init__(self) -> None:
        self.evidence, self._notes = LiveEvidence(self.board, self.scene), Notes(self.lesson.notes)

    async def play(self, night: Night, builder: FacilityBuilder, writer: JournalWriter, directory: Path) -> None:
        """Play the night and write a complete journal; thread dumps and evidence go into `directory`.

        1. Build the facility, wait until every service is ready, and sample it until the end.
        2. Wait until the trainer lets the night begin, and start its clock and the passengers.
        3. Carry out the timeline, but for the duties of the class; and what the class orders, until the trainer ends it, however
           long ago the night was over.
        4. Wait until every service was seen after the last thing that was done to it, and take the evidence of what is stuck and was not
           looked at: as in a replay, the post-mortem shall have something to go by.
        5. Stop, heal every fault, write the journal's end, and take everything down.

        An interruption or an error becomes the journal's end, and is raised again.
        """
        recorder = Recorder(writer, night.clock, origin_s=asyncio.get_running_loop().time())
        recorder.listener = lambda event: self._take(event, writer.path)
        with recorder.ending("the class was interrupted"):
            async with AsyncExitStack() as stack:
                self.board.set("phase", "building")
                replay = await build(stack, night, builder, recorder, directory, SilentDisplay())  # 1
                replay.looker.within_s = SAMPLES_WITHIN_S
                replay.run_beside(replay.looker.look(lambda: None))
                replay.run_beside(replay.load.follow())
                replay.run_beside(self._show(replay))
                await replay.wait_steady()
                await self._hold(replay)
                await cancel_and_wait(replay.background)  # 5
                recorder.observed_since(max(replay.moved_s, replay.load.last_sent_s, replay.load.last_response_s))
                await replay.actions.heal_all()
                await replay.actions.record_failures()
                recorder.end("complete", "")

    async def _hold(self, replay: Replay) -> None:
        """Take orders until the trainer ends the night."""
        self.pace = pace = Pace(replay)
        self.desk = desk = Desk(replay, self.scene, Duties(self.lesson.duties, replay, pace, self.board))
        try:
            self.board.set("phase", "ready")
            while not self.begin.is_set() and not self.end.is_set():  # 2
                await replay.wait_round()
            if not self.end.is_set():
                await self._go_through(replay, pace, desk)  # 3
            self.board.set("phase", "ending")
            self.desk, self.pace = None, None
            pace.end()
            await desk.close()
            await replay.wait_until(lambda: _is_seen(replay), SEEN_WITHIN_S)  # 4
            if replay.state.stuck:
                await replay.actions.collect_evidence("end")
            await self.evidence.settle()
        finally:
            self.desk, self.pace = None, None
            try:
                await desk.abort()
            finally:
                await self.evidence.close()
            self._look(replay)  # the last look, with a clock that stands still

    async def _go_through(self, replay: Replay, pace: Pace, desk: Desk) -> None:
        self.scene.began = True
        replay.recorder.night_start_s = replay.load.start()
        pace.go_on()
        self.board.set("phase", "night")
        if replay.facility.cluster.is_on:
            replay.run_beside(takeover.watch(replay))
        going = [replay.run_beside(self._carry_out(replay, pace)), replay.run_beside(desk.duties.watch())]
        while not self.end.is_set():
            await replay.wait_round()
        await cancel_and_wait([*going, *replay.steps])

    async def _carry_out(self, replay: Replay, pace: Pace) -> None:
        """Carry out the timeline, and stop the clock at the end of the night."""
        await timeline.carry_out(replay)
        pace.note_over()

    async def _show(self, replay: Replay) -> None:
        """Keep what changes with time on the board, ten times a second."""
        while True:
            self._look(replay)
            await asyncio.sleep(SHOW_EVERY_S)

    def _look(self, replay: Replay) -> None:
        t_s, night_s = replay.recorder.now()
        self.scene.look(t_s, night_s)
        pace = self.pace
        self.board.set(
            "clock",
            {
                "night_s": night_s,
                "t_s": t_s,
                "speed": 0.0 if pace is None else pace.speed,
                "held": "" if pace is None else pace.held,
            },
        )
        self._show_choice(replay)
        if self.scene.began:
            self._notes.look(night_s, replay.state)
            self.board.set("notes_due", list(self._notes.due))

    def _show_choice(self, replay: Replay) -> None:
        """Once something is stuck there is a choice (O9); and evidence that a restart would destroy is at risk until it was dumped."""
        state, dumped_s = replay.state, replay.actions.dumped_s
        if state.stuck and "choice" not in self.board.values:
            self.board.set("choice", {"open": True, "chosen": None, "night_s": replay.recorder.now()[1]})
        at_risk = [
            {"service": service, "what": say("where_threads_stand")}
            for service in state.stuck
            if dumped_s.get(service, -1.0) < (state.stuck_since_s(service) or 0.0)
        ]
        self.board.set("at_risk", at_risk or None)

    def _take(self, event: Event, path: Path) -> None:
        self.scene.take(event)
        self.evidence.take(event, path)


def _is_seen(replay: Replay) -> bool:
    """Whether every service has told its numbers, or is seen to be down, since it was restarted; and none may or may not be stuck."""
    last = [replay.state.last.get(service) for service in replay.facility.services]
    return not replay.state.undecided and all(sample and (sample.busy is not None or sample.error == REFUSED) for sample in last)
