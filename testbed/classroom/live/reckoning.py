"""The reckoning of a class: answers, preventions and their replays, and what they come to once all is revealed."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from testbed.classroom import source
from testbed.classroom.inquiry import examination, place, prevention, questions, tally
from testbed.classroom.saying import RefusalError, bug, say
from testbed.errors import JournalError, UsageError
from testbed.plan.decoding import suggestion
from testbed.plan.topology import HOSTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from testbed.classroom.board import Board
    from testbed.classroom.inquiry.examination import Examination
    from testbed.classroom.inquiry.prevention import Replayed
    from testbed.classroom.inquiry.questions import Value
    from testbed.classroom.lessons.lesson import Lesson
    from testbed.classroom.saying import Told
    from testbed.classroom.scene import Scene


@dataclass(slots=True)
class Reckoning:
    """Keeps what a class answers and chooses, and counts it when the night is over.

    `replay_over`: replays the night over a variant; `measured`: whether each variant held in the kept matrix; `journal`: of the night, as
    soon as that is complete.
    """

    lesson: Lesson
    board: Board
    scene: Scene
    replay_over: Callable[[str], Awaitable[Replayed]]
    measured: Mapping[str, bool | None] = field(default_factory=dict)
    journal: Path | None = None
    answers: dict[str, Value] = field(default_factory=dict)
    replays: dict[str, Replayed] = field(default_factory=dict)
    _chosen: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    _examined: Examination | None = None

    def answer(self, question: str, value: Value) -> Value:
        """Keep an answer, and return it in order; raises RefusalError once all is revealed, and for a place that can be none."""
        if self.scene.revealed:
            raise RefusalError(say("answers_are_over"))
        value = questions.checked(questions.questions(self.lesson.preventions), question, value)
        if question == questions.LINE and isinstance(value, str):
            self._require_place(value)
        self.answers[question] = value
        return value

    def _require_place(self, text: str) -> None:
        """Raise RefusalError for a text that can be no place of any cause: a class should hear that at once, and not with the score."""
        names = self.scene.header.facility
        parts = [*names.application_servers, *names.callers, *HOSTS]
        if text.lower() != questions.NOWHERE and not place.may_be(text, parts, source.lengths(), self.scene.stacks):
            raise RefusalError(say("no_place_named", found=text, parts=parts))

    def choose(self, variant: str) -> Told:
        """Have the night replayed over a variant once it is over here: two facilities would be in each other's way."""
        if variant not in self.lesson.preventions:
            allowed = self.lesson.preventions
            raise UsageError(f"variant: found {variant!r}{suggestion(variant, allowed)}; allowed: {', '.join(allowed)}")
        if self.board.values.get("phase") == "gone":
            raise RefusalError(say("gone_for_good"))
        if variant in self.replays:
            raise RefusalError(say("replayed_already", variant=variant))
        waiting = self.board.values.get("phase") != "over" or any(replayed.running for replayed in self.replays.values())
        told = say("to_be_replayed", variant=variant) if waiting else say("being_replayed", variant=variant)
        self._show_replay(variant, prevention.running(variant))
        self._chosen.put_nowait(variant)
        return told

    def _show_replay(self, variant: str, replayed: Replayed) -> None:
        self.replays[variant] = replayed
        self.board.set(f"replays.{variant}", replayed.data())

    async def finish(self, journal: Path) -> None:
        """Compare the answers with the post-mortem of the complete journal, and replay what was chosen, until cancelled.

        The night is over for the page once the evidence has been read: from then on a reveal brings the score with it.
        """
        self.board.set("task", None)
        with self._after_night(), suppress(JournalError):  # then nothing is known, and that is what the comparison says
            self._examined = await asyncio.to_thread(examination.of, journal)
        self.journal = journal
        self.board.set("phase", "over")
        with self._after_night():
            await self.count()
        while True:
            variant = await self._chosen.get()
            with self._after_night(variant):
                self._show_replay(variant, await self.replay_over(variant))
                await self.count()

    @contextmanager
    def _after_night(self, variant: str = "") -> Iterator[None]:
        """Border what comes after the night: a bug in it must not take the page away. It is told, also in the place of an outcome."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - see above
            traceback.print_exc()
            if variant and self.replays[variant].running:
                self._show_replay(variant, prevention.Replayed(prevention.UNKNOWN, None, prevention.UNKNOWN, bug(error)))

    @property
    def _is_believed(self) -> bool:
        """Whether something may be certain in this night: nothing is in one that has to be doubted."""
        return self._examined is not None and self._examined.sure("certain") == "certain"

    async def count(self) -> None:
        """Compare and count, once all is revealed and the night is over: before, the score would give the answers away."""
        if not self.scene.revealed:
            return
        known = None if self._examined is None else self._examined.known
        root = None if known is None or known.root is None else str(known.root)
        title, variant = self.lesson.replayed.title, self.scene.header.variant
        certain = known is not None and known.root is not None and not known.only_likely and self._is_believed
        told = {"explanation": self.lesson.explanation, "title": title, "variant": variant}
        self.board.set("revealed", {**told, "root": root, "certain": certain})
        if self.journal is None:
            return
        held = prevention.held(self.lesson.preventions, self.replays, self.measured)
        counted = partial(tally.of, self.journal, self._examined, self.answers, self.replays, held)
        self.board.update(await asyncio.to_thread(counted) if self._examined is None else counted())
