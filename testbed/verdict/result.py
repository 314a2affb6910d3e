"""A replay that was judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testbed.journal.reader import Journal
    from testbed.verdict.judge import Judgement


@dataclass(frozen=True, slots=True)
class Result:
    """A replay that was judged; `wall_s`: the real seconds from building the facility to taking it down."""

    journal: Journal
    judgement: Judgement
    wall_s: float

    def __repr__(self) -> str:
        """Return one line: what was replayed, what it means, and where its journal is."""
        header, events = self.journal.header, len(self.journal.events)
        meant = self.judgement.summary
        return f"<Result: {header.scenario} over {header.variant}, {meant}; {events} events in {str(self.journal.path)!r}>"
