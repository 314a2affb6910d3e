"""The scan as people read it: map, table and list, for the terminal and as a page of Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from testbed.experiments.scan.effect import GOES_ON, HURTS, STOPS, UNKNOWN
from testbed.verdict.rate import interval_text, range_text

if TYPE_CHECKING:
    from testbed.experiments.scan.effect import Effect, Scan, VariantScan

STYLE = {STOPS: "red", HURTS: "yellow", GOES_ON: "green", UNKNOWN: "dim"}
NOT_TRIED = "-"
NO_BREAK = "\N{NO-BREAK SPACE}"
HOW_TO_READ = (
    "`stops`: none of those that were due in the second half of the time from the fault to the night's end was answered; `hurts`: some; "
    "`goes on`: all; `unknown`: the journal does not show it. After it stand how many were answered, the 95 % interval of their share "
    "(Wilson's; of several replays, from the least to the most that any of them allows), and the outcome of the airline and the crack "
    "(0 nothing to 6 airline), of several replays the worst."
)


def short(effect: Effect | None) -> str:
    """Format an effect in a word, with the answered share, rounded down, and its interval if it hurts; a cell of the terminal's table."""
    if effect is None:
        return NOT_TRIED
    share = f" {100 * effect.answered // effect.due} %\n{range_text(*_interval(effect))}" if effect.effect == HURTS else ""
    return f"{effect.effect}{share}".replace(" ", NO_BREAK)


def long(effect: Effect | None) -> str:
    """Format an effect with its counts and interval."""
    if effect is None or effect.effect == UNKNOWN:
        return short(effect)
    return f"{effect.effect} ({effect.answered} of {effect.due}: {interval_text(*_interval(effect))})"


def _interval(effect: Effect) -> tuple[float, float]:
    return 0.0 if effect.low is None else effect.low, 1.0 if effect.high is None else effect.high


def certainty_lines(over: VariantScan) -> list[str]:
    """Return how sure the words without a number are: for each a line, with the widest interval of all effects that have it."""
    lines = []
    for word in (STOPS, GOES_ON):
        known = [effect for effect in over.effects if effect.effect == word]
        if known:
            widest = max(known, key=lambda effect: (effect.high or 0.0) - (effect.low or 0.0))
            lines.append(
                f"{word}: {widest.answered} of {widest.due} at the fewest, so {interval_text(*_interval(widest))} are answered, at 95 %"
            )
    return lines


def map_lines(over: VariantScan) -> tuple[str, ...]:
    """Return the map: a line for all links with the same clients."""
    behind: dict[tuple[str, ...], list[str]] = {}
    for point in over.points:
        behind.setdefault(point.who, []).append(point.link)
    return tuple(f"{', '.join(who) or 'nobody'} ─> {', '.join(links)}" for who, links in behind.items())


def _links(over: VariantScan) -> list[str]:
    tried = {effect.link for effect in over.effects}
    return [point.link for point in over.points if point.link in tried]


def _rows(over: VariantScan) -> list[tuple[str, list[Effect | None]]]:
    """Return a row for each fault, with its effect on each link."""
    by_pair = {(effect.fault, effect.link): effect for effect in over.effects}
    return [(word, [by_pair.get((word, link)) for link in _links(over)]) for word in sorted({effect.fault for effect in over.effects})]


def table(over: VariantScan) -> Table:
    """Return a table for a terminal: a row for each fault, a column for each link."""
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    drawn.add_column("fault", no_wrap=True)
    for link in _links(over):
        drawn.add_column(link, no_wrap=True)
    for word, effects in _rows(over):
        drawn.add_row(word, *(Text(short(effect), STYLE[effect.effect] if effect else "dim") for effect in effects))
    return drawn


def single_point_lines(over: VariantScan, transaction: str, bullet: str = "  ") -> list[str]:
    """Return a heading, a line (after `bullet`) for each single point of failure with its faults, and the links that are none."""
    single = over.single_points
    others = [link for link in _links(over) if link not in single]
    lines = [f"Single points of failure of {transaction}, over {over.variant}:{'' if single else ' none'}"]
    lines += [f"{bullet}{link}: {', '.join(faults)}" for link, faults in single.items()]
    return [*lines, f"Nothing that was tried stops it at: {', '.join(others)}"] if others else lines


def unknown_lines(over: VariantScan) -> list[str]:
    """Return a line for each unknown effect, with the reason; before them one about a control run that did not go on."""
    lines = []
    if over.control.effect != GOES_ON:
        why = over.control.unknown or f"{over.control.answered} of {over.control.due} were answered"
        lines.append(
            f"the control run over {over.variant}, with nothing broken, does not go on ({why}): the effects may not be the faults'"
        )
    return lines + [f"unknown: {effect.link} {effect.fault}: {effect.unknown}" for effect in over.effects if effect.effect == UNKNOWN]


def markdown(scan: Scan) -> str:
    """Return the page: for each variant the map, the table with counts and the airline's outcome and crack, and the list."""
    parts = [
        f"# Which links stop {scan.transaction}",
        f"Made by `{scan.made_by}`, of the scenario {scan.scenario} on {scan.runtime}. {HOW_TO_READ}",
        *(f"Left out: {line}." for line in scan.left_out),
    ]
    for over in scan.variants:
        links = _links(over)
        rows = [["fault", *links], ["---"] * (len(links) + 1)]
        rows += [[f"`{word}`", *(_cell(effect) for effect in effects)] for word, effects in _rows(over)]
        parts += [
            f"## {over.variant}",
            "\n".join(f"    {line}" for line in map_lines(over)),
            "\n".join(f"| {' | '.join(row)} |" for row in rows),
            f"With nothing broken: {long(over.control)}.",
            *single_point_lines(over, scan.transaction, bullet="- "),
            *unknown_lines(over),
        ]
    return "\n\n".join(parts) + "\n"


def _cell(effect: Effect | None) -> str:
    if effect is None or effect.effect == UNKNOWN:
        return long(effect)
    return f"{long(effect)}; {effect.outcome or 'outcome unknown'}, {effect.crack}"
