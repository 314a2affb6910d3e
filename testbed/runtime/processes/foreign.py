"""A program of somebody else's as a process of the runtime: started by a keeper, found on the machine, ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import ServiceError
from testbed.runtime.child import LAUNCH
from testbed.runtime.processes import keeper

if TYPE_CHECKING:
    from testbed.facility.runtime import ServiceSpec

KEEPER = Path(keeper.__file__)
STARTED_WITHIN_S = 30.0  # of the keeper, which takes some hundredths


@dataclass(eq=False, slots=True)
class ForeignProcess:
    """The program (`pid`) and its keeper. A signal reaches everything that the program has started, as from a terminal."""

    pid: int
    keeper: subprocess.Popen[bytes]

    def poll(self) -> int | None:
        """Return the exit code, or minus the signal that ended it; None while it runs."""
        code = self.keeper.poll()
        if code is not None and self.keeper.stdin is not None:
            self.keeper.stdin.close()
        return code

    def send_signal(self, sig: int, /) -> None:
        """Send a signal; does nothing when it has ended."""
        if self.poll() is not None:
            return
        if sig == signal.SIGKILL:
            assert self.keeper.stdin is not None
            for pid in keeper.descendants(self.keeper.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sig)
            with contextlib.suppress(OSError):
                self.keeper.stdin.close()  # the keeper kills whatever is there by then
            return
        whole = (signal.SIGSTOP, signal.SIGCONT)  # others go to the program alone, which knows what to do with the rest
        for pid in keeper.descendants(self.keeper.pid) if sig in whole else (self.pid,):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sig)


def start(spec: ServiceSpec, log: Path) -> ForeignProcess:
    """Start the program of a spec; raises ServiceError, which says where it was looked for, when there is none.

    Call it from the main thread only, as `child.spawn`.
    """
    variables = environment() | dict(spec.environment)
    command = [find(spec, variables), *spec.command[1:]]
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(KEEPER), str(writing), str(log.absolute()), str(LAUNCH), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=variables,
            cwd=spec.directory,
            pass_fds=(writing,),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        os.close(reading)
        raise ServiceError(f"{spec.name} cannot be started: {error}") from error
    finally:
        os.close(writing)
    with os.fdopen(reading) as report:
        ready, _, _ = select.select([report], [], [], STARTED_WITHIN_S)
        line = report.readline() if ready else ""
    if not line:
        process.kill()
        raise ServiceError(f"{spec.name} cannot be started: its keeper did not start it; is the number of processes limited (ulimit -u)?")
    return ForeignProcess(int(line), process)


def find(spec: ServiceSpec, variables: dict[str, str]) -> str:
    """Return the path of the program of a spec; raises ServiceError when there is none, or nobody may run it."""
    program = spec.command[0]
    if os.sep in program:
        path = os.path.join(spec.directory, program)  # noqa: PTH118 - an absolute one stays as it is, with its links
        if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
            return os.path.abspath(path)  # noqa: PTH100
        what = "cannot be run: make it executable" if os.path.exists(path) else "does not exist"  # noqa: PTH110
        raise ServiceError(f"{spec.name} cannot be started: the program {path} {what}")
    found = shutil.which(program, path=variables.get("PATH"))
    if found is None:
        raise ServiceError(
            f"{spec.name} cannot be started: there is no program {program!r} on the PATH; allowed: the name of one that is, or a path from "
            f"{spec.directory}"
        )
    return os.path.abspath(found)  # noqa: PTH100


def environment() -> dict[str, str]:
    """Return the environment of such a program: ours, without what would lead it elsewhere than its own settings say.

    Left out are libpq's defaults (PGHOST, PGSSLMODE, …) and web proxies, as for the facility's own services. What it writes is to be in
    its log at once, so that its last lines are there when it has ended.
    """
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PG") and not name.lower().endswith("_proxy")}
    return {**variables, "PYTHONUNBUFFERED": "1"}
