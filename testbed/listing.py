"""Plans as people read them, before anything is started: which scenarios there are, and what one of them will do."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from testbed.clock import clock_text, span_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from testbed.scenario import PlannedStep, Scenario
    from testbed.trace import Trace


def scenarios(known: Sequence[Scenario], origins: Mapping[str, str], variant_origins: Mapping[str, str]) -> Table:
    """Draw the list of scenarios; below, where those and the variants come from that are not the package's (`origins`, by name)."""
    own = [f"scenario {name}: {origin}" for name, origin in origins.items()]
    own += [f"variant {name}: {origin}" for name, origin in variant_origins.items()]
    drawn = Table(title="Scenarios", box=box.SIMPLE_HEAD, caption=Text("\n".join(own)) if own else None, caption_justify="left")
    drawn.add_column("scenario", no_wrap=True)
    drawn.add_column("what happens, and the facts it shows", ratio=2)
    drawn.add_column("variant: expected", ratio=1)
    for one in known:
        shows = Text.assemble(f"{one.title}. {one.summary}".strip(), "\n", (" ".join(one.facts), "dim"))
        drawn.add_row(one.name, shows, "\n".join(_expected(one)))
    return drawn


def plan(scenario: Scenario, sent: Trace) -> RenderableType:
    """Draw one scenario: the night, every step with its time on both clocks, the passengers, and what is expected of whom."""
    night, facility = scenario.night, scenario.facility
    clock = night.clock()
    words = Text(
        f"{scenario.name}: {scenario.title}. {scenario.summary}\n"
        f"facility: {', '.join((*facility.server_names, *facility.callers))}; {facility.request_threads} request threads each, "
        f"{facility.pool_size} connections each application server\n"
        f"night: {night.date}, {night.from_} to {night.to}, "
        f"{span_text(night.to_s - night.from_s)} in {clock.real_s(night.to_s):.1f} real seconds"
    )
    steps = Table(box=box.SIMPLE_HEAD, title="Timeline")
    for heading in ("step", "due", "real s", "what"):
        steps.add_column(heading, justify="right" if heading == "real s" else "left")
    for number, step in enumerate(scenario.steps, start=1):
        if step.at_night_s is None:
            due, real = f"when {step.when}, within {step.within_s:g} real s", ""
        else:
            due, real = clock_text(step.at_night_s), f"{clock.real_s(step.at_night_s):.2f}"
        steps.add_row(str(number), due, real, _what(step))
    return Group(words, steps, _passengers(sent), "\n".join(["expected:", *(f"  {line}" for line in _expected(scenario))]))


def _what(step: PlannedStep) -> str:
    parameters = asdict(step.action)
    return " ".join([step.word, *(f"{name}={value}" for name, value in parameters.items())])


def _passengers(sent: Trace) -> Table:
    """Draw how many requests of each kind the night has, and how they lie over its hours."""
    drawn = Table(box=box.SIMPLE_HEAD, title=f"Passengers: {len(sent.requests)} requests, seed {sent.header.seed}")
    kinds = Counter((one.caller, one.transaction) for one in sent.requests)
    hours = sorted({int(one.due_night_s // 3600) for one in sent.requests})
    drawn.add_column("caller, transaction")
    for hour in hours:
        drawn.add_column(f"{hour % 24:02}h", justify="right")
    drawn.add_column("all", justify="right")
    by_hour = Counter((one.caller, one.transaction, int(one.due_night_s // 3600)) for one in sent.requests)
    for caller, name in sorted(kinds):
        drawn.add_row(f"{caller} {name}", *(str(by_hour[caller, name, hour]) for hour in hours), str(kinds[caller, name]))
    return drawn


def _expected(scenario: Scenario) -> list[str]:
    return [f"{variant.name}: {' or '.join(variant.expect.outcome)}" for variant in scenario.variants]
