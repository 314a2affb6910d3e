"""A facility of `testbed up` leaves nothing behind, however its process ends."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from scenarios.descendants import descendants
from scenarios.terminals import WITHIN_S, Terminals, open_terminals
from testbed.journal import reader as journal_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POLL_S = 0.05

pytestmark = [
    pytest.mark.beside,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found by /proc, and only Linux ends children with their parent"),
]


@pytest.fixture
def terminals() -> Iterator[Terminals]:
    """Yield terminals."""
    with open_terminals() as opened:
        yield opened


def wait_gone(terminals: Terminals) -> None:
    """Wait until no process is left."""
    deadline = time.monotonic() + WITHIN_S
    while left := descendants(terminals.home):
        assert time.monotonic() < deadline, f"still there after {WITHIN_S:.0f} s: {left}"
        time.sleep(POLL_S)


def end_reason(terminals: Terminals) -> str | None:
    """Return the reason of the journal's end; None when it has no end."""
    end = journal_reader.read(next(terminals.home.glob("runs/*/original.jsonl"))).end
    return end.reason if end else None


@contextmanager
def read_screen(keyboard: int) -> Iterator[Callable[[], None]]:
    """Read what is printed to a terminal, or it would be full after 4 KiB and its process would block; yield what ends the reading."""
    enough = threading.Event()

    def read() -> None:
        while not enough.is_set():
            if select.select([keyboard], [], [], POLL_S)[0]:
                os.read(keyboard, 65_536)

    def end() -> None:
        enough.set()
        reader.join()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield end
    finally:
        end()


def test_sigterm_takes_everything_down(terminals: Terminals) -> None:
    """Nothing is left running or lying about, the exit code tells the signal, and the journal is whole."""
    with terminals.up() as process:
        assert len(descendants(terminals.home)) > 8
        process.terminate()
        assert process.wait(WITHIN_S) == 128 + signal.SIGTERM
    assert descendants(terminals.home) == []
    assert list(terminals.home.glob("testbed-*/*")) == []
    assert end_reason(terminals) == "complete"
    assert "Traceback" not in terminals.printed.read_text()


def test_a_closed_terminal_takes_everything_down(terminals: Terminals) -> None:
    """With its live picture drawn into a terminal that is gone, the facility is taken down by SIGHUP as by any other signal."""
    keyboard, screen = pty.openpty()
    with read_screen(keyboard) as end_reading, terminals.up(output=screen) as process:
        end_reading()
        os.close(screen)
        os.close(keyboard)
        process.send_signal(signal.SIGHUP)
        assert process.wait(WITHIN_S) == 128 + signal.SIGHUP
    assert descendants(terminals.home) == []
    assert list(terminals.home.glob("testbed-*/*")) == []
    assert end_reason(terminals) == "complete"


def test_what_a_killed_facility_left_counts_as_none_and_is_removed_by_the_next(terminals: Terminals) -> None:
    """`kill -9`: the kernel ends the facility, the next command sweeps and says that none is running, and `up` works."""
    with terminals.up() as process:
        process.kill()
        process.wait(WITHIN_S)
    wait_gone(terminals)
    [left] = [path for path in terminals.home.glob("testbed-*/*") if path.is_dir()]
    none = "testbed: no facility is running; start one with `testbed up`\n"
    swept = f"swept what killed runs had left: 1 directory in {left.parent}, 1 control socket (facility)\n"
    assert terminals.testbed("status") == (3, swept + none)
    assert not left.exists()
    assert terminals.testbed("status") == (3, none)
    assert end_reason(terminals) is None
    with terminals.up():
        assert terminals.testbed("down") == (0, "everything was taken down\n")
    assert descendants(terminals.home) == []
    assert list(terminals.home.glob("testbed-*/*")) == []
