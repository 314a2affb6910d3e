"""The terminals of interactive use, with the commands as they are typed."""

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
    """Terminals with one TMPDIR, and so with one control socket."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.printed = home / "printed"
        self.environment = {**os.environ, "TMPDIR": str(home), "COLUMNS": "80"}

    def testbed(self, *arguments: str) -> tuple[int, str]:
        """Run a command to its end; return the exit code and all that it printed."""
        ended = subprocess.run(
            [sys.executable, "-m", "testbed", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=WITHIN_S,
            env=self.environment,
        )
        return ended.returncode, ended.stdout + ended.stderr

    @contextmanager
    def up(self, *options: str, output: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """Run `testbed up`, yield its process when it is ready, and end it. `output`: the file descriptor of a terminal to print to."""
        with self.printed.open("wb") as printed, ended_by_sighup():
            process = subprocess.Popen(
                [sys.executable, "-m", "testbed", "up", "--runs", str(self.home / "runs"), *options],
                stdout=output or printed,
                stderr=output or printed,
                env=self.environment,
            )
        try:
            self.wait_ready(process)
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(WITHIN_S)

    def wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until commands are accepted."""
        deadline = time.monotonic() + WITHIN_S
        while (status := self.testbed("status"))[0] != 0:
            assert process.poll() is None, self.printed.read_text()
            assert time.monotonic() < deadline, status[1] + self.printed.read_text()


@contextmanager
def ended_by_sighup() -> Iterator[None]:
    """Let SIGHUP end the processes started in this block, also under `nohup`: exec passes on an ignored signal, but no handler."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGHUP, lambda *_: None)
    try:
        yield
    finally:
        if ignored:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)


@contextmanager
def open_terminals() -> Iterator[Terminals]:
    """Yield terminals with a temporary directory that every user may enter, as PostgreSQL's must where this is root."""
    with tempfile.TemporaryDirectory(prefix="testbed-interactive-") as home:
        Path(home).chmod(0o755)
        yield Terminals(Path(home))
