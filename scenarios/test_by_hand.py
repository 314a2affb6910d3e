"""The night played by hand, with the commands as a class types them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from testbed import journal

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN_S = 60.0


class Terminals:
    """The terminals of one class: all with the same TMPDIR, and so with one door."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.printed = home / "printed"
        self.environment = {**os.environ, "TMPDIR": str(home), "COLUMNS": "100"}

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
    def up(self) -> Iterator[subprocess.Popen[bytes]]:
        """Hold a facility up, and see to it that it is gone at the end."""
        with self.printed.open("wb") as printed:
            held = subprocess.Popen(
                [sys.executable, "-m", "testbed", "up", "--runs", str(self.home / "runs")],
                stdout=printed,
                stderr=printed,
                env=self.environment,
            )
        try:
            deadline = time.monotonic() + WITHIN_S
            while "\nready" not in self.printed.read_text():
                assert held.poll() is None, self.printed.read_text()
                assert time.monotonic() < deadline, self.printed.read_text()
                time.sleep(0.05)
            yield held
        finally:
            held.send_signal(signal.SIGTERM)
            held.wait(WITHIN_S)


def test_a_class_grounds_the_airline_and_brings_it_back_by_hand() -> None:
    """Up, switchover, load until it hangs, forty threads at the checkout, restart, and service is back; then nothing is left."""
    with tempfile.TemporaryDirectory(prefix="testbed-by-hand-") as made:
        Path(made).chmod(0o755)  # PostgreSQL's user must be able to walk in where this is root
        class_ = Terminals(Path(made))
        assert class_.testbed("status") == (3, "testbed: no facility is up; start one with `testbed up`\n")
        with class_.up() as held:
            assert class_.testbed("up")[0] == 3
            steps = class_.testbed("switchover")[1]
            assert re.findall(r"^(\d)\. .* \d+\.\d\d s$", steps, re.MULTILINE) == list("12345")
            assert "80 failed" in class_.testbed("load", "--rate", "100", "--seconds", "4")[1]
            code, dump = class_.testbed("threads", "cf-1")
            assert (code, dump.splitlines()[0]) == (
                0,
                "40 of 40 request threads: waiting for a connection from the pool, within lookup_by_city",
            )
            assert class_.testbed("threads", "cf-9") == (2, "testbed: no service 'cf-9'; there are cf-1, cf-2, kiosk, ivr, partner\n")
            assert "40/40 blocked" in class_.testbed("status")[1]
            assert [class_.testbed("restart", name)[0] for name in ("cf-1", "cf-2")] == [0, 0]
            last = class_.testbed("load", "--rate", "50", "--seconds", "1", "--seed", "7")[1].splitlines()[-1]
            assert last == "50 sent: 50 answered, 0 failed, 0 still waiting (unanswered)"
            assert class_.testbed("down") == (0, "everything was taken down\n")
            assert held.wait(WITHIN_S) == 0
        assert list(class_.home.glob("testbed-*/*")) == []
        kept = journal.read(next(class_.home.glob("runs/*/original.jsonl")))
        assert kept.end is not None
        assert kept.end.reason == "complete"
