"""The variants of a night side by side, from their judgements and nothing else."""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from testbed.errors import TestbedError
from testbed.plan.clock import HOUR_S, clock_text, span_text
from testbed.plan.expectation import Crack, Outcome
from testbed.report import nights, rises
from testbed.report.counted import counted
from testbed.report.rows import Nothing, Rows
from testbed.report.since_fault import since_fault
from testbed.report.terminal import plain_console
from testbed.verdict import thread_dumps
from testbed.verdict.finding import Verdict
from testbed.verdict.latency import AFTER, BEFORE
from testbed.verdict.stuck_spans import together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console, ConsoleOptions, RenderableType

    from testbed.report.nights import Night
    from testbed.verdict.figures import Figures
    from testbed.verdict.judge import Judgement

PICTURE_COLUMNS = 110
FONT_FACE = re.compile(r"@font-face \{[^}]*\}\s*")  # rich's is fetched from the web; the reader's own font is enough
WAITS = "median, 90 %, 99 %,\nlongest (answered)"
DONE_NOTHING = "nothing"  # the do-nothing fault

STYLE = {Verdict.HELD: "bold green", Verdict.BROKEN: "bold red", Verdict.UNKNOWN: "bold yellow"}
OUTCOME_STYLE = {None: "yellow", Outcome.GROUNDED: "bold red", Outcome.CONTAINED: "bold green", Outcome.UNHARMED: "bold green"}


def side_by_side(judgements: Sequence[Judgement]) -> RenderableType:
    """Return the tables of each night: what became of each variant, what it cost, and what rises for good where that was asked.

    Variants stand side by side as far as the terminal is wide enough to read them, and the others below.
    """
    return Group(*map(_Report, nights.of(judgements)))


def draw(judgements: Sequence[Judgement], path: Path) -> None:
    """Write the same as a picture (SVG); raises TestbedError if the file cannot be written."""
    console = plain_console(record=True, width=PICTURE_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(side_by_side(judgements))
    scenarios = dict.fromkeys(judgement.figures.header.scenario for judgement in judgements)
    svg = FONT_FACE.sub("", console.export_svg(title=f"testbed replay {', '.join(scenarios)}"))
    try:
        path.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise TestbedError(f"the picture cannot be written to {path}: {error.strerror}; give another file with --svg") from error


@dataclass(frozen=True, slots=True)
class _Report:
    """The tables of one night, as wide as the terminal."""

    night: Night

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        names = [column.name for column in self.night.columns]
        for rows in (night_rows(self.night), rises.rows(self.night), cost_rows(self.night)):
            yield from rows.tables(names, options.max_width)


def night_rows(night: Night) -> Rows:
    """Return what became of each variant of a night, a row for each question; rows that tell nothing of any variant are left out."""
    rows: list[tuple[str, Callable[[Judgement], RenderableType]]] = [
        ("done", lambda judgement: _done(judgement.figures)),
        ("quiet hours", lambda judgement: _quiet(judgement.figures)),
        ("first trouble", lambda judgement: _first_trouble(judgement.figures)),
        ("connections leaked", lambda judgement: _leaked(judgement.figures)),
        ("request threads", lambda judgement: _blocked(judgement.figures)),
        ("health checks", lambda judgement: _health(judgement.figures)),
        (f"wait before the fault\n{WAITS}", lambda judgement: _waits(judgement.figures, BEFORE)),
        (f"wait after the fault\n{WAITS}", lambda judgement: _waits(judgement.figures, AFTER)),
        (f"wait for an answer\n{WAITS}", lambda judgement: _waits(judgement.figures, None)),
        ("circuit breakers", lambda judgement: _breakers(judgement.figures)),
        ("outcome", _outcome),
        ("crack", crack_text),
        ("verdict", verdict_text),
        ("every caller hung", lambda judgement: _to_hang(judgement.figures)),
    ]
    return Rows(night.title, "", [(name, [cell(judgement) for judgement in night.judgements]) for name, cell in rows], apart=True).told()


def _waits(figures: Figures, half: str | None) -> str:
    """Format how long passengers of each caller waited, and how many of them were answered, before or after the first fault.

    Without a fault there is only one such row, for which `half` is None.
    """
    if (half is None) is not (figures.first_fault is None):
        return Nothing("no fault" if half else "a fault")
    lines = []
    for caller, halves in figures.latency.items():
        wait = halves[half or BEFORE]
        asked = wait.answered + wait.failed + wait.unanswered
        if asked:
            waited = _until_never((wait.median_s, wait.p90_s, wait.p99_s, wait.longest_s)) if asked > wait.failed else "nobody"
            lines.append(f"{caller}: {waited} ({wait.answered} of {asked})")
    return "\n".join(lines) or Nothing("nobody asked")


def _until_never(seconds: Iterable[float | None]) -> str:
    """Format rising seconds; what comes after a `never` is never, too, and left out."""
    values = tuple(seconds)
    told = [f"{value:.2f}" for value in takewhile(lambda value: value is not None, values)]
    return ", ".join(told) + " s" if len(told) == len(values) else ", ".join([*told, "never"])


def _outcome(judgement: Judgement) -> Text:
    return Text.assemble((judgement.outcome or "unknown", OUTCOME_STYLE[judgement.outcome]), f": {judgement.reason.text}")


def crack_text(judgement: Judgement) -> str:
    """Format how far the trouble went, and what was seen of it; a night can be unharmed although much of the airline was stuck."""
    crack = judgement.crack
    answered = judgement.reason.code in ("all_answered", "late")
    least = "unknown, at least " if judgement.reason.code == "not_complete" else "at least " if len(judgement.cracks) > 1 else ""
    if crack is Crack.NOTHING:
        return "unknown" if least else f"{crack}, {crack.word}"
    if crack is Crack.LOOKUP:
        seen = "transactions failed or were never answered"
    elif crack is Crack.POOL:
        seen = "connections leaked"
    else:
        seen = _stuck_text(judgement)
    return f"{least}{crack}, {crack.word}: {'every transaction was answered, but ' if answered else ''}{seen}"


def _stuck_text(judgement: Judgement) -> str:
    """Format which services were stuck, on the side that the crack names, and for how long at most."""
    figures, crack = judgement.figures, judgement.crack
    facility = figures.header.facility
    callers = crack >= Crack.CALLER
    services = facility.callers if callers else facility.application_servers
    stuck = [service for service in services if figures.spans[service]]
    at_once = crack in (Crack.FACILITY, Crack.AIRLINE)
    who = f"every {'caller' if callers else 'application server'}" if at_once else " and ".join(stuck)
    spans = together(figures.spans, services) if at_once else [span for service in stuck for span in figures.spans[service]]
    longest_s = max(span.to_s - span.from_s for span in spans)
    to_the_end = callers and set(stuck) <= set(figures.stuck_at_end)
    was = "was" if at_once or len(stuck) == 1 else "were"
    return f"{who} {was} stuck, {'to the end' if to_the_end else f'for up to {longest_s:.1f} real s'}"


def verdict_text(judgement: Judgement) -> Text:
    """Format the verdict with its reason: what did not hold is told below the tables, by these names."""
    verdict = judgement.verdict
    unmet = judgement.doubts or [finding for finding in judgement.findings if finding.verdict is verdict]
    expected = dict(judgement.figures.header.expect)
    if verdict is not Verdict.HELD:
        why = ", ".join(finding.check for finding in unmet)
    elif set(expected) == {"outcome"} and set(expected["outcome"]) == set(Outcome):
        why = "the scenario expects nothing of it"
    else:
        why = "as the scenario expects"
    return Text.assemble((verdict.value, STYLE[verdict]), f": {why}")


def _done(figures: Figures) -> str:
    """Format each fault and operation, in the order in which they began: from when to when it was active, or was carried out."""
    ends = {operation.id: operation for operation in figures.operations}
    lines = []
    for begin in figures.begins:
        began, end = clock_text(begin.night_s), ends.get(begin.id)
        if begin.operation == DONE_NOTHING:
            continue
        if end is None:
            lines.append(f"{began} {begin.operation} began, and did not end")
            continue
        how, until = ("completed" if end.state == "end" else "FAILED"), clock_text(end.night_s)
        if begin.id in figures.active_until_night_s:  # what stays is not over when its last step is
            healed_s = figures.active_until_night_s[begin.id]
            until = "the night's end" if healed_s is None else clock_text(healed_s)
            how = "injected" if end.state == "end" else how
        reason = f"; {begin.reason}" if begin.reason else ""
        lines.append(f"{began} to {until} {end.operation}, {how} in {end.duration_s or 0:.2f} real s: {end.detail}{reason}")
    return "\n".join(lines) or Nothing("nothing was done")


def _quiet(figures: Figures) -> str:
    """Format the longest time without a passenger between fault and trouble, if it is one of hours: nobody asked for anything."""
    start_s, length_s = figures.quiet_night_s
    if figures.first_fault is None or length_s < HOUR_S:
        return Nothing("not an hour")
    from_, to = (clock_text(at_s, seconds=False) for at_s in (start_s, start_s + length_s))
    return f"{from_} to {to}: {span_text(length_s)} without a passenger"


def _first_trouble(figures: Figures) -> str:
    if figures.first_trouble is None:
        return Nothing("none")
    first, night_s = figures.first_trouble
    what = f"{clock_text(night_s)} {first.request.caller} {first.request.transaction}"
    if first.ended == "unanswered":
        return f"{what}, sent {'then' if night_s == first.request.night_s else 'before'}, was never answered"
    never = figures.first_unanswered_night_s
    return f"{what} {first.ended}" + (f"\n{clock_text(never)} the first that was never answered" if never is not None else "")


def _leaked(figures: Figures) -> RenderableType:
    """Format how many connections of each server are leaked at the end, and were before a restart; servers without any are left out."""
    lines = []
    for service, count in figures.leaked_connections.items():
        most = figures.most_leaked_connections[service] or 0
        if count is None:
            lines.append(Text(f"{service}: unknown", "yellow"))
        elif most or count:
            limit = "a pool without a limit" if figures.pool_limit == float("inf") else f"{figures.pool_limit:.0f}"
            lines.append(Text(f"{service}: {count} of {limit}" + (f" at the end, {most} before" if most > count else ""), "red"))
    return Text("\n").join(lines) if lines else _none("none", figures, "leaked_connections")


def _blocked(figures: Figures) -> RenderableType:
    """Format where the request threads of each service were blocked when it was last stuck; services that never were are left out."""
    lines = []
    for service, count in figures.blocked_request_threads.items():
        dump = figures.dumps.get(service)
        if not count:
            lines += [Text(f"{service}: unknown", "yellow")] if service in figures.evidence.unseen else []
        elif dump is not None and not dump.error:
            lines.append(Text(thread_dumps.dump_text(dump), "red"))
        else:
            why = f" ({dump.error})" if dump is not None else ""
            lines.append(Text(f"{service}: {count} of {figures.header.facility.request_threads} blocked{why}", "red"))
    return Text("\n").join(lines) if lines else _none("none blocked", figures, "servers_blocked_at", "callers_blocked_at")


def _none(text: str, figures: Figures, *expected: str) -> str:
    """Return the text of what did not happen; worth a row if the scenario speaks of it."""
    return text if any(name in figures.header.expect for name in expected) else Nothing(text)


def _health(figures: Figures) -> str:
    checks = figures.health.values()
    count = sum(check.count for check in checks)
    return f"{sum(check.green for check in checks)} of {count} green" if count else "unknown: none was made"


def _breakers(figures: Figures) -> RenderableType:
    """Format what the circuit breaker of each caller did."""
    lines = []
    for caller, counts in figures.breakers.items():
        if counts is None:
            lines.append(Text(f"{caller}: unknown", "yellow"))
            continue
        times = "once" if counts.opened == 1 else f"{counts.opened} times"
        lines.append(Text(f"{caller}: opened {times}, {counted(counts.let_through, 'call')} let through, {counts.refused} refused"))
    return Text("\n").join(lines) if lines else Nothing("none")


def _to_hang(figures: Figures) -> RenderableType:
    if figures.hang is None:
        return Nothing("never hung")
    after = since_fault(figures) or "before any fault"
    return Text(f"at {clock_text(figures.hang.night_s)}, {after}", "bold red")


def cost_rows(night: Night) -> Rows:
    """Return how each kind of transaction ended, unless all were answered; in words, because columns of numbers fit no terminal."""
    figures = [judgement.figures for judgement in night.judgements]
    counts = [of_variant.transactions for of_variant in figures]
    totals: list[Counter[str]] = [Counter() for _ in figures]
    rows: list[tuple[str, list[RenderableType]]] = []
    for caller, name in sorted({(caller, name) for by_caller in counts for caller, names in by_caller.items() for name in names}):
        cells: list[RenderableType] = []
        for of_variant, total in zip(figures, totals, strict=True):
            ends = of_variant.transactions.get(caller, {}).get(name, {}).get(of_variant.judged_half, {})
            total.update(ends)
            cells.append(_ends(ends))
        rows.append((f"{caller} {name}", cells))
    if not any(total["failed"] or total["unanswered"] for total in totals):
        rows = []
    faults = [of_variant.first_fault is not None for of_variant in figures]
    when = (" after the first fault" if all(faults) else " after the first fault, where there was one") if any(faults) else ""
    return Rows(
        f"What it cost: transactions{when}", "caller, transaction", rows and [*rows, ("all", [*map(_ends, totals)])], total=True
    ).told()


def _ends(ends: Mapping[str, int]) -> RenderableType:
    """Format how many ended in each way; ways that did not occur are left out."""
    style = {"answered": "", "failed": "yellow", "unanswered": "bold red"}
    counts = [Text(f"{ends[ended]} {ended}", style[ended]) for ended in style if ends.get(ended)]
    return Text(", ").join(counts) if counts else Nothing("none")


def findings(judgements: Sequence[Judgement]) -> Text:
    """Format the findings that did not hold, how many did, and the path of each journal; print it without breaking its lines."""
    lines: list[Text] = []
    several = nights.of(judgements)
    for of_night, column in ((each, column) for each in several for column in each.columns):
        name, judgement = column.name if len(several) == 1 else f"{of_night.name}, {column.name}", column.judgement
        unmet = [finding for finding in judgement.findings if finding.verdict is not Verdict.HELD]
        held = len(judgement.findings) - len(unmet)
        lines.append(Text(f"{name}: {held} of {len(judgement.findings)} checks held; journal {judgement.figures.journal}"))
        for finding in unmet:
            facts = f" ({', '.join(finding.facts)})" if finding.facts else ""
            lines.append(Text.assemble((f"  {finding.verdict.value} ", STYLE[finding.verdict]), f"{finding.check}: {finding.text}{facts}"))
    return Text("\n").join(lines)
