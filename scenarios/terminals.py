"""The terminals of a class that plays the night by hand, with the commands as they are typed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN_S = 120.0


class Terminals:
    """The terminals of one class: all with the same TMPDIR, and so with one door."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.printed = home / "printed"
        self.environment = {**os.environ, "TMPDIR": str(home), "COLUMNS": "80"}

    def testbed(self, *words: str) -> tuple[int, str]:
        """Run a command to its end; gives the exit code and all that it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "testbed", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=WITHIN_S,
            env=self.environment,
        )
        return done.returncode, done.stdout + done.stderr

    @contextmanager
    def up(self, *options: str, output: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """Hold a facility up, once it is ready, and see to it that it is gone at the end. `output`: a terminal to print to."""
        with self.printed.open("wb") as printed, ended_by_sighup():
            held = subprocess.Popen(
                [sys.executable, "-m", "testbed", "up", "--runs", str(self.home / "runs"), *options],
                stdout=output or printed,
                stderr=output or printed,
                env=self.environment,
            )
        try:
            self.wait_ready(held)
            yield held
        finally:
            if held.poll() is None:
                held.terminate()
            held.wait(WITHIN_S)

    def wait_ready(self, held: subprocess.Popen[bytes]) -> None:
        """Wait until orders are carried out."""
        deadline = time.monotonic() + WITHIN_S
        while (said := self.testbed("status"))[0] != 0:
            assert held.poll() is None, self.printed.read_text()
            assert time.monotonic() < deadline, said[1] + self.printed.read_text()


@contextmanager
def ended_by_sighup() -> Iterator[None]:
    """Start processes in here that SIGHUP ends, also where `nohup` has it ignored: exec passes on what is ignored, and no handler."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGHUP, lambda *_: None)
    try:
        yield
    finally:
        if ignored:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)


@contextmanager
def terminals() -> Iterator[Terminals]:
    """Give terminals in a home into which everybody may walk, as PostgreSQL's user must where this is root."""
    with tempfile.TemporaryDirectory(prefix="testbed-by-hand-") as made:
        Path(made).chmod(0o755)
        yield Terminals(Path(made))
