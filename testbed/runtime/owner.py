"""The user that a process runs as, where it is another than the testbed's."""

from __future__ import annotations

import pwd
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """The user that a process runs as."""

    name: str
    uid: int
    gid: int

    @property
    def home(self) -> str:
        """The user's home directory, which need not exist."""
        return pwd.getpwnam(self.name).pw_dir
