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
