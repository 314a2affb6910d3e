"""Counts what goes wrong beside others: `python tests/benchmarks/beside.py [--suites N] [--burners N] [--seconds S]`.

An interactive facility is up, four replays are made over and over, and so many suites (their smoke tier) run at once: a load of 16 and more
on two cores, and still more with processes beside them that never rest. It ends when the suites do. Printed are the load, what came of each
suite and what it had to replay again, how many verdicts of replays came out as what, and how often `testbed status` answered.

Exit code 1 if a suite fails, a replay comes out `broken`, the facility does not answer, or a process is left. Linux only; nothing here is
a test.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.descendants import descendants

if TYPE_CHECKING:
    from collections.abc import Iterator

SCENARIOS = ("the_night", "silence", "disconnect_idle", "refuse")
LOOK_EVERY_S = 5.0
UP_WITHIN_S = 300.0
GONE_WITHIN_S = 60.0
TESTBED = (sys.executable, "-m", "testbed")
SUITE = (sys.executable, "-m", "pytest", "scenarios", "-m", "smoke", "-q", "-p", "no:cacheprovider")
SAYS = re.compile("REPLAYED AGAIN|^FAILED|^ERROR|passed|failed")
BURN = (sys.executable, "-c", "while True: pass")


class Crowd:
    """All that runs at once, below one directory; what it starts, it ends."""

    def __init__(self, home: Path) -> None:
        """Nothing runs yet."""
        self.home = home
        self.stack = ExitStack()

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        """Start a command that prints into a file of this name."""
        with (self.home / name).open("wb") as printed:
            process = subprocess.Popen(command, stdout=printed, stderr=printed, env={**os.environ, "TMPDIR": str(self.home)})
        self.stack.callback(ended, process)
        return process

    def command(self, *arguments: str) -> int:
        """Run a command of the testbed's; returns its exit code."""
        environment, nowhere = {**os.environ, "TMPDIR": str(self.home)}, subprocess.DEVNULL
        return subprocess.run((*TESTBED, *arguments), check=False, env=environment, stdout=nowhere, stderr=nowhere).returncode

    def printed(self, name: str) -> str:
        """Return what a command has printed until now."""
        return (self.home / name).read_text(errors="replace")

    def results(self) -> Iterator[dict[str, object]]:
        """Yield each result of the replays."""
        for path in sorted(self.home.glob("*.jsonl")):
            yield from map(json.loads, path.read_text().splitlines())


class Replays:
    """One scenario, replayed over and over."""

    def __init__(self, crowd: Crowd, scenario: str) -> None:
        """Nothing runs yet."""
        self.crowd, self.scenario, self.count = crowd, scenario, 0
        self.running: subprocess.Popen[bytes] | None = None

    def go_on(self) -> None:
        """Start the next one if none runs."""
        if self.running is None or self.running.poll() is not None:
            self.count += 1
            name = f"{self.scenario}-{self.count}"
            places = ("--json", str(self.crowd.home / f"{name}.jsonl"), "--runs", str(self.crowd.home / "runs"))
            self.running = self.crowd.start(name, *TESTBED, "replay", self.scenario, *places)

    def finish(self) -> None:
        """Wait for the one that runs."""
        if self.running is not None:
            self.running.wait()


def ended(process: subprocess.Popen[bytes]) -> None:
    """End a process that still runs."""
    if process.poll() is None:
        process.terminate()
    process.wait()


def told(results: list[dict[str, object]]) -> Counter[str]:
    """Print every finding that is broken; return how many results have which verdict."""
    for result in results:
        for finding in result["findings"]:  # type: ignore[attr-defined]
            if finding["verdict"] == "broken":
                sys.stdout.write(f"  broken: {result['scenario']}, {result['variant']}: {finding['check']}: {finding['text']}\n")
    return Counter(str(result["verdict"]) for result in results)


def measure(crowd: Crowd, suites: int, burners: int, until_s: float) -> bool:
    """Run all at once and print what came of it; returns whether it is as it should be."""
    name = f"beside-{os.getpid()}"
    crowd.start("facility", *TESTBED, "up", "--name", name, "--runs", str(crowd.home / "up"))
    waited_until_s = time.monotonic() + UP_WITHIN_S
    while crowd.command("status", "--name", name):
        if time.monotonic() > waited_until_s:
            sys.exit(f"the facility is not up after {UP_WITHIN_S:.0f} s:\n{crowd.printed('facility')}")
        time.sleep(1.0)
    started_s = time.monotonic()
    for number in range(burners):
        crowd.start(f"burner-{number}", *BURN)
    running = [crowd.start(f"suite-{number}", *SUITE) for number in range(suites)]
    replays = [Replays(crowd, scenario) for scenario in SCENARIOS]
    loads: list[float] = []
    answers: Counter[bool] = Counter()
    while any(suite.poll() is None for suite in running):
        if time.monotonic() > until_s:
            sys.exit("the time is over, and not all suites have ended")
        for replay in replays:
            replay.go_on()
        answers[crowd.command("status", "--name", name) == 0] += 1
        loads.append(os.getloadavg()[0])
        time.sleep(LOOK_EVERY_S)
    for replay in replays:
        replay.finish()
    went = crowd.command("down", "--name", name) == 0
    counts = told(list(crowd.results()))
    for number, suite in enumerate(running):
        lines = [line for line in crowd.printed(f"suite-{number}").splitlines() if SAYS.search(line)]
        sys.stdout.write("".join(f"suite {number}, exit code {suite.returncode}: {line}\n" for line in lines))
    sys.stdout.write(
        f"load {min(loads):.1f} to {max(loads):.1f}, median {statistics.median(loads):.1f}, for {time.monotonic() - started_s:.0f} s\n"
        f"replays: {sum(replay.count for replay in replays)} commands, {sum(counts.values())} results: {dict(counts)}\n"
        f"status: answered {answers[True]} of {answers.total()} times; taken down: {went}\n"
    )
    return went and not answers[False] and not counts["broken"] and not any(suite.returncode for suite in running)


def left_of(home: Path) -> list[int]:
    """Return the processes that are still there after a while."""
    until_s = time.monotonic() + GONE_WITHIN_S
    while (left := descendants(home)) and time.monotonic() < until_s:
        time.sleep(0.5)
    return left


def main() -> int:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", type=int, default=2, help="at once (default: 2)")
    parser.add_argument("--burners", type=int, default=0, help="processes that never rest (default: none)")
    parser.add_argument("--seconds", type=float, default=3600.0, help="give up after so many seconds (default: 3600)")
    parser.add_argument("--keep", action="store_true", help="keep what was printed and all runs, and say where")
    given = parser.parse_args()
    crowd = Crowd(Path(tempfile.mkdtemp(prefix="beside-")))
    crowd.home.chmod(0o755)  # where this is root, PostgreSQL's user has to enter it
    with ExitStack() as places:
        if given.keep:
            sys.stdout.write(f"kept in {crowd.home}\n")
        else:
            places.callback(shutil.rmtree, crowd.home)
        with crowd.stack:
            good = measure(crowd, given.suites, given.burners, time.monotonic() + given.seconds)
        left = left_of(crowd.home)
        sys.stdout.write(f"processes left: {len(left)}\n")
    return int(not good or bool(left))


if __name__ == "__main__":
    sys.exit(main())
