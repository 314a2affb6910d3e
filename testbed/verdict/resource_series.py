"""The series of a journal: what each process, pool, table and log took, over the night."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.journal.events import KIB, MIB, ResourceUsage, Size
from testbed.plan.clock import HOUR_S
from testbed.verdict.stuck_spans import lives

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.journal.events import Stamped
    from testbed.journal.reader import Journal
    from testbed.verdict.trend import Point

    Observation = tuple["Kind", str, Stamped, float]  # of which kind, of what, when, and how much

LEAK = "leak"
GROWTH = "growth"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of series: its name, its unit, what it is called when it rises for good, and the least rise that matters.

    That is the larger of `least` (in its unit) and `share` (of the level at which it was at first), over the time that is judged.
    `threads`: so many times the request threads of a service are added to `least`, because it may begin to use them at any time.
    """

    name: str
    unit: str
    word: str
    least: float
    share: float = 0.0
    threads: int = 0


MEMORY = Kind("memory", "MiB", LEAK, least=2.0, share=0.02)
OPEN_FILES = Kind("open files", "files", LEAK, least=5, threads=2)  # a connection from whoever asks, and one to whoever is asked
THREADS = Kind("threads", "threads", LEAK, least=5, threads=1)
CONNECTIONS = Kind("connections", "connections", LEAK, least=3)
ROWS = Kind("rows", "rows", GROWTH, least=50, share=0.75)  # a table that is purged follows the load, which changes by day
TABLE = Kind("table", "KiB", GROWTH, least=128, share=0.75)
LOG = Kind("log", "KiB", GROWTH, least=256, share=0.75)


@dataclass(frozen=True, slots=True)
class Series:
    """What something took, in its kind's unit, by the hour of the night."""

    kind: Kind
    of: str
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """What it is, in words."""
        return f"{self.kind.name} of {self.of}"


def of(journal: Journal) -> tuple[Series, ...]:
    """Give every series of the journal, within the night; that of a service which was restarted, of its last process."""
    night = journal.header.night
    found: defaultdict[tuple[Kind, str], list[Point]] = defaultdict(list)
    for kind, of_what, event, value in (*_of_processes(journal), *_of_pools(journal), *_of_sizes(journal)):
        if night.from_s < event.night_s <= night.to_s:
            found[kind, of_what].append((event.night_s / HOUR_S, value))
    return tuple(Series(kind, of_what, tuple(points)) for (kind, of_what), points in found.items())


def _of_processes(journal: Journal) -> Iterator[Observation]:
    last = {one.service: one.pid for one in journal.of(ResourceUsage)}
    for one in journal.of(ResourceUsage):
        if one.pid == last[one.service]:
            yield MEMORY, one.service, one, one.private_bytes / MIB
            yield OPEN_FILES, one.service, one, one.open_files
            yield THREADS, one.service, one, one.threads


def _of_pools(journal: Journal) -> Iterator[Observation]:
    for server in journal.header.facility.application_servers:
        for one in (sample for life in lives(journal, server)[-1:] for sample in life):
            if one.pool is not None and one.busy is not None:
                yield CONNECTIONS, server, one, max(0, one.pool.out - one.busy)  # those that no request is at work on


def _of_sizes(journal: Journal) -> Iterator[Observation]:
    for one in journal.of(Size):
        if one.rows is not None:
            yield ROWS, one.name, one, one.rows
        yield TABLE if one.kind == "table" else LOG, one.name, one, one.size_bytes / KIB
