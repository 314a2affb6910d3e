"""The scan as people read it: map, table and list, for the terminal and as a page of Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from testbed.experiments.scan.effect import GOES_ON, HURTS, STOPS, UNKNOWN

if TYPE_CHECKING:
    from testbed.experiments.scan.effect import Effect, Scan, VariantScan

STYLE = {STOPS: "red", HURTS: "yellow", GOES_ON: "green", UNKNOWN: "dim"}
NOT_TRIED = "-"
NO_BREAK = "\N{NO-BREAK SPACE}"
HOW_TO_READ = (
    "`stops`: none of those that were due in the second half of the time from the fault to the night's end was answered; `hurts`: some; "
    "`goes on`: all; `unknown`: it cannot be told. After it, what became of the airline, and how far the "
    "crack went (0 nothing to 6 airline)."
)


def short(one: Effect | None) -> str:
    """Tell an effect in a word, and where it hurts the share that was answered, rounded down; a cell of the terminal's table."""
    if one is None:
        return NOT_TRIED
    share = f" {100 * one.answered // one.due} %" if one.effect == HURTS else ""
    return f"{one.effect}{share}".replace(" ", NO_BREAK)


def long(one: Effect | None) -> str:
    """Tell an effect with its counts."""
    if one is None or one.effect == UNKNOWN:
        return short(one)
    return f"{one.effect} ({one.answered} of {one.due})"


def map_lines(over: VariantScan) -> tuple[str, ...]:
    """Draw the map: a line for all links over which the same connect."""
    behind: dict[tuple[str, ...], list[str]] = {}
    for point in over.points:
        behind.setdefault(point.who, []).append(point.link)
    return tuple(f"{', '.join(who) or 'nobody'} ─> {', '.join(links)}" for who, links in behind.items())


def _links(over: VariantScan) -> list[str]:
    tried = {one.link for one in over.effects}
    return [point.link for point in over.points if point.link in tried]


def _rows(over: VariantScan) -> list[tuple[str, list[Effect | None]]]:
    """Give a row for each fault, with its effect on each link."""
    by_pair = {(one.fault, one.link): one for one in over.effects}
    return [(word, [by_pair.get((word, link)) for link in _links(over)]) for word in sorted({one.fault for one in over.effects})]


def table(over: VariantScan) -> Table:
    """Draw it for a terminal: a row for each fault, a column for each link."""
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    drawn.add_column("fault", no_wrap=True)
    for link in _links(over):
        drawn.add_column(link, no_wrap=True)
    for word, effects in _rows(over):
        drawn.add_row(word, *(Text(short(one), STYLE[one.effect] if one else "dim") for one in effects))
    return drawn


def found(over: VariantScan, transaction: str) -> list[str]:
    """List the single points of failure with the faults that make them so, and the links that are none."""
    single = over.single_points
    others = [link for link in _links(over) if link not in single]
    lines = [f"Single points of failure of {transaction}, over {over.variant}:{'' if single else ' none'}"]
    lines += [f"  {link}: {', '.join(faults)}" for link, faults in single.items()]
    return [*lines, f"Nothing that was tried stops it at: {', '.join(others)}"] if others else lines


def doubts(over: VariantScan) -> list[str]:
    """Tell what cannot be told, and why; first of all when something was amiss with nothing broken."""
    lines = []
    if over.control.effect != GOES_ON:
        why = over.control.unknown or f"{over.control.answered} of {over.control.due} were answered"
        lines.append(f"the control run over {over.variant}, with nothing broken, does not go on ({why}): none of this need be the faults'")
    return lines + [f"unknown: {one.link} {one.fault}: {one.unknown}" for one in over.effects if one.effect == UNKNOWN]


def markdown(scan: Scan) -> str:
    """Write the page: for each variant the map, the table with counts and the airline's outcome and crack, and the list."""
    parts = [
        f"# Which links stop {scan.transaction}",
        f"Made by `{scan.made_by}`, of the scenario {scan.scenario} on {scan.runtime}. {HOW_TO_READ}",
        *(f"Left out: {line}." for line in scan.left_out),
    ]
    for over in scan.variants:
        links = _links(over)
        rows = [["fault", *links], ["---"] * (len(links) + 1)]
        rows += [[f"`{word}`", *(_cell(one) for one in effects)] for word, effects in _rows(over)]
        parts += [
            f"## {over.variant}",
            "\n".join(f"    {line}" for line in map_lines(over)),
            "\n".join(f"| {' | '.join(row)} |" for row in rows),
            f"With nothing broken: {long(over.control)}.",
            *(f"- {line.strip()}" if line.startswith(" ") else line for line in [*found(over, scan.transaction), *doubts(over)]),
        ]
    return "\n\n".join(parts) + "\n"


def _cell(one: Effect | None) -> str:
    if one is None or one.effect == UNKNOWN:
        return long(one)
    return f"{long(one)}; {one.outcome or 'outcome unknown'}, {one.crack}"
