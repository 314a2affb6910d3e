"""Replays that are killed at random moments leave nothing: no process, no directory, no container, no network and no volume.

A few belong to the suite; a hundred on each runtime are `pytest scenarios/test_kills.py --kills 100 -s`; `--kill-seed` draws another run's
moments again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scenarios.descendants import descendants, needs_linux
from testbed.runtime.containers import docker_cli, run_label

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL)
LONGEST_S = {"processes": 9.0, "containers": 30.0}  # somewhat longer than the replay takes
ENDS_WITHIN_S = 60.0
GOES_WITHIN_S = 15.0
TRIES = 3  # of the replay that cleans up: beside others, too little of it may be seen
SCENARIO = Path(__file__).parent / "calm.toml"

pytestmark = [needs_linux, pytest.mark.beside]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the replays of one runtime have their directories, and what can be left of them."""

    home: Path
    runtime: str
    pids: list[int] = field(default_factory=list)  # of the replays

    def start(self) -> subprocess.Popen[bytes]:
        """Start a replay."""
        # As from a shell: what ignores signals around this test (nohup, say) would have the replay ignore them, too.
        command = [
            "env",
            "--default-signal",
            sys.executable,
            "-m",
            "testbed",
            "replay",
            str(SCENARIO),
            "--variant",
            "fixed",
            "--runtime",
            self.runtime,
        ]
        with (self.home / "printed").open("ab") as printed:
            replay = subprocess.Popen(
                [*command, "--runs", str(self.home / "runs")],
                stdout=printed,
                stderr=printed,
                env={**os.environ, "TMPDIR": str(self.home)},
            )
        self.pids.append(replay.pid)
        return replay

    def processes(self) -> list[str]:
        """Return the processes that are left of any of them."""
        return [f"process {pid}" for pid in descendants(self.home)]

    def left(self) -> list[str]:
        """Return all that is left of any of them."""
        found = self.processes()
        found += [f"directory {path.name}" for path in self.home.glob("testbed-*/*") if path.is_dir()]
        return [*found, *self.at_the_engine()]

    def at_the_engine(self) -> list[str]:
        """Return what the engine has of any of them: other tests may have something there, too."""
        if self.runtime != "containers":
            return []
        label = f"label={docker_cli.USER_LABEL}={os.getuid()}"
        shown = f'{{{{.Label "{docker_cli.RUN_LABEL}"}}}}'
        listed = {kind: docker_cli.run(*words, "--filter", label, "--format", shown).split() for kind, words in LISTED.items()}
        return [f"{kind} of run {run}" for kind, runs in listed.items() for run in runs if self._is_ours(run)]

    def _is_ours(self, run: str) -> bool:
        return any(f"{run_label.SEPARATOR}{pid}{run_label.SEPARATOR}" in run for pid in self.pids)

    def wait_gone(self, what: Callable[[], list[str]]) -> list[str]:
        """Wait until nothing is left; return what is."""
        deadline = time.monotonic() + GOES_WITHIN_S
        while (left := what()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return left


LISTED = {"container": ("ps", "--all"), "network": ("network", "ls"), "volume": ("volume", "ls")}


def test_a_replay_that_is_killed_at_any_moment_leaves_nothing(
    runtime: str, home: Path, kills: int, kill_seed: int, request: pytest.FixtureRequest
) -> None:
    """After a signal that can be caught, at once; after SIGKILL, when the kernel has ended its processes and another command has run."""
    if runtime == "containers":
        request.getfixturevalue("engine")
    chance, place = random.Random(kill_seed), Place(home, runtime)
    sys.stdout.write(f"seed {kill_seed}\n")
    owed, ends, left = set[str](), Counter[str](), dict[str, list[str]]()
    signals = [sent for _ in range(0, kills, len(SIGNALS)) for sent in chance.sample(SIGNALS, len(SIGNALS))][:kills]
    for number, sent in enumerate(signals):
        at_s = chance.uniform(0.0, LONGEST_S[runtime])
        replay = place.start()
        try:
            replay.wait(at_s)
        except subprocess.TimeoutExpired:
            replay.send_signal(sent)
        code = replay.wait(ENDS_WITHIN_S)
        ends[f"{sent.name}: {code}"] += 1
        remains = place.wait_gone(place.processes)
        if code < 0:
            owed |= {*place.left()}  # to the next that comes so far as to clean up
        else:
            remains += [item for item in place.left() if item not in owed]
        if remains:
            left[f"{number}, {sent.name} after {at_s:.2f} s"] = remains
    if owed:
        assert any(place.start().wait(120) == 0 for _ in range(TRIES)), (home / "printed").read_text()[-2000:]
    assert place.wait_gone(place.left) == []
    sys.stdout.write(f"{runtime}: {kills} killed: {dict(sorted(ends.items()))}; left something: {len(left)}\n")
    assert left == {}
