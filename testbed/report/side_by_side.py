"""The variants of a night side by side, from their judgements and nothing else."""

from __future__ import annotations

import io
import re
from collections import Counter
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from testbed.errors import TestbedError
from testbed.plan.clock import clock_text, span_text
from testbed.plan.expectation import Outcome
from testbed.report.terminal import plain_console
from testbed.verdict import thread_dumps
from testbed.verdict.figures import trouble_night_s
from testbed.verdict.finding import Verdict
from testbed.verdict.latency import AFTER, BEFORE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from testbed.verdict.figures import Figures
    from testbed.verdict.judge import Judgement

PICTURE_COLUMNS = 110
FONT_FACE = re.compile(r"@font-face \{[^}]*\}\s*")  # rich's is fetched from the web; the reader's own font is enough

STYLE = {Verdict.HELD: "bold green", Verdict.BROKEN: "bold red", Verdict.UNKNOWN: "bold yellow"}
OUTCOME_STYLE = {None: "yellow", Outcome.GROUNDED: "bold red", Outcome.CONTAINED: "bold green", Outcome.UNHARMED: "bold green"}


def side_by_side(judgements: Sequence[Judgement]) -> RenderableType:
    """Return two tables: the night of each variant (operations, leaks, outcome, crack, verdict), and its transactions."""
    return Group(_night(judgements), _cost([judgement.figures for judgement in judgements]))


def draw(judgements: Sequence[Judgement], path: Path) -> None:
    """Write the same as a picture (SVG); raises TestbedError if the file cannot be written."""
    console = plain_console(record=True, width=PICTURE_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(side_by_side(judgements))
    svg = FONT_FACE.sub("", console.export_svg(title=f"testbed replay {judgements[0].figures.header.scenario}"))
    try:
        path.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise TestbedError(f"the picture cannot be written to {path}: {error.strerror}; give another file with --svg") from error


def _night(judgements: Sequence[Judgement]) -> Table:
    header = judgements[0].figures.header
    drawn = Table(
        title=Text(f"{header.title}\n{header.night.date}, {header.scenario}, seed {header.seed}"),
        box=box.SIMPLE_HEAD,
        show_lines=True,
    )
    drawn.add_column("", no_wrap=True)
    for judgement in judgements:
        drawn.add_column(judgement.figures.header.variant, ratio=1)
    rows: list[tuple[str, Callable[[Judgement], RenderableType]]] = [
        ("done", lambda judgement: _done(judgement.figures)),
        ("quiet hours", lambda judgement: _quiet(judgement.figures)),
        ("first trouble", lambda judgement: _first_trouble(judgement.figures)),
        ("connections leaked", lambda judgement: _leaked(judgement.figures)),
        ("request threads", lambda judgement: _blocked(judgement.figures)),
        ("health checks", lambda judgement: _health(judgement.figures)),
        ("waited for answers", lambda judgement: _waits(judgement.figures)),
        ("outcome", _outcome),
        ("crack", lambda judgement: f"{judgement.crack}, {judgement.crack.word}"),
        ("verdict", lambda judgement: Text(judgement.verdict.value, STYLE[judgement.verdict])),
        ("first fault to hang", lambda judgement: _to_hang(judgement.figures)),
    ]
    if any(judgement.figures.breakers for judgement in judgements):
        rows.insert(-4, ("circuit breakers", lambda judgement: _breakers(judgement.figures)))
    for name, cell in rows:
        drawn.add_row(name, *map(cell, judgements))
    return drawn


def _waits(figures: Figures) -> str:
    """Format how long passengers waited from when their request was due, after the first fault if there was one."""
    half = BEFORE if figures.first_fault is None else AFTER
    lines = []
    for caller, halves in figures.latency.items():
        wait = halves[half]
        if wait.answered or wait.unanswered:
            median, p99, longest = (
                "never" if seconds is None else f"{seconds:.2f} s" for seconds in (wait.median_s, wait.p99_s, wait.longest_s)
            )
            lines.append(f"{caller}: median {median}, 99 % {p99}, longest {longest}")
    return "\n".join(lines) or "nobody waited"


def _outcome(judgement: Judgement) -> Text:
    return Text.assemble((judgement.outcome or "unknown", OUTCOME_STYLE[judgement.outcome]), f": {judgement.reason.text}")


def _done(figures: Figures) -> str:
    lines = []
    for operation in figures.operations:
        how = "completed" if operation.state == "end" else "FAILED"
        took_s = operation.duration_s or 0
        began = next((clock_text(begin.night_s) for begin in figures.begins if begin.id == operation.id), "?")
        times = f"{began} to {clock_text(operation.night_s)}"
        lines.append(f"{times} {operation.operation} {how} in {took_s:.2f} real s: {operation.detail}")
    return "\n".join(lines) or "nothing was done"


def _quiet(figures: Figures) -> str:
    start_s, length_s = figures.quiet_night_s
    from_, to = (clock_text(at_s, seconds=False) for at_s in (start_s, start_s + length_s))
    return f"{from_} to {to}: {span_text(length_s)} without a passenger"


def _first_trouble(figures: Figures) -> str:
    first = figures.first_trouble
    if first is None:
        return "none"
    lines = [f"{clock_text(trouble_night_s(first))} {first.request.caller} {first.request.transaction} {first.ended}"]
    if figures.first_unanswered_night_s is not None:
        lines.append(f"{clock_text(figures.first_unanswered_night_s)} the first that was never answered")
    return "\n".join(lines)


def _leaked(figures: Figures) -> Text:
    of = figures.header.facility.pool_size
    counts = figures.leaked_connections.items()
    return Text("\n").join(
        Text(f"{service}: unknown", "yellow") if count is None else Text(f"{service}: {count} of {of}", "red" if count else "")
        for service, count in counts
    )


def _blocked(figures: Figures) -> Text:
    lines = []
    blocked = figures.blocked_request_threads
    for service, count in blocked.items():
        dump = figures.dumps.get(service)
        if count and dump is not None:
            lines.append(Text(thread_dumps.dump_text(dump), "red"))
        else:
            lines.append(Text(f"{service}: {count} of {figures.header.facility.request_threads} blocked", "red" if count else ""))
    return Text("\n").join(lines) if any(blocked.values()) else Text("none blocked")


def _health(figures: Figures) -> str:
    checks = figures.health.values()
    return f"{sum(check.green for check in checks)} of {sum(check.count for check in checks)} green"


def _breakers(figures: Figures) -> Text:
    """Format what the circuit breaker of each caller did."""
    lines = []
    for caller, counts in figures.breakers.items():
        if counts is None:
            lines.append(Text(f"{caller}: unknown", "yellow"))
            continue
        times = "once" if counts.opened == 1 else f"{counts.opened} times"
        lines.append(Text(f"{caller}: opened {times}, {counts.let_through} calls let through, {counts.refused} refused"))
    return Text("\n").join(lines) if lines else Text("none", "dim")


def _to_hang(figures: Figures) -> Text:
    if figures.hang is None or figures.time_to_hang_night_s is None:
        return Text("never hung", "green")
    return Text(f"{span_text(figures.time_to_hang_night_s)} of the night, at {clock_text(figures.hang.night_s)}", "bold red")


def _cost(figures: Sequence[Figures]) -> Table:
    """Return a table of how each kind of transaction ended; in words, because columns of numbers fit no terminal."""
    has_fault = any(of_variant.first_fault for of_variant in figures)
    half = "after" if has_fault else "before"
    drawn = Table(title=f"What it cost: transactions{' after the first fault' if has_fault else ''}", box=box.SIMPLE_HEAD)
    drawn.add_column("caller, transaction")
    for of_variant in figures:
        drawn.add_column(of_variant.header.variant)
    counts = [of_variant.transactions for of_variant in figures]
    totals: list[Counter[str]] = [Counter() for _ in figures]
    for caller, name in sorted({(caller, name) for by_caller in counts for caller, names in by_caller.items() for name in names}):
        cells = []
        for by_caller, total in zip(counts, totals, strict=True):
            ends = by_caller.get(caller, {}).get(name, {}).get(half, {})
            total.update(ends)
            cells.append(_ends(ends))
        drawn.add_row(f"{caller} {name}", *cells)
    drawn.add_section()
    drawn.add_row("all", *map(_ends, totals))
    return drawn


def _ends(ends: Mapping[str, int]) -> Text:
    """Format how many ended in each way; ways that did not occur are left out."""
    style = {"answered": "", "failed": "yellow", "unanswered": "bold red"}
    counts = [Text(f"{ends[ended]} {ended}", style[ended]) for ended in style if ends.get(ended)]
    return Text(", ").join(counts) if counts else Text("none", "dim")


def findings(judgements: Sequence[Judgement]) -> Text:
    """Format the findings that did not hold, how many did, and the path of each journal; print it without breaking its lines."""
    lines: list[Text] = []
    for judgement in judgements:
        unmet = [finding for finding in judgement.findings if finding.verdict is not Verdict.HELD]
        held = len(judgement.findings) - len(unmet)
        figures = judgement.figures
        lines.append(Text(f"{figures.header.variant}: {held} of {len(judgement.findings)} checks held; journal {figures.journal}"))
        for finding in unmet:
            facts = f" ({', '.join(finding.facts)})" if finding.facts else ""
            lines.append(Text.assemble((f"  {finding.verdict.value} ", STYLE[finding.verdict]), f"{finding.check}: {finding.text}{facts}"))
    return Text("\n").join(lines)
