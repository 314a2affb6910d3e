"""What people read who play the night by hand: status, steps, threads and loads, as they are answered."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from testbed.cli.live import REFRESH_PER_S, picture
from testbed.report.terminal import forget_output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from testbed.interactive.protocol import FacilityStatus, LoadStatus, Reply, ServiceStatus
    from testbed.journal.events import Step, Threads
    from testbed.replay.load_tracker import LoadTracker
    from testbed.replay.state import FacilityState

INNERMOST = 8  # calls of a stack; all of them are in the dump's file


class Terminal:
    """The terminal of `testbed up`: a live picture below the lines that it prints; lines alone where it is no terminal.

    When it is closed, nothing more is told: SIGHUP comes with that, and its taking down must not fail over a line that nobody reads.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=REFRESH_PER_S, transient=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with _unless_closed():
            self._live.stop()

    def line(self, text: str) -> None:
        """Print a line."""
        with _unless_closed():
            self._console.print(text, soft_wrap=True)

    def ready(self, status: FacilityStatus) -> None:
        """Print where everything is, and what can be done now."""
        with _unless_closed():
            self._console.print(status_table(status), soft_wrap=True)
        self.line("ready; in other terminals: testbed status, load, switchover, threads, restart; Ctrl-C or `testbed down` takes it down")

    def update(self, state: FacilityState, load: LoadTracker | None) -> None:
        """Draw the state."""
        if self._console.is_terminal:
            sent = f"{load.sent} of {len(load.requests)} transactions sent, {load.answered} answered, " if load else "nobody has come yet"
            rest = f"{load.failed} failed, {load.in_flight} waiting" if load else ""
            with _unless_closed():
                self._live.update(Group(Text(sent + rest), picture(state)))


@contextmanager
def _unless_closed() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:  # which a terminal gives that was closed; a full disk or a closed pipe is told as ever
            raise
        forget_output()


def status_text(answer: Reply) -> RenderableType | None:
    """Give what is printed of an answer; None for one that tells nothing."""
    match answer.answer:
        case "standing":
            return status_table(answer)
        case "step":
            return _step(answer.step)
        case "threads":
            return threads(answer.threads)
        case "load":
            return _load(answer)
        case _:
            return getattr(answer, "text", "") or None


def status_table(status: FacilityStatus) -> RenderableType:
    """Draw the services, with addresses that curl opens, and say where the database is. It fits 80 columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("service", "address", "health", "threads", "queue"):
        table.add_column(heading, no_wrap=True)
    for heading in ("in", "out", "leaked", "waiting"):
        table.add_column(heading, justify="right")
    for one in status.services:
        table.add_row(one.service, one.url, *_health(one), *_pool(one))
    server = status.services[0].url
    lines = [
        "threads: request threads at work; queue: requests that wait for one",
        "connections: in and out of the pool, leaked, waited for",
        "to look for yourself (/admin/pool: of application servers, cf-…):",
        *(f"    curl {server}{path}" for path in ("/health", "/metrics", "/admin/pool")),
        f"{status.variant} on {status.runtime}; the database runs on {status.database}",
        *([] if status.load is None else [_load(status.load)]),
        f"journal: {status.journal}",
    ]
    return Group(table, *(Text(line) for line in lines))


def _health(one: ServiceStatus) -> tuple[Text, Text, Text]:
    """Give health, threads and queue."""
    health = Text("green", "green") if one.health else Text("red" if one.runs else "dead", "red")
    if one.busy is None or one.request_threads is None:
        return health, Text("no answer", "red"), Text()
    told = f"{one.busy}/{one.request_threads} " + ("blocked" if one.stuck else "busy")
    return health, Text(told, "red" if one.stuck else ""), Text(str(one.waiting or 0))


def _pool(one: ServiceStatus) -> tuple[Text, ...]:
    """Give in, out, leaked and waiting; nothing of a service that has no pool."""
    if one.pool is None:
        return ()
    pool = one.pool
    return (Text(str(pool.in_)), Text(str(pool.out)), Text(str(pool.leaked), "red" if pool.leaked else ""), Text(str(pool.waiting)))


def _step(step: Step) -> str | None:
    if step.state == "begin" or step.duration_s is None:
        return None
    failed = f"  failed: {step.detail}" if step.state == "failed" else ""
    return f"{step.number}. {step.step}  {step.duration_s:.2f} s{failed}"


def threads(dump: Threads) -> RenderableType:
    """Tell each group of request threads: how many, what they do, within which operation, and their innermost calls."""
    started = sum(group.count for group in dump.groups)
    parts: list[RenderableType] = []
    for group in dump.groups:
        within = f", within {group.within}" if group.within else ""
        calls = "".join(f"\n    {call}" for call in reversed(group.stack[-INNERMOST:]))
        outer = f"\n    … and {len(group.stack) - INNERMOST} calls further out" if len(group.stack) > INNERMOST else ""
        parts.append(
            Text.assemble((f"{group.count} of {dump.request_threads} request threads: {group.state}{within}", "bold"), calls, outer)
        )
    if started < dump.request_threads:
        parts.append(Text(f"{dump.request_threads - started} were never needed, and so never started"))
    return Group(*parts)


def _load(load: LoadStatus) -> str:
    return f"{load.sent} of {load.of} transactions sent, {load.answered} answered, {load.failed} failed, {load.waiting} waiting"
