"""The resource series of a journal: what each process, pool, table and log used, over the night."""

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

    Observation = tuple["Kind", str, Stamped, float]  # the kind, of what, the event with its time, the value

LEAK = "leak"
GROWTH = "growth"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of series: its name, its unit, the word for a rise for good, and the least rise that matters.

    That is the larger of `least` (in its unit) and `share` (of its first level), over the time that is judged. `threads` times the request
    threads of a service are added to `least`, because it may begin to use them at any time.
    """

    name: str
    unit: str
    word: str
    least: float
    share: float = 0.0
    threads: int = 0


MEMORY = Kind("memory", "MiB", LEAK, least=2.0, share=0.02)
OPEN_FILES = Kind("open files", "files", LEAK, least=5, threads=2)  # a connection from a client, and one to a server
THREADS = Kind("threads", "threads", LEAK, least=5, threads=1)
CONNECTIONS = Kind("connections", "connections", LEAK, least=3)
ROWS = Kind("rows", "rows", GROWTH, least=50, share=0.75)  # a table that is purged follows the load, which changes by day
TABLE = Kind("table", "KiB", GROWTH, least=128, share=0.75)
LOG = Kind("log", "KiB", GROWTH, least=256, share=0.75)


@dataclass(frozen=True, slots=True)
class Series:
    """What something used, in its kind's unit, by the hour of the night."""

    kind: Kind
    of: str
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """Kind and owner, such as `memory of cf-1`."""
        return f"{self.kind.name} of {self.of}"


def of(journal: Journal) -> tuple[Series, ...]:
    """Return every series of the journal, within the night; of a restarted service, that of its last process."""
    night = journal.header.night
    points_by_series: defaultdict[tuple[Kind, str], list[Point]] = defaultdict(list)
    for kind, of_what, event, value in (*_of_processes(journal), *_of_pools(journal), *_of_sizes(journal)):
        if night.from_s < event.night_s <= night.to_s:
            points_by_series[kind, of_what].append((event.night_s / HOUR_S, value))
    return tuple(Series(kind, of_what, tuple(points)) for (kind, of_what), points in points_by_series.items())


def _of_processes(journal: Journal) -> Iterator[Observation]:
    last_pid = {usage.service: usage.pid for usage in journal.of(ResourceUsage)}
    for usage in journal.of(ResourceUsage):
        if usage.pid == last_pid[usage.service]:
            yield MEMORY, usage.service, usage, usage.private_bytes / MIB
            yield OPEN_FILES, usage.service, usage, usage.open_files
            yield THREADS, usage.service, usage, usage.threads


def _of_pools(journal: Journal) -> Iterator[Observation]:
    for server in journal.header.facility.application_servers:
        for sample in (sample for life in lives(journal, server)[-1:] for sample in life):
            if sample.pool is not None and sample.busy is not None:
                yield CONNECTIONS, server, sample, max(0, sample.pool.out - sample.busy)  # those that no request uses


def _of_sizes(journal: Journal) -> Iterator[Observation]:
    for size in journal.of(Size):
        if size.rows is not None:
            yield ROWS, size.name, size, size.rows
        yield TABLE if size.kind == "table" else LOG, size.name, size, size.size_bytes / KIB
