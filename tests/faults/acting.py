"""Faults on a small fake facility: the actions through which they act, and a fault that is injected and healed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from testbed.fakes.builder import FakeBuilder
from testbed.journal import reader
from testbed.journal.events import Step
from testbed.journal.writer import JournalWriter
from testbed.plan.clock import NightClock
from testbed.plan.topology import FacilityPlan
from testbed.replay.actions import Actions
from testbed.replay.recorder import Recorder
from testbed.replay.state import FacilityState
from tests.journals import header

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SMALL = FacilityPlan(application_servers=1, request_threads=1, pool_size=1, callers=("kiosk",), links=("cf-1",))


@asynccontextmanager
async def acting(directory: Path, builder: FakeBuilder | None = None) -> AsyncIterator[Actions]:
    """Yield the actions on a facility, which write the journal that `steps_of` reads."""
    with JournalWriter(directory / "a.jsonl", header()) as writer:
        facility = await (builder or FakeBuilder(SMALL)).build()
        state = FacilityState(facility.application_servers, facility.callers)
        yield Actions(facility, state, Recorder(writer, NightClock(0.0, 1.0), origin_s=0.0), directory, word="fault", id=1)


def steps_of(directory: Path) -> list[tuple[int, str, str]]:
    """Return the number, the text and the state of each step that has ended."""
    steps = reader.read(directory / "a.jsonl").of(Step)
    return [(step.number, step.step, step.state) for step in steps if step.state != "begin"]
