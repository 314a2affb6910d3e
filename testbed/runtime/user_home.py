"""The directory of a user's running testbeds: run directories, and the control socket of an interactive facility.

It is named by the user's number: a user of a container may have no name, and $LOGNAME can be anything.
"""

from __future__ import annotations

import glob
import os
import stat
from pathlib import Path

from testbed.errors import FacilityError


def below(temporary: str | Path) -> Path:
    """Return this user's home below a directory for temporary files."""
    return Path(temporary).absolute() / f"testbed-{os.getuid()}"


def make(place: Path) -> None:
    """Make a home where there is none; raises FacilityError when it belongs to another user.

    The last run that ends removes it: what is done in it next may raise FileNotFoundError, and is then to be tried again.
    """
    place.mkdir(mode=0o711, exist_ok=True)
    if os.path.lexists(place) and not is_ours(place):
        raise FacilityError(f"{place} belongs to another user; set TMPDIR to a directory of your own")


def found(place: Path, pattern: str) -> list[Path]:
    """Return what of a place matches a pattern, in order; nothing where the place, or a part of it, goes away meanwhile.

    `Path.glob` would raise then, before Python 3.13.
    """
    return sorted(place / name for name in glob.glob(pattern, root_dir=place, recursive=True))  # noqa: PTH207 - see above


def is_ours(place: Path) -> bool:
    """Return whether a home is a directory of this user. Another user's could name any process to be ended."""
    try:
        status = place.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
