"""What was left by testbeds that were killed (`kill -9`): replays, classes and facilities. Those that run are left alone."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from testbed.interactive import control_socket
from testbed.runtime import run_directory

if TYPE_CHECKING:
    from testbed.runtime.run_directory import Remains


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What was removed of each killed run, and the names of the facilities whose control sockets were."""

    runs: tuple[Remains, ...]
    facilities: tuple[str, ...]


def sweep() -> Leftovers:
    """Remove what killed testbeds of this user left, as the next replay would, and return it; takes some seconds at most.

    A home goes with the last in it.
    """
    runs = run_directory.sweep_remains()
    for home in {remains.path.parent for remains in runs}:
        with suppress(OSError):  # a living run, or a control socket, is in it
            home.rmdir()
    return Leftovers(runs, control_socket.sweep())
