"""Keeps what a class answers and chooses in a file beside the journal of its night, as soon as it does."""

from __future__ import annotations

import asyncio
import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.classroom import kept_class
from testbed.classroom.kept_class import KeptAnswer, KeptClass, KeptReplay
from testbed.concurrency import shield

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.classroom.live.reckoning import Reckoning

EVERY_S = 1.0


@dataclass(slots=True)
class Keeper:
    """Writes the file of a class each time that something in it has changed; a class that answers and chooses nothing has none.

    Nothing is written in the event loop: each fsync would hold up every browser. `run` and `aclose` are awaited one after the other, so
    one thread at a time writes, and the last state comes last.
    """

    reckoning: Reckoning
    path: Path
    _written: KeptClass | None = None
    _failed: bool = False

    async def run(self) -> None:
        """Look once a second until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def aclose(self) -> None:
        """Look once more, when no order comes any more: somebody may have answered while their connection was being closed."""
        await self.look()

    async def look(self) -> None:
        """Write what has changed, to its end whatever is cancelled; a bug in that must not end the class, and is told once.

        What cannot be written is told in the terminal once, and tried again at the next look.
        """
        await shield(self._look())

    async def _look(self) -> None:
        try:
            kept = self.kept()
            if kept != self._written and (kept.answers or kept.replays):
                await asyncio.to_thread(kept_class.write, kept, self.path)
                self._written, self._failed = kept, False
        except OSError as error:
            if not self._failed:
                sys.stderr.write(f"{self.path} cannot be written: {error.strerror}; the answers of the class are on its page alone\n")
            self._failed = True
        except Exception:  # noqa: BLE001 - see `look`
            if not self._failed:
                traceback.print_exc()
            self._failed = True

    def kept(self) -> KeptClass:
        """Return what there is to keep now."""
        reckoning, lesson = self.reckoning, self.reckoning.lesson
        given = {question: reckoning.board.values.get(f"answers.{question}") for question in reckoning.answers}
        return KeptClass(
            started_at=reckoning.scene.header.started_at,
            title=lesson.title,
            introduction=lesson.introduction,
            explanation=lesson.explanation,
            preventions=dict(lesson.prevention_texts),
            measured=dict(reckoning.measured),
            answers={question: KeptAnswer(**answer) for question, answer in given.items() if answer is not None},
            replays={
                name: KeptReplay(outcome=each.outcome, crack=each.crack, verdict=each.verdict, text=each.text, held=each.held)
                for name, each in reckoning.replays.items()
                if not each.running
            },
        )
