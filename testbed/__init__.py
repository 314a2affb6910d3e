"""The testbed: plans a night, replays it on a real facility, keeps a journal, judges it, and reports.

    import testbed

    [result] = testbed.replay("the_night", variants=["fixed"])
    result.judgement.verdict, result.judgement.outcome, result.journal.path

The rooms, in the order of the data. Each imports only rooms that stand before it in this list (tests/test_layout.py has the table):

    errors          every error that is raised on purpose, as a tree
    registry        a word in a file, its module and its class
    concurrency     run at once, end, and wait with a bound
    plan/           what is planned: data, without effects
    journal/        what was seen: every event, one file a replay
    facility/       the facility as faults know it: protocols and their do-nothing twins
    observe/        real means of looking: metrics, thread dumps, /proc, probes
    foreign/        what a service that is not ours tells: readings, thread dumps, leaks
    load/           real means of load: the generator and the burst, each a program
    faultproxy/     a TCP proxy that misbehaves on request
    runtime/        real facilities: processes, containers, and PostgreSQL for both
    replay/         what happens, in an order that one function knows
    faults/         what can be done to a facility: one word, one file
    operations/     what an operator does to it: one word, one file
    pair/           a database pair alone, with its faults, for code that is not ours
    scenario_file   finds, reads and checks scenarios
    verdict/        what a journal means: checks, outcome, crack and figures
    postmortem/     what could have warned, and what a thread dump tells
    report/         what people and programs read
    experiments/    many replays: batch, matrix and scan
    pytest_plugin/  fixtures for tests of somebody else's code
    interactive/    a facility that is kept running, and its commands
    classroom/      a class that plays a night in the browser
    lint/           the mistake of the case in Python source, found without running it
    pools/          connection pools compared
    fakes/          a facility in one event loop, for tests
    cli/            the command line; `__main__` starts it

One word for one thing:

    facility                        what is recreated: databases, virtual IP, firewall, balancers, application servers
    caller, passenger, transaction  a system that uses the facility; what the load generator sends to callers; one unit of their work
    variant, scenario               one setting of code and patterns; a night as data
    replay, batch                   one night over one variant; all replays of one command
    fault, operation                what is done to a facility; what an operator does to it
    runtime                         where services run (`--runtime`: processes, containers); in code, what starts, stops and pauses them
    backend                         in code, what makes builders of facilities on a runtime, and has what their replays share
    sample, state                   to look at a service, and its record; what is known of it since
    stuck, hung                     every request thread of a service is busy and none ends; that of all callers
    checkout, checkin, reclaim      to take a connection from its pool; to give it back; to take it back from whoever leaked it
    verdict                         whether an expectation held: held, broken, unknown
    outcome, crack                  what became of the airline: unharmed, contained, grounded; how far the trouble went, 0 to 6
    figures, finding                what a journal shows in numbers; what one check found
    text, report                    what is printed for people; all of it about one batch
    require_…, check_…              raises unless something holds; says what is wrong
    wait_…                          waits, with a bound; nothing else does
    baseline, checkpoint, answered  a matrix to compare with; from where an interrupted one goes on; the share of requests that were
    interactive                     a facility that is kept running, and commands that are sent to it

Public are the names of `__all__`. The other modules can be imported, as in `from testbed.replay import actions`, and may change.
`import testbed.replay.actions` cannot be used: `testbed.replay` is the function.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from testbed.errors import FacilityError, JournalError, ScenarioError, TestbedError, UsageError
    from testbed.journal.reader import Journal
    from testbed.plan.expectation import Crack, Outcome
    from testbed.plan.scenario import Scenario, Variant
    from testbed.plan.settings import Settings
    from testbed.verdict.figures import Figures
    from testbed.verdict.finding import Finding, Verdict
    from testbed.verdict.judge import Judgement
    from testbed.verdict.result import Result
else:
    HOMES = {
        **dict.fromkeys(("FacilityError", "JournalError", "ScenarioError", "TestbedError", "UsageError"), "testbed.errors"),
        **dict.fromkeys(("Scenario", "Variant"), "testbed.plan.scenario"),
        **dict.fromkeys(("Crack", "Outcome"), "testbed.plan.expectation"),
        **dict.fromkeys(("Finding", "Verdict"), "testbed.verdict.finding"),
        "Figures": "testbed.verdict.figures",
        "Journal": "testbed.journal.reader",
        "Judgement": "testbed.verdict.judge",
        "Result": "testbed.verdict.result",
        "Settings": "testbed.plan.settings",
    }

    def __getattr__(name: str) -> object:
        """Import the home of a public name when it is first asked for: every child process imports this package, and few need more.

        A type checker reads the imports above in place of this, and so knows what there is.
        """
        if name not in HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(HOMES[name]), name)
        return found

    def __dir__() -> list[str]:
        """Return the public names, also those that are not imported yet."""
        return [*__all__, "__all__", "__doc__"]


__all__ = [
    "Crack",
    "FacilityError",
    "Figures",
    "Finding",
    "Journal",
    "JournalError",
    "Judgement",
    "Outcome",
    "Result",
    "Scenario",
    "ScenarioError",
    "Settings",
    "TestbedError",
    "UsageError",
    "Variant",
    "Verdict",
    "judge",
    "load_scenario",
    "read_journal",
    "replay",
    "scenarios",
]

# The room `replay/` has the name of the function below. Importing a room for the first time makes it an attribute of this package, and
# would put it in the function's place; so it is imported before there is a function. It imports nothing itself. Its modules are imported
# by `from testbed.replay import actions`, as everywhere here; `import testbed.replay.actions as actions` would look in the function.
with suppress(ModuleNotFoundError):  # in a part of the testbed, as in a stage of compose/Dockerfile; what is not there takes no place
    import_module("testbed.replay")


def replay(
    scenario: str | PathLike[str] | Scenario,
    *,
    variants: Sequence[str] = (),
    runtime: str = "processes",
    seed: int | None = None,
    rate_per_minute: float | None = None,
    speed: float | None = None,
    service: str | PathLike[str] | None = None,
    repetitions: int = 1,
    runs: str | PathLike[str] | None = None,
) -> tuple[Result, ...]:
    """Replay a scenario over its variants, and return a `Result` for each, in order: all variants once, then all again.

    The same as `testbed replay`, without a display. It returns when everything is taken down; on processes, a variant of `the_night`
    takes some 4 s of real time.

    `scenario`: a name of `scenarios()`, a path to a .toml file, or one of `load_scenario`. `variants`: names of its own variants or of
    variants.toml; all of its own when empty. `runtime`: "processes" or "containers". `seed` (0 to 2**63 - 1): other passengers.
    `rate_per_minute` (up to 10,000): mean transactions a minute of the night, which may have 500,000 in all. `speed` (up to 1,000,000):
    seconds of the night in a real second, all night. `service`: a file with a table [service], whose service takes the place of the
    application servers (scenarios/README.md). `repetitions` (1 to 1,000): how often each variant is replayed. `runs`: the
    directory in which this call makes one for its journals and thread dumps; `.testbed/runs` in the current directory when left out.

    A result has `judgement` (verdict, outcome, crack, findings, figures), `journal` (events; its file is `journal.path`) and `wall_s`, the
    real seconds from building the facility to taking it down. A verdict of `broken` is a result and raises nothing.

    Raises UsageError for a name, value or option that is not there or not allowed, also where an event loop runs already (await
    `testbed.experiments.batch.replay_scenario` in it, which takes the same); ScenarioError, a UsageError, for a file that is wrong, with
    every mistake in it; FacilityError where the facility cannot be built or the runtime lacks what the scenario needs; another
    TestbedError for anything else that it gives up on. Whatever happens, all that was started is taken down first, also on Ctrl-C
    (KeyboardInterrupt), SIGTERM, SIGHUP and SIGQUIT; journals stay, and can be read as far as they go.
    """
    from testbed.experiments import batch  # noqa: PLC0415 - see `__getattr__`

    work = batch.replay_scenario(
        scenario,
        variants=variants,
        runtime=runtime,
        seed=seed,
        rate_per_minute=rate_per_minute,
        speed=speed,
        service=service,
        repetitions=repetitions,
        runs=runs,
    )
    return batch.run_in_own_loop(work, instead="testbed.experiments.batch.replay_scenario(…)")


def judge(journal: str | PathLike[str] | Journal) -> Judgement:
    """Return what a journal means by today's rules; `journal` is a path, or a journal that was read.

    Its file is left as it is. A replay that did not come to its end is `unknown`. Raises JournalError as `read_journal` does.
    """
    from testbed.journal.reader import Journal  # noqa: PLC0415 - see `__getattr__`
    from testbed.verdict.judge import judge  # noqa: PLC0415

    return judge(journal if isinstance(journal, Journal) else read_journal(journal))


def read_journal(path: str | PathLike[str]) -> Journal:
    """Read the journal at `path` (JSON Lines): its header, and its events in order, with times in seconds (testbed/journal/README.md).

    Raises JournalError, naming file and line, for a file that is missing, empty, or of another format, and UsageError for what is no path.
    """
    from pathlib import Path  # noqa: PLC0415 - see `__getattr__`

    from testbed.journal import reader  # noqa: PLC0415
    from testbed.plan.decoding import path_text  # noqa: PLC0415

    return reader.read(Path(path_text("path", path)))


def scenarios() -> tuple[str, ...]:
    """Return the names of the scenarios, sorted: the package's, and those in `scenarios` of the current directory."""
    from testbed import scenario_file  # noqa: PLC0415 - see `__getattr__`

    return tuple(path.stem for path in scenario_file.known())


def load_scenario(name_or_path: str | PathLike[str]) -> Scenario:
    """Read and check a scenario without starting anything; `name_or_path` is one of `scenarios()`, or a path to a .toml file.

    Raises UsageError that lists the names when there is none of this name, and ScenarioError with every mistake in the file.
    """
    from testbed import scenario_file  # noqa: PLC0415 - see `__getattr__`

    return scenario_file.load(scenario_file.find(name_or_path))
