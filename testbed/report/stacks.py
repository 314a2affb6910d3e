"""What thread dumps tell of the services of a night, as a table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.plan.clock import clock_text
from testbed.report.counted import counted
from testbed.report.fitted import Column, FittedTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from testbed.postmortem.protocols import Protocol
    from testbed.postmortem.stack_reading import ServiceDump, StackReading
    from testbed.postmortem.thread_kinds import Plain, Pool

CAPTION = "from the stacks alone: what no thread was doing at that moment does not show"


def table(dumps: Iterable[ServiceDump]) -> FittedTable:
    """Return a table with the rows of each dump: thread pools, work in the background, protocols and libraries."""
    drawn = FittedTable([Column("dump of"), Column("what"), Column("what it tells")], title="What the thread dumps tell", caption=CAPTION)
    for dump in dumps:
        name = f"{dump.service} at {clock_text(dump.night_s, seconds=False)}"
        rows = [("unknown", dump.error)] if dump.reading is None else list(lines(dump.reading))
        for number, (what, told) in enumerate(rows):
            drawn.add_row("" if number else name, what, told)
        drawn.add_section()
    return drawn


def lines(reading: StackReading) -> Iterator[tuple[str, str]]:
    """Yield what a dump tells, in pairs of what it is about and a text."""
    kinds = reading.kinds
    for pool in kinds.pools:
        yield "thread pool", _pool(pool)
    for work in kinds.background:
        yield "background", f"{work.what}{f': {work.threads} threads' if work.threads > 1 else ''}"
    for plain in kinds.plain:
        yield "kind not known", _plain(plain)
    if kinds.main is not None:
        yield "main thread", f"its outermost call is {kinds.main}" if kinds.main else "in no call that the dump shows"
    yield "protocols", ", ".join(map(_protocol, reading.protocols)) or "none on any stack"
    names = [f"{library.package} {library.version or '(version unknown)'}" for library in reading.libraries]
    yield "libraries", ", ".join(names) or "none on any stack"


def _pool(pool: Pool) -> str:
    named = f" {pool.name!r}" if pool.name else ""
    return f"{pool.kind}{named}: {counted(pool.threads, 'thread')}, {pool.idle} of them idle"


def _plain(plain: Plain) -> str:
    names = ", ".join(plain.names[:3]) + (", …" if len(plain.names) > 3 else "")  # noqa: PLR2004 - so many names fit a line
    where = f"the outermost call is {plain.call}" if plain.call else "in no call that the dump shows"
    return f"{counted(plain.threads, 'thread')} ({names}): {where}"


def _protocol(protocol: Protocol) -> str:
    side = f" {protocol.side}" if protocol.side else ""
    return f"{protocol.name}{side} ({counted(protocol.threads, 'thread')}; read from {', '.join(protocol.modules)})"
