"""Plans as people read them, before anything is started: the list of scenarios, and the plan of each."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from testbed.plan.clock import clock_text, span_text
from testbed.report.counted import counted
from testbed.report.fitted import Column, FittedTable
from testbed.report.settings import REAL_S, given, name_text, setting_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from testbed.plan.night import NightPlan
    from testbed.plan.scenario import PlannedStep, Scenario, Variant
    from testbed.plan.trace import Trace

ALL = "all"  # of the night


def scenarios(known: Sequence[Scenario], origins: Mapping[str, str], variant_origins: Mapping[str, str]) -> Table:
    """Return a table of the scenarios; its caption has the origin, by name, of scenarios and variants that are not the package's."""
    own = [f"scenario {name}: {origin}" for name, origin in origins.items()]
    own += [f"variant {name}: {origin}" for name, origin in variant_origins.items()]
    drawn = Table(title="Scenarios", box=box.SIMPLE_HEAD, caption=Text("\n".join(own)) if own else None, caption_justify="left")
    drawn.add_column("scenario", no_wrap=True)
    drawn.add_column("what happens, and the facts it shows", ratio=2)
    drawn.add_column("variant: expected", ratio=1)
    for scenario in known:
        shows = Text.assemble(f"{scenario.title}. {scenario.summary}".strip(), "\n", (" ".join(scenario.facts), "dim"))
        drawn.add_row(scenario.name, shows, "\n".join(_expected(scenario)))
    return drawn


def plan(scenario: Scenario, sent: Trace) -> RenderableType:
    """Return the plan of a scenario: the night, each step with its time on both clocks, passengers, and each variant's expectations."""
    night, facility = scenario.night, scenario.facility
    clock = night.clock()
    words = Text(
        f"{scenario.name}: {f'{scenario.title}. {scenario.summary}'.strip()}\n"
        f"facility: {', '.join((*facility.server_names, *facility.callers))}; {counted(facility.request_threads, 'request thread')} each, "
        f"and {counted(facility.pool_size, 'connection')} in the pool of each application server\n"
        f"night: {night.date}, {night.from_} to {night.to}, "
        f"{span_text(night.to_s - night.from_s)} in {clock.real_s(night.to_s):.1f} real seconds; "
        f"{' to '.join(f'{speed:g}' for speed in sorted({min(clock.speeds), max(clock.speeds)}))} seconds of the night in a real one"
    )
    headings = ("step", "due", "real s", "what")
    steps = FittedTable([Column(heading, "right" if heading == "real s" else "left") for heading in headings], title="Timeline")
    for number, step in enumerate(scenario.steps, start=1):
        if step.at_night_s is None:
            due, real = f"when {step.when}, within {_both(step.within_s, night)}", ""
        else:
            due, real = clock_text(step.at_night_s), f"{clock.real_s(step.at_night_s):.2f}"
        steps.add_row(str(number), due, real, _what(step, night))
    return Group(words, steps, _passengers(sent), _variants(scenario.variants, night))


def _what(step: PlannedStep, night: NightPlan) -> str:
    settings = given(step.word, asdict(step.action), lambda name, value: _setting(name, value, night, step.at_night_s))
    return "\n  ".join([step.word, *settings])


def _variants(variants: Sequence[Variant], night: NightPlan) -> FittedTable:
    """Return a table of the variants: the settings that differ from `original`, and every expectation."""
    drawn = FittedTable([Column(heading) for heading in ("variant", "what it sets", "what is expected of it")], title="Variants")
    for variant in variants:
        roles = variant.settings.model_dump(exclude_defaults=True)
        sets = [_setting(name, value, night) for settings in roles.values() for name, value in settings.items()]
        expected = variant.expect.model_dump(exclude_none=True)
        expects = [
            _setting(name, " or ".join(map(str, value)) if isinstance(value, tuple) else value, night) for name, value in expected.items()
        ]
        drawn.add_row(variant.name, "\n".join(sets) or "nothing", "\n".join(expects))
        drawn.add_section()
    return drawn


def _setting(name: str, value: object, night: NightPlan, at_night_s: float | None = None) -> str:
    """Format a setting in words: `pool_checkout_timeout_s` of 2.0 is `pool checkout timeout: 2 real s (2 h 00 min of the night)`."""
    stem, _, unit = name.rpartition("_")
    if unit in REAL_S and isinstance(value, int | float):
        return f"{name_text(stem)}: {_both(value * REAL_S[unit], night, at_night_s)}"
    return setting_text(name, value)


def _both(real_s: float, night: NightPlan, at_night_s: float | None = None) -> str:
    """Format real seconds, and their length in the night: from a time on, or where the night goes slowest and fastest."""
    real, unit = (f"{real_s:g}", "s") if real_s >= 1 or not real_s else (f"{real_s * 1000:g}", "ms")
    clock, whole_s = night.clock(), night.to_s - night.from_s
    if at_night_s is None:
        spans_s = [real_s * speed for speed in (min(clock.speeds), max(clock.speeds))]
    else:
        spans_s = [clock.night_s(clock.real_s(at_night_s) + real_s) - at_night_s]
    if not real_s or spans_s == [real_s]:
        return f"{real} {unit}"
    spans = list(dict.fromkeys(span_text(span_s) if span_s < whole_s else ALL for span_s in spans_s))
    if len(spans) == 1:
        words = f"{spans[0]} of the night"
    else:
        words = f"by pace, {spans[0]} of the night up to all of it" if spans[1] == ALL else f"by pace, {' to '.join(spans)} of the night"
    return f"{real} real {unit} ({words})"


def _passengers(sent: Trace) -> FittedTable:
    """Return a table of the requests of each kind, by hour of the night."""
    kinds = Counter((request.caller, request.transaction) for request in sent.requests)
    hours = sorted({int(request.due_night_s // 3600) for request in sent.requests})
    drawn = FittedTable(
        [
            Column("caller, transaction", least=20),
            *(Column(heading, "right") for heading in (*(f"{hour % 24:02}h" for hour in hours), "all")),
        ],
        title=f"Passengers: {counted(len(sent.requests), 'request')}, seed {sent.header.seed}",
    )
    by_hour = Counter((request.caller, request.transaction, int(request.due_night_s // 3600)) for request in sent.requests)
    for caller, name in sorted(kinds):
        drawn.add_row(f"{caller} {name}", *(str(by_hour[caller, name, hour]) for hour in hours), str(kinds[caller, name]))
    return drawn


def _expected(scenario: Scenario) -> list[str]:
    return [f"{variant.name}: {' or '.join(variant.expect.outcome)}" for variant in scenario.variants]
