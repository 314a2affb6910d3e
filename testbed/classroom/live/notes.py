"""The trainer's notes: which of them are due, by the night's time or as soon as their condition has been seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.classroom.lessons.steps import TrainerNote
    from testbed.replay.state import FacilityState

RECOVERED = "recovered"


@dataclass(slots=True)
class Notes:
    """The notes of a lesson. `due`: the indexes of those that are, in the order in which they became so; none is ever taken back."""

    notes: tuple[TrainerNote, ...]
    due: list[int] = field(default_factory=list)
    _stood_still: bool = False

    def look(self, night_s: float, state: FacilityState) -> None:
        """Note what has become due by this time of the night, in this state of the facility."""
        self._stood_still = self._stood_still or state.hung() or state.servers_hung()
        new = [number for number, note in enumerate(self.notes) if number not in self.due and self._is_due(note, night_s, state)]
        self.due += sorted(new, key=lambda number: self.notes[number].at_night_s or night_s)

    def _is_due(self, note: TrainerNote, night_s: float, state: FacilityState) -> bool:
        """Whether a note is due now; service is back only after it had stopped, or all would be well again from the begin."""
        if note.when is None:
            return note.at_night_s is not None and night_s >= note.at_night_s
        return state.holds(note.when) and (note.when != RECOVERED or self._stood_still)
