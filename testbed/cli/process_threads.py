"""`testbed threads --pid`: what each thread of any Python process waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.cli import output
from testbed.cli.interruption import interruptible
from testbed.errors import TestbedError
from testbed.observe.python_threads import PythonProcess, look_into, require_python_processes
from testbed.report.process_threads import process_line, process_text
from testbed.report.terminal import plain_console

if TYPE_CHECKING:
    from collections.abc import Sequence


def show_threads(pids: Sequence[int], target: str | None) -> None:
    """Print the threads of each process, those with deadlocks first, and write them to a target of JSON lines.

    Raises what went wrong with the first that cannot be looked into, when the others are printed.
    """
    require_python_processes(())  # of this machine, and not of any process: whether it has what says what threads wait for
    asked = tuple(dict.fromkeys(pids))
    found: dict[int, PythonProcess | TestbedError] = {pid: error for pid in asked if (error := _refusal(pid)) is not None}
    if len(found) < len(asked):  # or else the target stays as it is
        found |= _shown([pid for pid in asked if pid not in found], target)
    failures = [each for pid in asked if isinstance(each := found[pid], TestbedError)]
    for failure in failures[1:]:
        output.warn(str(failure))
    if failures:
        raise failures[0]


def _refusal(pid: int) -> TestbedError | None:
    """Return why a process cannot be looked into; None where it can."""
    try:
        require_python_processes((pid,))
    except TestbedError as error:
        return error
    return None


def _shown(pids: Sequence[int], target: str | None) -> dict[int, PythonProcess | TestbedError]:
    """Look into processes, print and write what is seen, and return it, or why there is nothing, by their pids."""
    with output.JsonLines(target) as write:
        found = interruptible(look_into(pids))
        processes = sorted((each for each in found if isinstance(each, PythonProcess)), key=lambda each: not each.locks.deadlocks)
        console = plain_console()
        for process in processes:
            write(process_line(process))
            if target != "-":
                console.print(process_text(process), soft_wrap=True)
    return dict(zip(pids, found, strict=True))
