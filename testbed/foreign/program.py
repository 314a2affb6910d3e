"""What is known of a program before anything is done to it: which process it is, and whether it outlives a signal (proc(5))."""

from __future__ import annotations

import mmap
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from testbed.errors import DumpError
from testbed.observe.proc import PROC

if TYPE_CHECKING:
    import signal
    from pathlib import Path

GO = b"\xff Go buildinf:"  # of every program of Go's since 1.13
MOST_PROCESSES = 200  # below the one that was started
JAVA, PYTHON = re.compile(r"java\d*"), re.compile(r"(python|pypy)[\d.]*\w*|uwsgi")


def find_process(pid: int, program: re.Pattern[str], proc: Path = PROC) -> int:
    """Return the process that runs such a program: this one, or the first below it, where a script or a build tool has started it.

    Where none is found, or the system has no /proc, it is taken to be this one.
    """
    left, seen = [pid], 0
    while left and seen < MOST_PROCESSES:
        process = left.pop(0)
        seen += 1
        with suppress(OSError):
            if program.fullmatch((proc / str(process) / "exe").readlink().name):
                return process
        left += _children(process, proc)
    return pid


def _children(pid: int, proc: Path) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in (proc / str(pid) / "task").iterdir():
            with suppress(OSError):
                found += [int(child) for child in (task / "children").read_text().split()]
    return sorted(found)


def require_handled(service: str, pid: int, sig: signal.Signals, proc: Path = PROC) -> None:
    """Raise DumpError unless a program has a handler for a signal, and is none that ends after it: what is dumped has to go on."""
    failing = f"the threads of {service} (pid {pid}) cannot be dumped by {sig.name}"
    try:
        caught = _mask((proc / str(pid) / "status").read_text(errors="replace"), "SigCgt") >> (sig - 1) & 1
    except (OSError, ValueError) as error:
        raise DumpError(f"{failing}: its handlers cannot be read: {error}") from error
    if not caught:
        raise DumpError(
            f"{failing}: it has no handler for that, and would end or not notice; in Python, "
            f"faulthandler.register(signal.{sig.name}) sets one"
        )
    if sig.name in ("SIGQUIT", "SIGABRT") and is_go(pid, proc):
        raise DumpError(
            f"{failing}: a program of Go's writes its goroutines and ends; import net/http/pprof, and let `command` read "
            f"/debug/pprof/goroutine?debug=2"
        )
    if sig.name == "SIGABRT":
        raise DumpError(f"{failing}: SIGABRT ends a program also when that has a handler for it; allowed: SIGQUIT, SIGUSR1, SIGUSR2")


def is_go(pid: int, proc: Path = PROC) -> bool:
    """Whether a program was made by Go's compiler; a file that cannot be read is taken for none."""
    with (
        suppress(OSError, ValueError),  # ValueError: an empty file
        (proc / str(pid) / "exe").open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole,
    ):
        return whole.find(GO) >= 0
    return False


def _mask(status: str, name: str) -> int:
    found = [line.split()[1] for line in status.splitlines() if line.startswith(f"{name}:")]
    if not found:
        raise ValueError(f"no {name} in it")
    return int(found[0], 16)
