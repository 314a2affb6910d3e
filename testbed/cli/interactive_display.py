"""Text of the interactive commands: status, steps, thread groups and loads, and the live picture of `testbed up`."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from testbed.cli.live import REFRESH_PER_S, picture
from testbed.cli.standard_streams import forget_output
from testbed.plan.clock import span_text
from testbed.report.counted import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from testbed.interactive.leftovers import Leftovers
    from testbed.interactive.protocol import FacilityStatus, LoadStatus, Reply, ServiceStatus
    from testbed.journal.events import GroupWait, Step, Threads
    from testbed.replay.load_tracker import LoadTracker
    from testbed.replay.state import FacilityState

INNERMOST = 8  # calls of a stack that are printed; the dump's file has all


class Terminal:
    """The terminal of `testbed up`: a live picture below the lines it prints; lines alone where the output is not a terminal.

    Once it is closed, nothing is printed: SIGHUP comes with that, and taking down must not fail over a line that nobody reads.
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
        """Print the status of every service, and the commands to go on with."""
        with _unless_closed():
            self._console.print(status_table(status), soft_wrap=True)
        self.line("ready; in other terminals: testbed status, load, switchover, threads, restart; Ctrl-C or `testbed down` takes it down")

    def update(self, state: FacilityState, load: LoadTracker | None) -> None:
        """Draw the progress of the load, and pools and request threads."""
        if self._console.is_terminal:
            sent = (
                f"{load.sent} of {len(load.requests)} transactions sent, {load.answered} answered, "
                if load
                else "no load yet: send one with testbed load --rate 5"
            )
            rest = f"{load.failed} failed, {load.in_flight} waiting" if load else ""
            with _unless_closed():
                self._live.update(Group(Text(sent + rest), picture(state)))


@contextmanager
def _unless_closed() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:  # a closed terminal; a full disk or a closed pipe is still an error
            raise
        forget_output()


def reply_text(reply: Reply) -> RenderableType | None:
    """Return what is printed of a reply; None where that is nothing."""
    match reply.reply:
        case "status":
            return status_table(reply)
        case "step":
            return _step(reply.step)
        case "threads":
            return threads(reply.threads)
        case "load":
            return _load(reply)
        case _:
            return getattr(reply, "text", "") or None


def status_table(status: FacilityStatus) -> RenderableType:
    """Draw the services with their addresses, the host of the database, and the load. It fits 80 columns."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("service", "address", "health", "threads", "queue"):
        table.add_column(heading, no_wrap=True)
    for heading in ("in", "out", "leaked", "waiting"):
        table.add_column(heading, justify="right")
    for service in status.services:
        table.add_row(service.service, service.url, *_health(service), *_pool(service))
    server = status.services[0].url
    lines = [
        "threads: busy request threads; queue: requests that wait for one",
        "connections: in and out of the pool, leaked; waiting: threads that wait for one",
        *([] if status.dsn else ["to look for yourself (/admin/pool: application servers only, cf-…):"]),
        *(f"    curl {server}{path}" for path in ("/health", "/metrics", "/admin/pool") if not status.dsn),
        f"{status.variant} on {status.runtime}; the database runs on {status.database}",
        *([f"to look into it, or to run a service by hand: {status.dsn}"] if status.dsn else []),
        *([] if status.load is None else [_load(status.load)]),
        f"journal: {status.journal}",
        f"facility {status.name} of {status.owner}, up since {status.started_at} ({span_text(status.age_s)})",
        f"built by {status.checkout}",
    ]
    return Group(table, *(Text(line) for line in lines))


def _health(service: ServiceStatus) -> tuple[Text, Text, Text]:
    """Return the cells of health, threads and queue."""
    health = Text("green", "green") if service.health else Text("red" if service.runs else "dead", "red")
    if service.health is None and service.runs:
        health = Text("unknown", "yellow")
    if service.busy is None or service.request_threads is None:
        return health, Text("no answer", "red"), Text()
    busy = f"{service.busy}/{service.request_threads} " + ("blocked" if service.stuck else "busy")
    return health, Text(busy, "red" if service.stuck else ""), Text(str(service.waiting or 0))


def _pool(service: ServiceStatus) -> tuple[Text, ...]:
    """Return the cells of in, out, leaked and waiting; none for a service without a pool."""
    if service.pool is None:
        return ()
    pool = service.pool
    return (Text(str(pool.in_)), Text(str(pool.out)), Text(str(pool.leaked), "red" if pool.leaked else ""), Text(str(pool.waiting)))


def _step(step: Step) -> str | None:
    if step.state == "begin" or step.duration_s is None:
        return None
    failed = f"  failed: {step.detail}" if step.state == "failed" else ""
    return f"{step.number}. {step.step}  {step.duration_s:.2f} s{failed}"


def swept_text(leftovers: Leftovers) -> str | None:
    """Return in a line what was swept of killed testbeds; None for nothing."""
    runs, names = leftovers.runs, leftovers.facilities
    homes = ", ".join(sorted({str(remains.path.parent) for remains in runs}))
    processes, segments = sum(remains.processes for remains in runs), sum(remains.segments for remains in runs)
    parts = (
        f"{counted(len(runs), 'directory', 'directories')} in {homes}" if runs else "",
        counted(processes, "process", "processes") if processes else "",
        counted(segments, "shared memory segment") if segments else "",
        f"{counted(len(names), 'control socket')} ({', '.join(names)})" if names else "",
    )
    told = ", ".join(filter(None, parts))
    return f"swept what killed runs had left: {told}" if told else None


def threads(dump: Threads) -> RenderableType:
    """Format each group of request threads: how many, their state, the operation they are in, and their innermost calls."""
    started = sum(group.count for group in dump.groups)
    parts: list[RenderableType] = []
    for group in dump.groups:
        within = f", within {group.within}" if group.within else ""
        calls = "".join(f"\n    {call}" for call in reversed(group.stack[-INNERMOST:]))
        outer = f"\n    … and {len(group.stack) - INNERMOST} calls further out" if len(group.stack) > INNERMOST else ""
        waits = "".join(f"\n  {_wait(wait)}" for wait in group.waits)
        parts.append(
            Text.assemble((f"{group.count} of {dump.request_threads} request threads: {group.state}{within}", "bold"), waits, calls, outer)
        )
    if started < dump.request_threads:
        parts.append(Text(f"{dump.request_threads - started} were never needed, so never started"))
    return Group(*parts)


def _wait(wait: GroupWait) -> str:
    """Format what so many threads of a group wait for, as the kernel sees it."""
    told = [wait.kind, *([f"({wait.call})"] if wait.call else []), *([wait.peer] if wait.peer else [])]
    return f"{wait.count} of them: {' '.join(told)}{f': {wait.detail}' if wait.detail else ''}"


def _load(load: LoadStatus) -> str:
    return f"{load.sent} of {load.of} transactions sent, {load.answered} answered, {load.failed} failed, {load.waiting} waiting"
