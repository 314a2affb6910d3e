"""Inspects the service of a container from inside: `python -m testbed.runtime.containers.programs.inspect_service WHAT …` prints JSON.

`dump`: what py-spy prints of its threads, and what each of them waits for. `listeners SERVICE`: where it listens. `locks SERVICE LINES`:
who waits for whose lock; LINES is a JSON list of the lines that an earlier dump shows. Of `testbed.observe` only what is asked for is
imported: at a hang every service is inspected at once, and an interpreter has to start for each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from testbed.errors import TestbedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PID = 1  # a container's own program
PY_SPY_WITHIN_S = 15.0  # less than the runtime waits for: who is told to stop waiting ends no program in a container


def dump() -> str:
    """Return py-spy's dump, and what threads wait for; raises SystemExit with py-spy's exit code after its own words."""
    from testbed.observe.thread_waits import lasting_waits, thread_waits  # noqa: PLC0415 - see above

    before = thread_waits(PID)
    done = subprocess.run(
        ["py-spy", "dump", "--json", "--pid", str(PID)], capture_output=True, text=True, check=False, timeout=PY_SPY_WITHIN_S
    )
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise SystemExit(done.returncode)
    waits = lasting_waits(PID, before)  # whom py-spy has interrupted may be on the way back to its wait
    return json.dumps({"dump": done.stdout, "waits": {thread: asdict(wait) for thread, wait in waits.items()}})


def listeners(service: str) -> str:
    """Return where the service listens."""
    from testbed.observe.netlink import own_listen_queues  # noqa: PLC0415 - see above
    from testbed.observe.proc import STOPPED, process_state  # noqa: PLC0415 - see above

    queues = [asdict(queue) for queue in own_listen_queues(PID)]
    return json.dumps({"service": service, "sockets": queues, "is_stopped": process_state(PID) == STOPPED})


def locks(service: str, seen: str) -> str:
    """Return the locks between its threads."""
    import asyncio  # noqa: PLC0415 - see above

    from testbed.observe import service_locks  # noqa: PLC0415 - see above

    return json.dumps(asdict(asyncio.run(service_locks.thread_locks(service, PID, frozenset(json.loads(seen))))))


WHAT: Mapping[str, Callable[..., str]] = {"dump": dump, "listeners": listeners, "locks": locks}


def main(argv: Sequence[str]) -> int:
    """Print what is asked for; what cannot be had is said on standard error, with exit code 1."""
    what, *rest = argv
    try:
        sys.stdout.write(WHAT[what](*rest) + "\n")
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"py-spy did not end within {PY_SPY_WITHIN_S:.0f} s\n")
        return 1
    except TestbedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
