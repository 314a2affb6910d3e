"""Counts what comes of the suite when it is run often: `python tests/benchmarks/suites.py [--runs N] [--keep DIR] [-- OPTION …]`.

Each run is `pytest scenarios` with the given options of pytest, from the checkout's directory. What it printed, its JUnit file and its
journals are kept below DIR, in a folder for each run; a run that is there already is not made again, so that a long count can be made in
parts. Printed are, for each run, how long it took, which tests failed, and what it replayed again; and over all runs, how often each test
failed, how many journals of each scenario and variant are `held` in the end, and in how many of them the root is named as the scenario
says, each with a Wilson interval. `--count`: counts what is there, and runs nothing.

Exit code 1 if a test failed in any run.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from testbed.errors import JournalError
from testbed.journal import reader
from testbed.verdict import judge
from testbed.verdict.finding import Verdict
from testbed.verdict.rate import interval_text, wilson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.verdict.judge import Judgement

CHECKOUT = Path(__file__).parents[2]
RUNS = CHECKOUT / ".testbed" / "runs"
PRINTED, JUNIT, JOURNALS = "printed", "junit.xml", "runs"
AGAIN = re.compile(r"^REPLAYED AGAIN: .*$", re.MULTILINE)
NUMBER = re.compile(r"(\d+)again(\d+)")


def run(place: Path, options: Sequence[str]) -> None:
    """Run the suite once; what it leaves is moved to a place when it is whole, so that half a run is made again."""
    unfinished = place.with_name(f"{place.name}-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    before = set(RUNS.iterdir()) if RUNS.is_dir() else set()
    command = (sys.executable, "-m", "pytest", "scenarios", "-p", "no:cacheprovider", f"--junit-xml={unfinished / JUNIT}", *options)
    with (unfinished / PRINTED).open("wb") as printed:
        subprocess.run(command, cwd=CHECKOUT, check=False, stdout=printed, stderr=printed)
    (unfinished / JOURNALS).mkdir()
    for made in (path for path in RUNS.iterdir() if path not in before and not path.is_symlink()):
        shutil.move(made, unfinished / JOURNALS / made.name)
    unfinished.rename(place)


def failed_in(place: Path) -> list[str]:
    """Return the tests that failed in a run."""
    cases = ET.parse(place / JUNIT).getroot().iter("testcase")  # noqa: S314 - pytest's own, written a moment ago
    return [f"{case.get('classname')}::{case.get('name')}" for case in cases if {"failure", "error"} & {each.tag for each in case}]


def seconds_of(place: Path) -> float:
    """Return how long a run took."""
    return float(next(ET.parse(place / JUNIT).getroot().iter("testsuite")).get("time", "nan"))  # noqa: S314 - as above


def judged(place: Path) -> Iterator[tuple[str, Judgement]]:
    """Yield the judgement of each journal of a run by its scenario and variant; of what was replayed again, the last alone."""
    for folder in sorted(path for path in (place / JOURNALS).iterdir() if not path.is_symlink()):
        last: dict[tuple[str, str], tuple[int, Path]] = {}
        for path in folder.rglob("*.jsonl"):
            again = NUMBER.fullmatch(path.parent.name)
            first = again[1] if again else "1" if path.parent == folder else path.parent.name
            tried = int(again[2]) if again else 0
            last[first, path.stem] = max(last.get((first, path.stem), (-1, path)), (tried, path))
        for _, path in last.values():
            try:
                journal = reader.read(path)
            except JournalError as error:  # of a replay that a test killed
                sys.stdout.write(f"  left out: {error}\n")
                continue
            if journal.is_complete:
                yield f"{journal.header.scenario}, {journal.header.variant}", judge.judge(journal)


def count(places: Sequence[Path]) -> None:
    """Print how many journals are held, and how many have their root named."""
    held: defaultdict[str, Counter[bool]] = defaultdict(Counter)
    named: defaultdict[str, Counter[bool]] = defaultdict(Counter)
    for place in places:
        for what, judgement in judged(place):
            held[what][judgement.verdict is Verdict.HELD] += 1
            for finding in judgement.findings:
                if finding.verdict is not Verdict.HELD:
                    sys.stdout.write(f"  {place.name}, {what}: {finding.check} {finding.verdict.value}: {finding.text}\n")
                if finding.check == "root":
                    named[what][finding.verdict is Verdict.HELD] += 1
    for title, counts in (("held", held), ("root as expected", named)):
        for what, found in sorted(counts.items()):
            total = found.total()
            sys.stdout.write(f"{what}: {title} in {found[True]} of {total} ({interval_text(*wilson(found[True], total))}, at 95 %)\n")


def tell(place: Path) -> list[str]:
    """Print what came of a run; return the tests that failed."""
    failed, again = failed_in(place), AGAIN.findall((place / PRINTED).read_text(errors="replace"))
    sys.stdout.write(f"run {place.name}: {seconds_of(place):.0f} s, {len(failed)} failed, {len(again)} replays made again\n")
    sys.stdout.write("".join(f"  {line}\n" for line in [*(f"FAILED {name}" for name in failed), *again]))
    sys.stdout.flush()
    return failed


def main() -> int:
    """Run, count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="how many runs in all (default: 20)")
    parser.add_argument(
        "--keep", type=Path, default=CHECKOUT / ".testbed" / "suites", help="where they are kept (default: .testbed/suites)"
    )
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no run after so many seconds")
    parser.add_argument("--count", action="store_true", help="run nothing, and count what is there")
    parser.add_argument("options", nargs="*", help="options of pytest, after `--`")
    given = parser.parse_args()
    until_s = time.monotonic() + given.seconds
    given.keep.mkdir(parents=True, exist_ok=True)
    failures: Counter[str] = Counter()
    done: list[Path] = []
    good = 0
    for number in range(1, given.runs + 1):
        place = given.keep / f"{number:02}"
        if not place.is_dir():
            if given.count or time.monotonic() > until_s:
                continue
            run(place, given.options)
        done.append(place)
        failed = tell(place)
        failures.update(failed)
        good += not failed
    count(done)
    for name, times in failures.most_common():
        sys.stdout.write(f"{name}: failed in {times} of {len(done)} runs\n")
    sys.stdout.write(f"{len(done)} runs, {good} without a failure\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
