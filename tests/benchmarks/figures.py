"""Measures the figures of the README on this machine: `python tests/benchmarks/figures.py [--runs N]`.

Each figure is printed as it came out, as a row of a Markdown table. Nothing here is a test: a machine that is busy
with something else gives other figures, and no build should fail for that.

- *wall*: from the start of the command `testbed replay the_night` to its end, both variants, in seconds.
- *memory*: the most that the command and all processes below it held at once, in MiB. On Linux the proportional set
  size (what processes share is counted once), elsewhere the resident set sizes (what is shared is counted in each).
- *sent late*: 99th percentile of sent minus due at 500 requests a second (five_hundred.toml beside this file).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

SAMPLE_EVERY_S = 0.05
HERE = Path(__file__).parent
TESTBED = (sys.executable, "-m", "testbed")


def memory_bytes(root: psutil.Process) -> int:
    """Add up what a process and all below it hold now."""
    held = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            info = process.memory_full_info()
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue  # it ended between the listing and the look
        held += getattr(info, "pss", info.rss)
    return held


def measured(arguments: list[str], *, memory: bool) -> tuple[float, int, list[dict[str, Any]]]:
    """Run a replay; gives wall seconds, the most memory seen in bytes (0 when not asked for), and its JSON lines."""
    with tempfile.TemporaryDirectory() as directory:
        lines = Path(directory) / "lines"
        command = [*TESTBED, "replay", *arguments, "--json", str(lines), "--runs", directory]
        started, most = time.monotonic(), 0
        with (Path(directory) / "printed").open("wb") as printed:
            process = subprocess.Popen(command, stdout=printed, stderr=subprocess.STDOUT)
            while process.poll() is None:
                if memory:
                    most = max(most, memory_bytes(psutil.Process(process.pid)))
                    time.sleep(SAMPLE_EVERY_S)
                else:
                    process.wait()
        wall_s = time.monotonic() - started
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{Path(printed.name).read_text()}")
        return wall_s, most, [json.loads(line) for line in lines.read_text().splitlines()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="how often the night is replayed for its wall time")
    runs = parser.parse_args().runs
    walls = sorted(measured(["the_night"], memory=False)[0] for _ in range(runs))
    _, most, _ = measured(["the_night"], memory=True)
    _, _, lines = measured([str(HERE / "five_hundred.toml")], memory=False)
    late = next(finding["text"] for finding in lines[0]["findings"] if finding["check"] == "open_loop")
    sys.stdout.write(
        f"| figure | measured: {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} |\n"
        "|---|---|\n"
        f"| `replay the_night`, both variants, command to verdict | median of {runs}: {statistics.median(walls):.1f} s "
        f"({walls[0]:.1f} to {walls[-1]:.1f}) |\n"
        f"| memory of all processes together, at most | {most / 2**20:.0f} MiB |\n"
        f"| load at 500 requests a second | {late} |\n"
    )


if __name__ == "__main__":
    main()
