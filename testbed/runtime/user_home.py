"""The directory of a user's running testbeds: run directories, and the socket of a facility that is up.

It is named by the user's number. A name would have to be looked up, and a user of a container may have none; $LOGNAME can be anything.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from testbed.errors import FacilityError


def below(temporary: str | Path) -> Path:
    """Return this user's home below a directory for temporary files."""
    return Path(temporary).absolute() / f"testbed-{os.getuid()}"


def make(place: Path) -> None:
    """Make a home where there is none; raises FacilityError when what is there belongs to another user.

    The last that ends removes it: whatever is done in it next may raise FileNotFoundError, and is then to be tried again.
    """
    place.mkdir(mode=0o755, exist_ok=True)
    if os.path.lexists(place) and not is_ours(place):
        raise FacilityError(f"{place} belongs to another user; set TMPDIR to a directory of your own")


def is_ours(place: Path) -> bool:
    """Return whether a home is a directory of this user. Others may write beside it, and theirs could name any process to be ended."""
    try:
        found = place.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
