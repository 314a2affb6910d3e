"""Counts how often a long run tells a leak from a clean build: `python tests/benchmarks/longevity.py [--runs N] [--seed S]`.

Each run is a night of `scenarios/longevity.toml` with passengers of its own (seed S, S + 1, ...), over each variant that is asked for,
one after the other. Printed is, for each variant, how often it came out as expected, and every finding that did not, as it was; nothing
here is a test. The thresholds (resource_series.py and trend.py in testbed/verdict) were settled on other seeds (1 to 99) than those that
are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

from testbed import scenario_file
from testbed.experiments import batch, run_folders
from testbed.plan import passengers
from testbed.replay.display import SilentDisplay
from testbed.runtime import backends
from testbed.verdict.finding import Verdict


async def counted(runs: int, seed: int, variants: tuple[str, ...], directory: Path) -> Counter[tuple[str, Verdict]]:
    """Replay so many nights; gives how often each variant had which verdict on its longevity, and prints what was not as expected."""
    plan = scenario_file.load(scenario_file.find("longevity")).only(variants)
    backend = backends.of("processes")
    counts: Counter[tuple[str, Verdict]] = Counter()
    async with backend:
        for number in range(seed, seed + runs):
            night = plan.with_overrides(seed=number)
            kept = directory / str(number)
            kept.mkdir(parents=True)
            replays = batch.replay_all(night, passengers.of(night), 1, backend, kept, lambda _: nullcontext(SilentDisplay()))
            async for result in replays:
                variant = result.journal.header.variant
                found = next(finding for finding in result.judgement.findings if finding.check == "longevity")
                counts[variant, found.verdict] += 1
                if found.verdict is not Verdict.HELD or result.judgement.verdict is not Verdict.HELD:
                    wrong = [
                        f"{finding.check}: {finding.text}" for finding in result.judgement.findings if finding.verdict is not Verdict.HELD
                    ]
                    sys.stdout.write(f"seed {number}, {variant}: {'; '.join(wrong)}\n")
                    sys.stdout.flush()
    return counts


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="how many nights (default: 20)")
    parser.add_argument("--seed", type=int, default=1000, help="the passengers of the first of them (default: 1000)")
    parser.add_argument("--variant", action="append", default=[], help="only this one; may be given more than once")
    parser.add_argument("--journals", type=Path, help="a directory for the journals")
    given = parser.parse_args()
    directory = given.journals or run_folders.runs_directory(None, "longevity")
    counts = asyncio.run(counted(given.runs, given.seed, tuple(given.variant), directory))
    for variant in dict.fromkeys(variant for variant, _ in counts):
        told = ", ".join(f"{counts[variant, verdict]} {verdict.value}" for verdict in Verdict if counts[variant, verdict])
        sys.stdout.write(f"{variant}: of {given.runs}, {told}\n")


if __name__ == "__main__":
    main()
