"""Nights on fakes: a scenario file of a few lines, replayed in virtual time by the real replay, for the tests of what acts."""

from __future__ import annotations

import functools
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from testbed import scenario_file
from testbed.errors import TestbedError
from testbed.experiments.header import header
from testbed.fakes.backend import FakeBackend
from testbed.fakes.builder import FakeBuilder
from testbed.fakes.virtual_time import run
from testbed.journal import reader
from testbed.journal.events import Counts, PoolSample, Sample
from testbed.journal.writer import JournalWriter
from testbed.plan import passengers, trace
from testbed.replay.display import SilentDisplay
from testbed.replay.replay import replay
from testbed.replay.running import Night

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from testbed.journal.events import Event, Header
    from testbed.journal.reader import Journal
    from testbed.plan.scenario import Scenario
    from testbed.replay.display import Display

# Seven hours in six virtual seconds, most of them for the morning, when people come. A quarter of the case's threads and connections,
# and of its passengers, go by four times as fast and come out the same.
SCENARIO = """
title = "A night on fakes"
{needs}
[facility]
{facility}

[night]
date = 2013-10-07
from = "22:00"
to = "05:10"
speed = 1200
pace = [
    {{ from = "22:00", to = "22:50", speed = 18000 }},
    {{ from = "22:50", to = "23:10", speed = 3600 }},
    {{ from = "23:10", to = "03:20", speed = 90000 }},
]

[workload]
seed = 7
rate_per_minute = {rate}

[workload.shares]
kiosk = {{ check_in = 34, reprint_boarding_pass = 5 }}
ivr = {{ flight_status = 27, baggage_allowance = 4 }}
partner = {{ search = 18, book = 9, fare_rules = 3 }}

{timeline}

[variants.original.expect]
outcome = "grounded"

[variants.fixed.expect]
outcome = "contained"

{variants}
"""
SMALL = "request_threads = 10\npool_size = 10\n"
RATE = 0.4
SWITCHOVER = '[[timeline]]\nat = "23:00"\nfault = "switchover"\n'
RESTART = '[[timeline]]\nwhen = "hung"\noperation = "restart"\n'
ONE_CALLER = 'callers = ["kiosk"]'


_traces: dict[str, trace.Trace] = {}


def trace_of(plan: Scenario) -> trace.Trace:
    """Return a scenario's trace, derived once for all scenarios that send the same."""
    key = f"{plan.night} {plan.workload}"
    if key not in _traces:
        _traces[key] = passengers.of(plan)
    return _traces[key]


def scenario(
    directory: Path,
    timeline: str = SWITCHOVER,
    *,
    facility: str = SMALL,
    variants: str = "",
    rate: float = RATE,
    needs: tuple[str, ...] = (),
) -> Scenario:
    """Return a scenario of a few lines, read from a file."""
    path = directory / "a_night.toml"
    text = SCENARIO.format(
        timeline=timeline, facility=facility, variants=variants, rate=rate, needs=f"needs = {list(needs)}\n" if needs else ""
    )
    if ONE_CALLER in facility:
        text = "\n".join(line for line in text.splitlines() if not line.startswith(("ivr", "partner")))
    path.write_text(text)
    return scenario_file.load(path)


class Flight:
    """A replay on fakes of one variant of a scenario; everything in it can be changed before `fly`."""

    def __init__(self, plan: Scenario, variant: str, directory: Path) -> None:
        self.variant = plan.variant(variant)
        self.plan = plan
        self.directory = directory
        self.path = directory / f"{variant}.jsonl"
        self.builder = FakeBuilder(plan.facility, self.variant.settings)
        self.display: Display = SilentDisplay()
        self.sent = trace_of(plan)
        self.night = Night(
            plan.night.clock(), plan.night.to_s, plan.steps, self.sent, longest_timeout_s=self.variant.settings.longest_timeout_s
        )
        self.writer: Callable[[Path, Header], JournalWriter] = JournalWriter

    async def replay(self) -> None:
        """Replay it, to be run in virtual time."""
        made = header(self.plan, self.variant, self.sent, FakeBackend(), 1)
        with self.writer(self.path, made) as writer:
            await replay(self.night, self.builder, writer, self.directory / self.variant.name, self.display)

    def fly(self) -> Journal:
        """Replay it and return its journal."""
        run(self.replay())
        return self.read()

    def read(self) -> Journal:
        """Return its journal, however far it came."""
        return reader.read(self.path)


@functools.cache
def flown(variant: str, timeline: str = SWITCHOVER, *, facility: str = SMALL, variants: str = "", rate: float = RATE) -> Journal:
    """Return the journal of a scenario of a few lines, replayed on fakes once for all tests that ask for it."""
    with TemporaryDirectory() as directory:
        plan = scenario(Path(directory), timeline, facility=facility, variants=variants, rate=rate)
        return Flight(plan, variant, Path(directory)).fly()


class FullDisk(JournalWriter):
    """A journal whose disk is full after `room` events."""

    room = 100

    def append(self, event: Event) -> None:
        """Write an event, or fail as a full disk does."""
        if self.room == 0:
            raise TestbedError(f"the journal {self.path} cannot be written: No space left on device; free space there, or give --runs")
        self.room -= 1
        super().append(event)


class Notes:
    """A display that records its phases."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def phase(self, text: str) -> None:
        """Record it."""
        self.notes.append(text)

    def update(self, night_s: float, state: Any, load: Any) -> None:
        """Ignore it."""

    def quiet(self) -> None:
        """Record it."""
        self.notes.append("quiet")


def sample(
    t_s: float,
    service: str = "cf-1",
    *,
    busy: int | None = 0,
    done: int = 0,
    failed: int = 0,
    leaked: int | None = None,
    health: bool = True,
) -> Sample:
    """Return a sample of a service with 4 request threads, and with 4 connections unless `leaked` is None."""
    return Sample(
        t_s=t_s,
        night_s=0.0,
        service=service,
        health=health,
        health_s=0.0,
        request_threads=None if busy is None else 4,
        busy=busy,
        waiting=0,
        pool=None if leaked is None else PoolSample(size=4, in_=4 - leaked, out=leaked, waiting=0, leaked=leaked),
        results={"lookup_by_city": Counts(done, failed)},
    )
