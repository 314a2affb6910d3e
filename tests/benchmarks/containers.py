"""Measures the README's figures of the containers runtime: `python tests/benchmarks/containers.py [--runs N] [--repeat N]`.

The image must be built. Each figure is printed as it came out, as a row of a Markdown table; nothing here is a test.

- *up*: from asking for a facility to its last health check being green, in seconds, each time with an engine that has nothing of it.
- *memory*: what the engine says its containers hold, added up, in MiB, of a facility that has just come up.
- *verdict*: what `testbed replay the_night --runtime containers` itself prints, for both variants, in seconds.
- *repeat*: how often each variant came out as expected.
- *switchover*: the five steps in the journal of the last replay, in seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from testbed import scenario_file
from testbed.journal import reader
from testbed.journal.events import OperationEvent, Step
from testbed.runtime.containers import docker_cli
from testbed.runtime.containers.backend import ContainersBackend
from testbed.runtime.containers.runtime import PROJECT_LABEL

TESTBED = (sys.executable, "-m", "testbed")
UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


async def up() -> tuple[float, float, int]:
    """Bring a facility of the night up; gives seconds, the bytes that its containers hold, and how many there are."""
    plan = scenario_file.load(scenario_file.find("the_night"))
    async with ContainersBackend() as backend:
        builder = backend.builder(plan.facility, plan.variants[0].settings)
        started = time.monotonic()
        await builder.build()
        took_s = time.monotonic() - started
        assert builder.project is not None
        ids = docker_cli.run("ps", "--quiet", "--filter", f"label={PROJECT_LABEL}={builder.project.runtime.project}").split()
        told = docker_cli.run("stats", "--no-stream", "--format", "{{.MemUsage}}", *ids).splitlines()
        held = sum(float(size) * UNITS[unit] for size, unit in (re.findall(r"([\d.]+)(KiB|MiB|GiB)", line)[0] for line in told))
        await builder.tear_down()
    return took_s, held, len(ids)


def replayed(*arguments: str) -> tuple[float, Path, list[dict[str, object]]]:
    """Replay the night; gives the seconds that the command prints, the directory of its journals, and its JSON lines."""
    directory = Path(tempfile.mkdtemp(prefix="figures-"))
    lines = directory / "lines"
    command = [*TESTBED, "replay", "the_night", "--runtime", "containers", *arguments, "--json", str(lines), "--runs", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    printed = re.findall(r"([\d.]+) s from command to verdict", done.stdout)
    return float(printed[0]), directory, [json.loads(line) for line in lines.read_text().splitlines()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="how often a facility is brought up, and the night replayed for its wall time")
    parser.add_argument("--repeat", type=int, default=10, help="how often each variant is replayed")
    given = parser.parse_args()
    ups = [asyncio.run(up()) for _ in range(given.runs)]
    verdicts = sorted(replayed()[0] for _ in range(given.runs))
    _, directory, lines = replayed("--repeat", str(given.repeat))
    kept = reader.read(max(directory.rglob("original-*.jsonl")))
    whole = next(event.duration_s for event in kept.of(OperationEvent) if event.operation == "switchover" and event.state == "end")
    steps = ", ".join(
        f"{step.step}: {step.duration_s:.2f}" for step in kept.of(Step) if step.state == "end" and step.duration_s is not None
    )
    counts = {
        variant: sum(line["verdict"] == "held" for line in lines if line["variant"] == variant)
        for variant in dict.fromkeys(str(line["variant"]) for line in lines)
    }
    sys.stdout.write(
        f"| a facility in containers up and healthy | {min(up[0] for up in ups):.1f} to {max(up[0] for up in ups):.1f} s |\n"
        f"| memory of its {ups[-1][2]} containers | {ups[-1][1] / 2**20:.0f} MiB |\n"
        f"| `replay the_night --runtime containers`, both variants, command to verdict | {verdicts[0]:.1f} to {verdicts[-1]:.1f} s |\n"
        f"| the same, `--repeat {given.repeat}`, as expected | "
        f"{', '.join(f'{variant} {count} of {given.repeat}' for variant, count in counts.items())} |\n"
        f"| a switchover in containers, and its steps | {whole:.2f} s ({steps}) |\n"
    )


if __name__ == "__main__":
    main()
