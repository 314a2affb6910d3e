"""Keeps what a class answers and chooses in a file beside the journal of its night, as soon as it does."""

from __future__ import annotations

import asyncio
import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.classroom import kept_class
from testbed.classroom.kept_class import KeptAnswer, KeptClass, KeptReplay

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.classroom.live.reckoning import Reckoning

EVERY_S = 1.0


@dataclass(slots=True)
class Keeper:
    """Writes the file of a class each time that something in it has changed; a class that answers and chooses nothing has none."""

    reckoning: Reckoning
    path: Path
    _written: KeptClass | None = None
    _failed: bool = False

    async def run(self) -> None:
        """Look once a second until cancelled, and once more then."""
        try:
            while True:
                self._look_or_tell()
                await asyncio.sleep(EVERY_S)
        finally:
            self._look_or_tell()

    def _look_or_tell(self) -> None:
        """Look; a bug in that must not end the class, and is told once."""
        try:
            self.look()
        except Exception:  # noqa: BLE001 - see above
            if not self._failed:
                traceback.print_exc()
            self._failed = True

    def look(self) -> None:
        """Write what has changed; what cannot be written is told in the terminal once, and tried again at the next look."""
        kept = self.kept()
        if kept == self._written or not (kept.answers or kept.replays):
            return
        try:
            kept_class.write(kept, self.path)
        except OSError as error:
            if not self._failed:
                sys.stderr.write(f"{self.path} cannot be written: {error.strerror}; the answers of the class are on its page alone\n")
            self._failed = True
            return
        self._written, self._failed = kept, False

    def kept(self) -> KeptClass:
        """Return what there is to keep now."""
        reckoning, lesson = self.reckoning, self.reckoning.lesson
        given = {question: reckoning.board.values.get(f"answers.{question}") for question in reckoning.answers}
        return KeptClass(
            reckoning.scene.header.started_at,
            lesson.title,
            lesson.introduction,
            lesson.explanation,
            dict(lesson.prevention_texts),
            dict(reckoning.measured),
            {question: KeptAnswer(**answer) for question, answer in given.items() if answer is not None},
            {
                name: KeptReplay(each.outcome, each.crack, each.verdict, each.text, each.held)
                for name, each in reckoning.replays.items()
                if not each.running
            },
        )
