"""A server that is held where it recovers, and answers each log-in that it is starting up (57P03), as after a crash with much to recover.

PostgreSQL is told to recover from an archive, and the command that fetches a file from there waits for as long as a file of ours is there.
Then it says that it has none, and the server goes on with what is on its own disk, on a new timeline.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from testbed.errors import FacilityError
from testbed.runtime.run_directory import SPACE, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from testbed.runtime.postgres.array import Array
    from testbed.runtime.postgres.programs import Programs

SINCE = 12  # the first version that is told so by a file
SIGNAL = "recovery.signal"


def _held(array: Array) -> Path:
    return array.data / "testbed.held"


def hold(programs: Programs, array: Array) -> Mapping[str, str]:
    """Let the next server on an array be held; return the settings with which it has to be started."""
    if programs.major < SINCE:
        raise FacilityError(f"PostgreSQL {programs.version} cannot be held where it recovers; allowed: {SINCE} or later")
    try:
        for file in (_held(array), array.data / SIGNAL):
            write_private(file, "", programs.owner)
    except OSError as error:
        raise FacilityError(f"the array cannot be written to in {array.data}: {error.strerror}; {SPACE}") from error
    held = shlex.quote(str(_held(array))).replace("%", "%%")  # %f and %p would be names of files
    return {
        "restore_command": f"while test -e {held}; do sleep 0.02; done; false",
        "hot_standby": "off",  # or it would be ready for those who only read, before it has recovered
    }


def release(array: Array) -> None:
    """Let the server go on; does nothing where none is held."""
    _held(array).unlink(missing_ok=True)


def forget(array: Array) -> None:
    """Let the next server on an array not be held: one that ended while it was has left the word for it."""
    release(array)
    (array.data / SIGNAL).unlink(missing_ok=True)
