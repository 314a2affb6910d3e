"""What this user keeps between runs, because it is the same in each and takes long to make.

Whoever keeps something there makes it beside its place and moves it, so that what is there is whole. All of it may be removed at any time.
"""

from __future__ import annotations

import os
from pathlib import Path

from testbed.errors import FacilityError


def directory() -> Path:
    """Return the cache, `$XDG_CACHE_HOME/testbed` or `~/.cache/testbed`, or raise FacilityError where this user has no home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "testbed"
    except RuntimeError as error:  # a user of a container, say
        raise FacilityError("this user has no home directory for a cache; set XDG_CACHE_HOME") from error
