"""A batch of replays: for each repetition and each variant a replay, its journal, and its judgement."""

from __future__ import annotations

import datetime
import os
import time
from contextlib import AsyncExitStack, aclosing, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from testbed.errors import TestbedError
from testbed.experiments.header import header
from testbed.journal import reader
from testbed.journal.writer import JournalWriter
from testbed.replay.display import SilentDisplay
from testbed.replay.replay import replay
from testbed.replay.running import Night
from testbed.verdict import judge
from testbed.verdict.result import Result

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from contextlib import AbstractContextManager

    from testbed.facility.backend import Backend
    from testbed.facility.builder import Builder
    from testbed.plan.scenario import Scenario
    from testbed.plan.trace import Trace
    from testbed.replay.display import Display
    from testbed.replay.load_tracker import LoadTracker
    from testbed.replay.state import FacilityState
    from testbed.verdict.judge import Judgement

Replayed = TypeVar("Replayed")

ATTEMPTS = 3  # at a replay of which the result is not known, as happens on a busy machine

LATEST = "latest"


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
class BuildAhead:
    """A display that begins to build the next facility when the one before has gone quiet, and passes everything on.

    So the seconds in which the replay only looks on are not lost; and nothing is started beside a facility that is at work.
    """

    display: Display
    following: Builder | None

    def phase(self, text: str) -> None:
        """Pass it on."""
        self.display.phase(text)

    def update(self, night_s: float, state: FacilityState, load: LoadTracker) -> None:
        """Pass it on."""
        self.display.update(night_s, state, load)

    def quiet(self) -> None:
        """Begin with the next."""
        if self.following is not None:
            self.following.begin()


async def replay_all(
    scenario: Scenario,
    sent: Trace,
    repetitions: int,
    backend: Backend,
    directory: Path,
    show: Callable[[str], AbstractContextManager[Display]],
) -> AsyncGenerator[Result, None]:
    """Send the same trace to every variant so often, in turn, and judge each; `directory` takes journals and dumps.

    `backend` has to be entered. `show` makes the display of a replay from its title.
    """
    turns = [(variant, repetition) for repetition in range(1, repetitions + 1) for variant in scenario.variants]
    builders = [backend.builder(scenario.facility, variant.settings) for variant, _ in turns]
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
                JournalWriter(path, header(scenario, variant, sent, backend, repetition)) as writer,
                show(title) as display,
            ):
                await replay(of_variant, builder, writer, directory / name, BuildAhead(display, following))
            kept = reader.read(path)
            judgement = judge.judge(kept)
            keep_tracebacks(path, judgement)
            yield Result(kept, judgement, time.monotonic() - started)


def keep_tracebacks(path: Path, judgement: Judgement) -> None:
    """Write the tracebacks of checks that themselves failed beside the journal; where that cannot be, `--json` still has them."""
    failed = [f"{finding.check}: {finding.text}\n{finding.traceback}" for finding in judgement.findings if finding.traceback]
    if failed:
        with suppress(OSError):
            path.with_suffix(".tracebacks.txt").write_text("\n".join(failed), encoding="utf-8")


async def replay_once(scenario: Scenario, sent: Trace, backend: Backend, directory: Path) -> Result:
    """Replay the first variant of a scenario once, without a display; raises TestbedError if that cannot be done."""
    replays = replay_all(scenario, sent, 1, backend, directory, lambda _: nullcontext(SilentDisplay()))
    async with aclosing(replays) as results:
        return await anext(results)


async def replay_until_known(attempt: Callable[[int], Awaitable[Replayed]], is_known: Callable[[Replayed], bool]) -> Replayed:
    """Make attempts at a replay until the result of one is known, `ATTEMPTS` at most; return the result of the last.

    `attempt` replays once, and is given the number of the attempt, from 1.
    """
    for number in range(1, ATTEMPTS):
        replayed = await attempt(number)
        if is_known(replayed):
            return replayed
    return await attempt(ATTEMPTS)
