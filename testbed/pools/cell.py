"""A cell of the comparison: which pool in which situation with which mistake, and what was seen of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Mistake = Literal["leaking", "careful", "statement", "cancelled", "cancelled_careful"]
Situation = Literal["switchover_idle", "switchover_in_flight", "sessions_ended", "silence", "idle_drop", "down"]
Way = Literal["comes back", "hangs", "refuses", "lends dead connections", "loses a few", "unknown"]


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured: a pool in a situation, over code with a mistake or careful code, with the pool's own check or without it."""

    pool: str
    situation: Situation
    mistake: Mistake
    check: bool

    def __str__(self) -> str:
        return f"{self.pool}, {self.situation}, {self.mistake}, check {'on' if self.check else 'off'}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request: when it was sent, in seconds since the first burst; how long it took, and what came.

    `status` is 200; 503 where the pool gave no connection, 504 where the request was cancelled at its own deadline, and 500 where what the
    pool gave, or the database, failed; 0 where the connection to the service failed; None where nothing had come when the watch ended.
    `pid`: the session in which the query ran.
    """

    sent_s: float
    took_s: float
    status: int | None
    pid: int | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class PoolLook:
    """What a service tells of its pool; None: what it does not tell."""

    size: int | None = None
    out: int | None = None
    waiting: int | None = None


@dataclass(frozen=True, slots=True)
class Burst:
    """As many requests at once as the pool has connections, each of which is held for a while: what the pool can still do."""

    at_s: float
    answers: tuple[Answer, ...]

    def is_well(self, size: int) -> bool:
        """Whether every request was answered, each in a session of its own."""
        return all(answer.status == 200 for answer in self.answers) and len({answer.pid for answer in self.answers}) == size  # noqa: PLR2004 - HTTP's


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of a cell: the answers to what was under way in the situation, the bursts after it, and looks at pool and database.

    `sessions`: of the service at the end, as the database server tells; None where it was not asked. `failure`: why there is no more.
    """

    size: int
    during: tuple[Answer, ...] = ()
    bursts: tuple[Burst, ...] = ()
    pool: PoolLook | None = None
    sessions: int | None = None
    failure: str = ""

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Every answer, in the order in which they were asked for."""
        return (*self.during, *(answer for burst in self.bursts for answer in burst.answers))


@dataclass(frozen=True, slots=True)
class Result:
    """What a cell came out as; None is what was not seen.

    `errors`: answers that were none. `hanging`: requests that had no answer when the watch ended. `lost`: connections that are out, and
    that no request uses. `well_after_s`: seconds from the first burst to the one from which on all were well; `watched_s`: to the last.
    `refused_after_s`: how long a refused request waited, in the median. `sessions`: of the service at the end, as the database tells.
    `why`: the error that came most, or why the way is unknown.
    """

    way: Way
    errors: int | None = None
    hanging: int | None = None
    lost: int | None = None
    well_after_s: float | None = None
    refused_after_s: float | None = None
    sessions: int | None = None
    watched_s: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A line of the kept table: a cell, one result for each repetition, and the versions of what it was measured on."""

    cell: Cell
    results: tuple[Result, ...]
    versions: dict[str, str] = field(default_factory=dict)
