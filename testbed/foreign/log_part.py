"""Reads what a program writes to its log from now on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class LogPart:
    """The part of a log behind a place; of a log that was begun again meanwhile, all of it."""

    path: Path
    inode: int = 0
    offset: int = 0

    @classmethod
    def from_now(cls, path: Path) -> LogPart:
        """Return the part that will be written from now on; a log that is not there yet is empty."""
        try:
            status = path.stat()
        except OSError:
            return cls(path)
        return cls(path, status.st_ino, status.st_size)

    def read(self) -> bytes:
        """Return what has been written since, at most its first `MOST_BYTES`; raises OSError when the log cannot be read."""
        with self.path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_ino == self.inode and status.st_size >= self.offset:
                file.seek(self.offset)
            return file.read(MOST_BYTES)
