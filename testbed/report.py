"""What people read: the variants of a night side by side, from journals and judgements and nothing else."""

from __future__ import annotations

import io
import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from testbed import dumped, outcome
from testbed.checks import Verdict
from testbed.clock import clock_text, span_text
from testbed.console import plain
from testbed.errors import TestbedError
from testbed.events import Operation, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from rich.console import RenderableType

    from testbed.journal import Journal
    from testbed.verdict import Judgement

PICTURE_COLUMNS = 110
FONT_FACE = re.compile(r"@font-face \{[^}]*\}\s*")  # rich's would be fetched from elsewhere; the reader's own will do

Judged = tuple["Journal", "Judgement"]
STYLE = {Verdict.HELD: "bold green", Verdict.BROKEN: "bold red", Verdict.UNKNOWN: "bold yellow"}
OUTCOME_STYLE = {outcome.GROUNDED: "bold red", outcome.CONTAINED: "bold green", outcome.UNHARMED: "bold green"}


def side_by_side(judged: Sequence[Judged]) -> RenderableType:
    """Draw the night: what was done, what was seen, what became of it; then what it cost."""
    return Group(_night(judged), _cost(judged))


def draw(judged: Sequence[Judged], path: Path) -> None:
    """Write the same as a picture (SVG); raises TestbedError when the file cannot be written."""
    console = plain(record=True, width=PICTURE_COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(side_by_side(judged))
    svg = FONT_FACE.sub("", console.export_svg(title=f"testbed replay {judged[0][0].header.scenario}"))
    try:
        path.write_text(svg, encoding="utf-8")
    except OSError as error:
        raise TestbedError(f"the picture cannot be written to {path}: {error.strerror}") from error


def _night(judged: Sequence[Judged]) -> Table:
    header = judged[0][0].header
    drawn = Table(
        title=Text(f"{header.title}\n{header.night.date}, {header.scenario}, seed {header.seed}"),
        box=box.SIMPLE_HEAD,
        show_lines=True,
    )
    drawn.add_column("", no_wrap=True)
    for kept, _ in judged:
        drawn.add_column(kept.header.variant, ratio=1)
    rows: list[tuple[str, Callable[[Journal, Judgement], RenderableType]]] = [
        ("done", lambda kept, _: _done(kept)),
        ("quiet hours", lambda kept, _: _quiet(kept)),
        ("first trouble", lambda kept, _: _first_trouble(kept)),
        (
            "connections leaked",
            lambda kept, _: _by_service(outcome.leaked_connections(kept), kept.header.facility.pool_size),
        ),
        ("request threads", lambda kept, _: _blocked(kept)),
        ("health checks", lambda kept, _: _health(kept)),
        (
            "outcome",
            lambda _, judgement: Text(judgement.outcome or "cannot be told", OUTCOME_STYLE.get(judgement.outcome or "", "yellow")),
        ),
        ("crack", lambda _, judgement: f"{judgement.crack}, {outcome.CRACK[judgement.crack]}"),
        ("verdict", lambda _, judgement: Text(judgement.verdict.value, STYLE[judgement.verdict])),
        ("first fault to hang", lambda kept, _: _to_hang(kept)),
    ]
    for name, cell in rows:
        drawn.add_row(name, *(cell(kept, judgement) for kept, judgement in judged))
    return drawn


def _done(kept: Journal) -> str:
    lines = []
    for one in kept.of(Operation):
        if one.state != "begin":
            how = "completed" if one.state == "end" else "FAILED"
            lines.append(f"{clock_text(one.night_s)} {one.operation} {how} in {one.duration_s or 0:.2f} s: {one.detail}")
    return "\n".join(lines) or "nothing was done"


def _quiet(kept: Journal) -> str:
    begin = outcome.first_fault(kept)
    since_s = kept.header.night.from_s if begin is None else begin.night_s
    times = [since_s, *sorted(one.request.night_s for one in kept.transactions if one.request.night_s > since_s)]
    longest_s, start_s = max(((later - earlier, earlier) for earlier, later in pairwise(times)), default=(0.0, since_s))
    from_, to = (clock_text(at_s, seconds=False) for at_s in (start_s, start_s + longest_s))
    return f"{from_} to {to}: {span_text(longest_s)} without a passenger"


def _first_trouble(kept: Journal) -> str:
    bad = [one for one in kept.transactions if one.ended != "answered"]
    if not bad:
        return "none"
    first = min(bad, key=lambda one: one.request.night_s)
    what = f"{first.request.caller} {first.request.transaction} {first.ended}"
    waiting = [one.request.night_s for one in bad if one.ended == "unanswered"]
    lines = [f"{clock_text(first.request.night_s)} {what}"]
    if waiting:
        lines.append(f"{clock_text(min(waiting))} the first that was never answered")
    return "\n".join(lines)


def _by_service(counts: dict[str, int], of: int) -> Text:
    return Text("\n").join(Text(f"{service}: {count} of {of}", "red" if count else "") for service, count in counts.items())


def _blocked(kept: Journal) -> Text:
    lines = []
    blocked = outcome.blocked_request_threads(kept)
    for service, count in blocked.items():
        dump = dumped.last_of(kept, service)
        if count and dump is not None:
            lines.append(Text(dumped.told(dump), "red"))
        else:
            lines.append(Text(f"{service}: {count} of {kept.header.facility.request_threads} blocked", "red" if count else ""))
    return Text("\n").join(lines) if any(blocked.values()) else Text("none blocked")


def _health(kept: Journal) -> str:
    samples = [one for one in kept.of(Sample) if one.service in outcome.services(kept)]
    green = sum(one.health for one in samples)
    return f"{green} of {len(samples)} green"


def _to_hang(kept: Journal) -> Text:
    took_s = outcome.time_to_hang_s(kept)
    if took_s is None:
        return Text("never hung", "green")
    hung = outcome.hang(kept)
    assert hung is not None
    return Text(f"{span_text(took_s)} of the night, at {clock_text(hung.night_s)}", "bold red")


def _cost(judged: Sequence[Judged]) -> Table:
    """Draw what became of every kind of transaction; in words, because columns of numbers for each variant fit no terminal."""
    some_fault = any(outcome.first_fault(kept) for kept, _ in judged)
    half = "after" if some_fault else "before"
    drawn = Table(title=f"What it cost: transactions{' after the first fault' if some_fault else ''}", box=box.SIMPLE_HEAD)
    drawn.add_column("caller, transaction")
    for kept, _ in judged:
        drawn.add_column(kept.header.variant)
    counts = [outcome.transactions(kept) for kept, _ in judged]
    totals: list[Counter[str]] = [Counter() for _ in judged]
    for caller, name in sorted({(caller, name) for one in counts for caller, names in one.items() for name in names}):
        cells = []
        for one, total in zip(counts, totals, strict=True):
            ends = one.get(caller, {}).get(name, {}).get(half, {})
            total.update(ends)
            cells.append(_ends(ends))
        drawn.add_row(f"{caller} {name}", *cells)
    drawn.add_section()
    drawn.add_row("all", *map(_ends, totals))
    return drawn


def _ends(ends: Mapping[str, int]) -> Text:
    """Tell how many ended in which way, leaving out what did not happen."""
    style = {"answered": "", "failed": "yellow", "unanswered": "bold red"}
    told = [Text(f"{ends[ended]} {ended}", style[ended]) for ended in style if ends.get(ended)]
    return Text(", ").join(told) if told else Text("none", "dim")


def findings(judged: Sequence[Judged]) -> Text:
    """Tell which findings did not hold, how many did, and where the journals are; to be printed without breaking its lines."""
    lines: list[Text] = []
    for kept, judgement in judged:
        bad = [one for one in judgement.findings if one.verdict is not Verdict.HELD]
        held = len(judgement.findings) - len(bad)
        lines.append(Text(f"{kept.header.variant}: {held} of {len(judgement.findings)} checks held; journal {kept.path}"))
        for one in bad:
            facts = f" ({', '.join(one.facts)})" if one.facts else ""
            lines.append(Text.assemble((f"  {one.verdict.value} ", STYLE[one.verdict]), f"{one.check}: {one.text}{facts}"))
    return Text("\n").join(lines)
