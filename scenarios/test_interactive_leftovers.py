"""What becomes of a facility by hand when whoever holds it up goes away."""

from __future__ import annotations

import os
import pty
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from scenarios.descendants import descendants
from scenarios.terminals import WITHIN_S, Terminals, terminals
from testbed.journal import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are found by /proc, and only Linux ends children with their parent"
)


@pytest.fixture
def class_() -> Iterator[Terminals]:
    """Give terminals."""
    with terminals() as made:
        yield made


def wait_gone(class_: Terminals) -> None:
    """Wait until no process is left."""
    deadline = time.monotonic() + WITHIN_S
    while left := descendants(class_.home):
        assert time.monotonic() < deadline, f"still there after {WITHIN_S:.0f} s: {left}"
        time.sleep(0.05)


def end_reason(class_: Terminals) -> str | None:
    """Give what the journal says of its end; None when it has none."""
    end = reader.read(next(class_.home.glob("runs/*/original.jsonl"))).end
    return end.reason if end else None


def test_sigterm_takes_everything_down(class_: Terminals) -> None:
    """Nothing is left running or lying about, the exit code tells the signal, and the journal is whole."""
    with class_.up() as held:
        assert len(descendants(class_.home)) > 8
        held.terminate()
        assert held.wait(WITHIN_S) == 128 + signal.SIGTERM
    assert descendants(class_.home) == []
    assert list(class_.home.glob("testbed-*/*")) == []
    assert end_reason(class_) == "complete"
    assert "Traceback" not in class_.printed.read_text()


def test_a_closed_terminal_takes_everything_down(class_: Terminals) -> None:
    """With its live picture drawn into a terminal that is gone, the facility is taken down by SIGHUP as by any other signal."""
    keyboard, screen = pty.openpty()
    with class_.up(output=screen) as held:
        os.close(screen)
        os.close(keyboard)
        held.send_signal(signal.SIGHUP)
        assert held.wait(WITHIN_S) == 128 + signal.SIGHUP
    assert descendants(class_.home) == []
    assert list(class_.home.glob("testbed-*/*")) == []
    assert end_reason(class_) == "complete"


def test_what_a_killed_one_left_is_told_as_none_and_removed_by_the_next(class_: Terminals) -> None:
    """`kill -9`: the kernel ends the facility, the other commands say that none is up, and the next `up` sweeps and works."""
    with class_.up() as held:
        held.kill()
        held.wait(WITHIN_S)
    wait_gone(class_)
    [left] = [one for one in class_.home.glob("testbed-*/*") if one.is_dir()]
    assert class_.testbed("status") == (3, "testbed: no facility is up; start one with `testbed up`\n")
    assert end_reason(class_) is None
    with class_.up():
        assert not left.exists()
        assert class_.testbed("down") == (0, "everything was taken down\n")
    assert descendants(class_.home) == []
    assert list(class_.home.glob("testbed-*/*")) == []
